#include "base/json.h"
#include "check_main.h"
#include "clip/tokenizer_private.h"
#include "dho/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#define VOCABULARY "../shared/data/clip/bpe_simple_vocab_16e6.txt.gz"

/* Ids that open_clip gave (tests/golden/tokenizer_oracle.py). */
START_TEST(test_golden)
{
    if (!dho_path_exists(VOCABULARY)) skip_test("no %s", VOCABULARY);
    dho_tokenizer *tokenizer;
    json_t *golden;
    int32_t ids[DHO_TOKENIZER_CONTEXT];
    size_t end, needed, row;
    const json_t *item;
    ck_assert_ok(dho_tokenizer_open(&tokenizer, VOCABULARY));
    ck_assert_uint_eq(dho_tokenizer_vocab_size(tokenizer), 49408);
    ck_assert_ok(dho_json_load(&golden, "tests/golden/tokenizer.json", 1 << 20));
    ck_assert_uint_eq(json_array_size(golden), 26);
    json_array_foreach(golden, row, item)
    {
        const json_t *text = json_object_get(item, "text"),
                     *expected = json_object_get(item, "ids");
        ck_assert_uint_ge(json_array_size(expected), 2); /* zeros follow */
        ck_assert_ok(dho_tokenizer_encode(tokenizer, json_string_value(text),
                                          json_string_length(text), ids, DHO_TOKENIZER_CONTEXT,
                                          &end, &needed));
        for (size_t i = 0; i < DHO_TOKENIZER_CONTEXT; i++)
            ck_assert_msg(ids[i] == json_integer_value(json_array_get(expected, i)),
                          "\"%s\": token %zu: %d", json_string_value(text), i, ids[i]);
        ck_assert_int_eq(ids[end], 49407);
    }
    /* Cut: the last id is the end mark, and the caller learns of it. */
    ck_assert_ok(dho_tokenizer_encode(tokenizer, "a photo of a cat", 16, ids, 4, &end, &needed));
    ck_assert_uint_eq(needed, 7);
    ck_assert_uint_eq(end, 3);
    json_decref(golden);
    dho_tokenizer_close(&tokenizer);
}
END_TEST

START_TEST(test_cleaning)
{
    static const char *const cases[][2] = {
        {"", ""},
        {" \t\n ", ""},
        {"  A \xc2\xa0\xe3\x80\x80 b\r", "a b"},
        {"AT&T, a & b, x&", "at&t, a & b, x&"},
        {"“it’s” ʼ", "\"it's\" '"},
        {"cafe\xcc\x81 CAFÉ", "café café"},
        {"ΟΔΟΣ Σ", "οδος σ"},
        {"İ", "i\xcc\x87"},
        {"naïve “CAFÉ”", "naïve \"café\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t *codes;
        size_t count, length;
        ck_assert_ok(dho_text_clean(cases[i][0], strlen(cases[i][0]), &codes, &count));
        uint8_t *found = u32_to_u8(codes, count, NULL, &length);
        ck_assert_uint_eq(length, strlen(cases[i][1]));
        ck_assert_msg(memcmp(found, cases[i][1], length) == 0, "%s", cases[i][0]);
        free(found);
        dho_free(codes);
    }
}
END_TEST

START_TEST(test_refused)
{
    static const char *const cases[][2] = {
        {"salt &amp; pepper", "\"salt &amp; pepper\": \"&amp;\" looks like an HTML reference"},
        {"a &copy b", "\"&copy\" looks like an HTML reference: write the character"},
        {"&#65;", "\"&#65;\" looks like"},
        {"&#x1F600", "\"&#x1F600\" looks like"},
        {"x&#", "\"&#\" looks like"},
        {"M&Ms",
         "\"M&Ms\": \"&Ms\" looks like an HTML reference: write the character that it stands "
         "for, or a blank behind the &"},
        {"a cafÃ©",
         "\"a cafÃ©\" looks like UTF-8 that was decoded as Windows-1252: write \"a café\""},
        {"itâ€™s", "write \"it’s\""},
        {"\xc2\x80uro", "\"\\xc2\\x80uro\": character 1 is U+0080"},
        {"oﬃce", "\"oﬃce\": character 2 is U+FB03"},
        {"ＡＢ", "character 1 is U+FF21"},
        {"a\x1b[1m", "\"a\\x1b[1m\": character 2 is U+001B"},
        {"caf\xe9", "\"caf\\xe9\": byte 4 is not UTF-8"},
        {"\xed\xa0\x80", "byte 1 is not UTF-8"},
    };
    uint32_t *codes;
    size_t count;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_fails(dho_text_clean(cases[i][0], strlen(cases[i][0]), &codes, &count),
                        DHO_ERR_CONFIG, cases[i][1]);
    ck_assert_fails(dho_text_clean("a\0b", 3, &codes, &count), DHO_ERR_CONFIG,
                    "\"a\": character 2 is U+0000");
}
END_TEST

/* vocab.json of the base symbols, the symbols given and the marks. */
static json_t *make_vocab(const char *merges)
{
    dho_bpe *bpe;
    ck_assert_ok(dho_bpe_create(&bpe, merges, strlen(merges), 0, "merges"));
    json_t *vocab = json_object();
    const size_t symbols = dho_bpe_symbols(bpe);
    for (size_t i = 0; i < symbols; i++) {
        size_t length;
        char key[64] = {0};
        const char *name = dho_bpe_symbol_name(bpe, i, &length);
        memcpy(key, name, length);
        json_object_set_new(vocab, key, json_integer((json_int_t)(symbols - 1 - i)));
    }
    json_object_set_new(vocab, "<|startoftext|>", json_integer((json_int_t)symbols));
    json_object_set_new(vocab, "<|endoftext|>", json_integer((json_int_t)symbols + 1));
    dho_bpe_destroy(&bpe);
    return vocab;
}

static dho_status open_small(dho_tokenizer **out, const char *merges, const json_t *vocab)
{
    char *text = json_dumps(vocab, 0);
    const dho_status status = dho_tokenizer_open_memory(out, merges, strlen(merges), "merges.txt",
                                                        text, strlen(text), "vocab.json");
    free(text);
    return status;
}

/* The ids of a piece under a vocabulary of bytes alone (make_vocab's ids run backwards). */
static size_t put_bytes(const dho_bpe *bpe, const char *piece, size_t bytes, int32_t *ids)
{
    static const char *const marks[] = {"<|startoftext|>", "<|endoftext|>"};
    for (int i = 0; i < 2; i++)
        if (strcmp(piece, marks[i]) == 0) {
            ids[0] = DHO_BPE_BASE + i;
            return 1;
        }
    for (size_t i = 0; i < bytes; i++)
        ids[i] = DHO_BPE_BASE - 1 - (int32_t)dho_bpe_byte(bpe, (uint8_t)piece[i], i == bytes - 1);
    return bytes;
}

/* Cleaning and splitting alone, which need no published vocabulary: the pieces of the texts that
 * open_clip with ftfy found (tests/golden/tokenizer_oracle.py). */
START_TEST(test_golden_pieces)
{
    enum { CONTEXT = 1024 };
    json_t *vocab = make_vocab("title\n"), *golden;
    const json_t *item, *piece;
    dho_tokenizer *tokenizer;
    dho_bpe *bpe;
    int32_t ids[CONTEXT], expected[CONTEXT];
    size_t row, p, end;
    ck_assert_ok(dho_bpe_create(&bpe, "title\n", 6, 0, "merges"));
    ck_assert_ok(open_small(&tokenizer, "title\n", vocab));
    ck_assert_ok(dho_json_load(&golden, "tests/golden/tokenizer.json", 1 << 20));
    ck_assert_uint_eq(json_array_size(golden), 26);
    json_array_foreach(golden, row, item)
    {
        const json_t *text = json_object_get(item, "text");
        size_t count = put_bytes(bpe, "<|startoftext|>", 0, expected);
        json_array_foreach(json_object_get(item, "pieces"), p, piece)
        {
            ck_assert_uint_lt(count + json_string_length(piece), CONTEXT);
            count += put_bytes(bpe, json_string_value(piece), json_string_length(piece),
                               expected + count);
        }
        count += put_bytes(bpe, "<|endoftext|>", 0, expected + count);
        ck_assert_ok(dho_tokenizer_encode(tokenizer, json_string_value(text),
                                          json_string_length(text), ids, CONTEXT, &end, NULL));
        ck_assert_msg(memcmp(ids, expected, count * sizeof *ids) == 0, "row %zu: \"%s\"", row,
                      json_string_value(text));
    }
    json_decref(golden);
    json_decref(vocab);
    dho_bpe_destroy(&bpe);
    dho_tokenizer_close(&tokenizer);
}
END_TEST

static const char small[] = "title\na a\naa aa\naa a</w>\n";

START_TEST(test_small_vocabulary)
{
    json_t *vocab = make_vocab(small);
    dho_tokenizer *tokenizer;
    int32_t ids[8];
    size_t end, needed;
    ck_assert_ok(open_small(&tokenizer, small, vocab));
    /* a a a a a</w>: aa aa a</w>, then "aa aa" comes before "aa a</w>": aaaa a</w>. */
    ck_assert_ok(dho_tokenizer_encode(tokenizer, "AAAAA", 5, ids, 8, &end, &needed));
    ck_assert_int_eq(ids[0], 515);
    ck_assert_int_eq(ids[1], 514 - 513); /* ids run backwards here */
    ck_assert_int_eq(ids[2], 514 - (256 + 'a' - '!'));
    ck_assert_int_eq(ids[3], 516);
    ck_assert_uint_eq(needed, 4);
    ck_assert_uint_eq(end, 3);
    ck_assert_fails(dho_tokenizer_encode(tokenizer, "a", 1, ids, 1, NULL, NULL), DHO_ERR_CONFIG,
                    "context");
    ck_assert_fails(
        dho_tokenizer_encode(tokenizer, "a", DHO_TOKENIZER_MAX_TEXT_BYTES + 1, ids, 8, NULL, NULL),
        DHO_ERR_CONFIG, "at most");
    dho_tokenizer_close(&tokenizer);
    json_object_set_new(vocab, "aaaa", json_integer(517));
    ck_assert_fails(open_small(&tokenizer, small, vocab), DHO_ERR_FORMAT,
                    "vocab.json: \"aaaa\": expected an id of 0 to 516");
    json_object_del(vocab, "aaaa");
    ck_assert_fails(open_small(&tokenizer, small, vocab), DHO_ERR_FORMAT, "no token \"aaaa\"");
    json_decref(vocab);
}
END_TEST

START_TEST(test_hostile_merges)
{
    static const char *const cases[][2] = {
        {"t\na b\nab", "line 3: expected two symbols"},
        {"t\na b\nabc d\n", "line 3: the first symbol is neither"},
        {"t\na \n", "line 2: the second symbol"},
        {"t\na b\na b\n", "line 3: makes a symbol that is there"},
    };
    dho_bpe *bpe;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_fails(dho_bpe_create(&bpe, cases[i][0], strlen(cases[i][0]), 0, "m"),
                        DHO_ERR_FORMAT, cases[i][1]);
    ck_assert_fails(dho_bpe_create(&bpe, "t\na b\n", 6, 2, "m"), DHO_ERR_FORMAT, "cut short");
    char *text;
    size_t bytes;
    ck_assert_fails(dho_text_unpack((const uint8_t *)"\x1f\x8b\x08\0\0", 5, "g", &text, &bytes),
                    DHO_ERR_FORMAT, "g: offset 5: gzip: cut short");
    dho_tokenizer *tokenizer;
    ck_assert_fails(dho_tokenizer_open(&tokenizer, "no/such.gz"), DHO_ERR_IO, "no/such.gz");
}
END_TEST

START_TEST(test_failed_allocations)
{
    json_t *vocab = make_vocab(small);
    const int64_t before = dho_alloc_get_stats().live_blocks;
    int32_t ids[8];
    bool done = false;
    for (int64_t n = 1; !done; n++) {
        dho_tokenizer *tokenizer;
        dho_alloc_fail_at(n);
        dho_status status = open_small(&tokenizer, small, vocab);
        if (status == DHO_OK)
            status = dho_tokenizer_encode(tokenizer, "aaa < \xce\xa3", 8, ids, 8, NULL, NULL);
        dho_alloc_fail_at(0);
        done = status == DHO_OK;
        ck_assert(done || status == DHO_ERR_MEMORY);
        dho_tokenizer_close(&tokenizer);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
        ck_assert_int_lt(n, 100);
    }
    json_decref(vocab);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokenizer");
    TCase *tests = tcase_create("tokenizer");
    tcase_add_test(tests, test_golden_pieces);
    tcase_add_test(tests, test_cleaning);
    tcase_add_test(tests, test_refused);
    tcase_add_test(tests, test_small_vocabulary);
    tcase_add_test(tests, test_hostile_merges);
    tcase_add_test(tests, test_failed_allocations);
    suite_add_tcase(suite, tests);
    tcase_add_test(dho_check_case(suite, "published"), test_golden);
    return dho_check_run(suite);
}

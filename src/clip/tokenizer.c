/* The tokenizer: vocabulary, splitting into words, the row of ids. */
#include "dho/tokenizer.h"

#include "base/json.h"
#include "clip/tokenizer_private.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <string.h>
#include <unictype.h>
#include <unistr.h>

struct dho_tokenizer {
    dho_bpe *bpe;
    int32_t *ids; /* [symbols of bpe], owned; NULL: a symbol is its id */
    int32_t start, end;
    size_t vocab_size;
};

enum { OPENAI_MERGES = 49152 - 256 - 2 };

static const char start_mark[] = "<|startoftext|>", end_mark[] = "<|endoftext|>";

/* --- opening --- */

/* The id of a token in vocab.json: below the number of tokens. */
static dho_status read_id(const json_t *vocab, const char *token, size_t length, const char *name,
                          int32_t *out)
{
    char key[2048]; /* a symbol has at most 1024 bytes */
    memcpy(key, token, length);
    key[length] = '\0';
    const json_t *value = json_object_get(vocab, key);
    if (value == NULL) return dho_fail(DHO_ERR_FORMAT, "%s: no token \"%s\"", name, key);
    const json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    if (id < 0 || (uint64_t)id >= json_object_size(vocab) || id > INT32_MAX)
        return dho_fail(DHO_ERR_FORMAT, "%s: \"%s\": expected an id of 0 to %zu", name, key,
                        json_object_size(vocab) - 1);
    *out = (int32_t)id;
    return DHO_OK;
}

static dho_status read_vocab(dho_tokenizer *tokenizer, const char *text, size_t bytes,
                             const char *name)
{
    json_t *vocab = NULL;
    dho_status status;
    const size_t symbols = dho_bpe_symbols(tokenizer->bpe);
    DHO_TRY_GOTO(dho_json_parse(&vocab, text, bytes, name));
    if (!json_is_object(vocab)) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: expected an object of tokens and ids", name);
        goto fail;
    }
    DHO_TRY_GOTO(dho_alloc(&tokenizer->ids, symbols, sizeof *tokenizer->ids, "tokenizer ids"));
    for (size_t i = 0; i < symbols; i++) {
        size_t length;
        const char *token = dho_bpe_symbol_name(tokenizer->bpe, i, &length);
        DHO_TRY_GOTO(read_id(vocab, token, length, name, &tokenizer->ids[i]));
    }
    DHO_TRY_GOTO(read_id(vocab, start_mark, strlen(start_mark), name, &tokenizer->start));
    DHO_TRY_GOTO(read_id(vocab, end_mark, strlen(end_mark), name, &tokenizer->end));
    tokenizer->vocab_size = json_object_size(vocab);
fail:
    json_decref(vocab);
    return status;
}

dho_status dho_tokenizer_open_memory(dho_tokenizer **out, const char *merges, size_t merges_bytes,
                                     const char *merges_name, const char *vocab, size_t vocab_bytes,
                                     const char *vocab_name)
{
    dho_tokenizer *tokenizer = NULL;
    dho_status status;
    *out = NULL;
    DHO_TRY_GOTO(dho_alloc_zero(&tokenizer, 1, sizeof *tokenizer, "tokenizer"));
    DHO_TRY_GOTO(dho_bpe_create(&tokenizer->bpe, merges, merges_bytes,
                                vocab == NULL ? OPENAI_MERGES : 0, merges_name));
    if (vocab != NULL) {
        DHO_TRY_GOTO(read_vocab(tokenizer, vocab, vocab_bytes, vocab_name));
    } else {
        const size_t symbols = dho_bpe_symbols(tokenizer->bpe);
        tokenizer->start = (int32_t)symbols;
        tokenizer->end = (int32_t)symbols + 1;
        tokenizer->vocab_size = symbols + 2;
    }
    *out = tokenizer;
    tokenizer = NULL;
fail:
    dho_tokenizer_close(&tokenizer);
    return status;
}

dho_status dho_tokenizer_open(dho_tokenizer **out, const char *path)
{
    char *merges_path = NULL, *vocab_path = NULL, *merges = NULL, *vocab = NULL;
    size_t merges_bytes, vocab_bytes = 0;
    dho_status status;
    *out = NULL;
    if (dho_path_is_folder(path)) {
        DHO_TRY_GOTO(dho_path_join(&merges_path, path, "merges.txt"));
        DHO_TRY_GOTO(dho_path_join(&vocab_path, path, "vocab.json"));
        DHO_TRY_GOTO(dho_text_file_read(vocab_path, &vocab, &vocab_bytes));
    }
    const char *merges_name = merges_path != NULL ? merges_path : path;
    DHO_TRY_GOTO(dho_text_file_read(merges_name, &merges, &merges_bytes));
    DHO_TRY_GOTO(dho_tokenizer_open_memory(out, merges, merges_bytes, merges_name, vocab,
                                           vocab_bytes, vocab_path));
fail:
    dho_free(merges_path);
    dho_free(vocab_path);
    dho_free(merges);
    dho_free(vocab);
    return status;
}

void dho_tokenizer_close(dho_tokenizer **tokenizer)
{
    if (*tokenizer == NULL) return;
    dho_bpe_destroy(&(*tokenizer)->bpe);
    dho_free((*tokenizer)->ids);
    dho_free(*tokenizer);
    *tokenizer = NULL;
}

size_t dho_tokenizer_vocab_size(const dho_tokenizer *tokenizer)
{
    return tokenizer->vocab_size;
}

/* --- splitting:
 * <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+ with
 * IGNORECASE, on text in lower case. The expression is short enough to be read by hand, in one pass
 * whatever the text is. */

typedef enum kind { SKIPPED, LETTER, NUMBER, OTHER } kind;

static kind classify(uint32_t c)
{
    if (c == ' ') return SKIPPED; /* the one white space that cleaning leaves */
    /* Its other case is a letter, so that IGNORECASE finds it in no class of the three. */
    if (c == 0x345) return SKIPPED;
    if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_L)) return LETTER;
    return uc_is_general_category_withtable(c, UC_CATEGORY_MASK_N) ? NUMBER : OTHER;
}

/* Whether text starts with an ASCII word; the long s is an s to IGNORECASE. */
static bool starts_with(const uint32_t *text, size_t count, const char *word, size_t *out_length)
{
    size_t i = 0;
    for (; word[i] != '\0'; i++)
        if (i >= count || (text[i] != (uint8_t)word[i] && !(word[i] == 's' && text[i] == 0x17f)))
            return false;
    *out_length = i;
    return true;
}

/* The length of the piece at the start of a text that does not start with SKIPPED. */
static size_t piece_length(const uint32_t *text, size_t count)
{
    static const char *const fixed[] = {start_mark, end_mark, "'s",  "'t", "'re",
                                        "'ve",      "'m",     "'ll", "'d"};
    size_t length;
    if (text[0] == '<' || text[0] == '\'')
        for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
            if (starts_with(text, count, fixed[i], &length)) return length;
    const kind first = classify(text[0]);
    length = 1;
    if (first != NUMBER)
        while (length < count && classify(text[length]) == first) length++;
    return length;
}

/* --- encoding --- */

/* The row while it is written; ids that do not fit are counted only. */
typedef struct row {
    int32_t *ids;
    size_t context, needed;
} row;

static void append(row *r, int32_t id)
{
    if (r->needed < r->context) r->ids[r->needed] = id;
    r->needed++;
}

/* The memory of one call, for a text of so many code points. */
typedef struct workspace {
    dho_bpe_scratch *scratch;
    uint8_t *word;     /* [4 * count] */
    uint32_t *symbols; /* [4 * count] */
} workspace;

static void append_piece(const dho_tokenizer *tokenizer, const workspace *w, const uint32_t *text,
                         size_t length, row *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < length; i++) bytes += (size_t)u8_uctomb(w->word + bytes, text[i], 4);
    const bool start = bytes == strlen(start_mark) && memcmp(w->word, start_mark, bytes) == 0;
    const bool end = bytes == strlen(end_mark) && memcmp(w->word, end_mark, bytes) == 0;
    if (start || end) {
        append(r, start ? tokenizer->start : tokenizer->end);
        return;
    }
    const size_t count =
        dho_bpe_encode_word(tokenizer->bpe, w->scratch, w->word, bytes, w->symbols);
    for (size_t i = 0; i < count; i++)
        append(r, tokenizer->ids != NULL ? tokenizer->ids[w->symbols[i]] : (int32_t)w->symbols[i]);
}

/* The row without its end: that and the zeros are close_row's. */
static dho_status encode_text(const dho_tokenizer *tokenizer, const char *text, size_t bytes,
                              row *r)
{
    uint32_t *codes = NULL;
    size_t count;
    workspace w = {0};
    dho_status status;
    DHO_TRY_GOTO(dho_text_clean(text, bytes, &codes, &count));
    DHO_TRY_GOTO(dho_bpe_scratch_create(&w.scratch, 4 * count));
    DHO_TRY_GOTO(dho_alloc(&w.word, count, 4, "tokenizer word"));
    DHO_TRY_GOTO(dho_alloc(&w.symbols, count, 4 * sizeof *w.symbols, "tokenizer word"));
    append(r, tokenizer->start);
    for (size_t at = 0; at < count;) {
        if (classify(codes[at]) == SKIPPED) {
            at++;
            continue;
        }
        const size_t length = piece_length(codes + at, count - at);
        append_piece(tokenizer, &w, codes + at, length, r);
        at += length;
    }
    append(r, tokenizer->end);
fail:
    dho_bpe_scratch_destroy(&w.scratch);
    dho_free(w.word);
    dho_free(w.symbols);
    dho_free(codes);
    return status;
}

dho_status dho_tokenizer_encode(const dho_tokenizer *tokenizer, const char *text, size_t bytes,
                                int32_t *ids, size_t context, size_t *out_end, size_t *out_needed)
{
    if (bytes > DHO_TOKENIZER_MAX_TEXT_BYTES)
        return dho_fail(DHO_ERR_CONFIG, "tokenizer: a text of %zu bytes, at most %d can be", bytes,
                        DHO_TOKENIZER_MAX_TEXT_BYTES);
    if (context < 2)
        return dho_fail(DHO_ERR_CONFIG, "tokenizer: context: expected at least 2, got %zu",
                        context);
    row r = {ids, context, 0};
    DHO_TRY(encode_text(tokenizer, text, bytes, &r));
    if (r.needed > context) ids[context - 1] = tokenizer->end;
    for (size_t i = r.needed; i < context; i++) ids[i] = 0;
    size_t end = 0;
    while (ids[end] != tokenizer->end) end++;
    if (out_end != NULL) *out_end = end;
    if (out_needed != NULL) *out_needed = r.needed;
    return DHO_OK;
}

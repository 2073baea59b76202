/* libFuzzer: texts, and the files of a vocabulary. The first byte says what the rest is: a text (a
 * vocabulary of a few merges), merges, vocab.json, or a gzip stream. */
#include "clip/tokenizer_private.h"
#include "dho/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <unistr.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char merges[] = "title\na a\na a</w>\naa aa</w>\nt h\nth e</w>\n! !\n";

static void require(int condition)
{
    if (!condition) abort();
}

static void encode(const dho_bpe *bpe, const char *text, size_t bytes)
{
    uint32_t *codes;
    size_t count;
    if (dho_text_clean(text, bytes, &codes, &count) != DHO_OK) return; /* refused */
    uint8_t *word = malloc(4 * count + 1);
    uint32_t *symbols = malloc(sizeof *symbols * (4 * count + 1));
    size_t length = 0, joined = 0;
    for (size_t i = 0; i < count; i++) length += (size_t)u8_uctomb(word + length, codes[i], 4);
    dho_bpe_scratch *scratch;
    require(dho_bpe_scratch_create(&scratch, length) == DHO_OK);
    const size_t used = length > 0 ? dho_bpe_encode_word(bpe, scratch, word, length, symbols) : 0;
    for (size_t i = 0; i < used; i++) {
        size_t part;
        require(symbols[i] < dho_bpe_symbols(bpe));
        dho_bpe_symbol_name(bpe, symbols[i], &part);
        joined += part;
    }
    require(joined >= length);
    dho_bpe_scratch_destroy(&scratch);
    free(symbols);
    free(word);
    dho_free(codes);
}

static void fuzz_vocabulary(const char *text, size_t bytes, int kind)
{
    dho_tokenizer *tokenizer = NULL;
    dho_bpe *bpe = NULL;
    char *unpacked;
    size_t unpacked_bytes;
    if (kind == 1 && dho_bpe_create(&bpe, text, bytes, 0, "fuzz") == DHO_OK)
        encode(bpe, text, bytes);
    dho_bpe_destroy(&bpe);
    if (kind == 2)
        dho_tokenizer_open_memory(&tokenizer, merges, strlen(merges), "merges", text, bytes,
                                  "fuzz");
    dho_tokenizer_close(&tokenizer);
    if (kind == 3 &&
        dho_text_unpack((const uint8_t *)text, bytes, "fuzz", &unpacked, &unpacked_bytes) == DHO_OK)
        dho_free(unpacked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t before = dho_alloc_get_stats().live_blocks;
    if (size < 1) return 0;
    char *text = malloc(size); /* exactly what is used is told */
    memcpy(text, data + 1, size - 1);
    if (data[0] % 4 == 0) {
        dho_bpe *bpe;
        require(dho_bpe_create(&bpe, merges, strlen(merges), 0, "merges") == DHO_OK);
        encode(bpe, text, size - 1);
        dho_bpe_destroy(&bpe);
    } else {
        fuzz_vocabulary(text, size - 1, data[0] % 4);
    }
    free(text);
    require(dho_alloc_get_stats().live_blocks == before);
    return 0;
}

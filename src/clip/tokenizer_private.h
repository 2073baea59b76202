/* The parts of the tokenizer, and its way in from memory for tests and fuzzers. Private to
 * src/clip.
 */
#ifndef DHO_CLIP_TOKENIZER_PRIVATE_H
#define DHO_CLIP_TOKENIZER_PRIVATE_H

#include "dho/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- tokenizer_refuse.c --- */

/* UTF-8 to code points. *out: owned by the caller (dho_free).
 * Errors: DHO_ERR_CONFIG, with the text quoted, for bytes that are not UTF-8, for what looks like
 * an HTML reference ("&amp;"), for UTF-8 that was decoded as Windows-1252 ("cafÃ©"), for controls,
 * ligatures and forms of half and full width; DHO_ERR_MEMORY. */
dho_status dho_text_decode(const char *text, size_t bytes, uint32_t **out, size_t *out_count);

/* --- tokenizer_text.c: Unicode text as OpenAI's cleaning makes it --- */

/* dho_text_decode, then quotes made straight, letters and marks composed (NFC), white space
 * collapsed, str.lower. *out: code points, owned by the caller (dho_free). */
dho_status dho_text_clean(const char *text, size_t bytes, uint32_t **out, size_t *out_count);

/* --- tokenizer_vocab.c: symbols and merges --- */

enum { DHO_BPE_BASE = 512 /* 256 bytes, and 256 bytes that end a word */ };

typedef struct dho_bpe dho_bpe;

/* Reads merges, one "left right" a line, the first line being a title. Symbol k < 256 is a byte in
 * OpenAI's order, k + 256 the same at a word's end, 512 + i what merge i makes.
 * required: exactly so many merges are read, what follows is passed over; 0: all lines.
 * `name` is for messages only. */
dho_status dho_bpe_create(dho_bpe **out, const char *text, size_t bytes, size_t required,
                          const char *name);
void dho_bpe_destroy(dho_bpe **bpe);
size_t dho_bpe_symbols(const dho_bpe *bpe);
/* The symbol's name as vocab.json spells it; not NUL-terminated. */
const char *dho_bpe_symbol_name(const dho_bpe *bpe, size_t symbol, size_t *out_length);

/* The rank of a pair: merge `rank` makes symbol 512 + rank. false: the pair is not merged. */
bool dho_bpe_rank(const dho_bpe *bpe, uint32_t left, uint32_t right, uint32_t *out_rank);
/* The symbol of a byte. */
uint32_t dho_bpe_byte(const dho_bpe *bpe, uint8_t byte, bool ends_word);

/* --- tokenizer_merge.c: one word --- */

typedef struct dho_bpe_scratch dho_bpe_scratch; /* for words up to a number of bytes */

dho_status dho_bpe_scratch_create(dho_bpe_scratch **out, size_t max_bytes);
void dho_bpe_scratch_destroy(dho_bpe_scratch **scratch);

/* The symbols of a word of bytes > 0; out holds at least `bytes`. Returns how many there are.
 * O(n log n): a word may be hostile. */
size_t dho_bpe_encode_word(const dho_bpe *bpe, dho_bpe_scratch *scratch, const uint8_t *word,
                           size_t bytes, uint32_t *out);

/* --- tokenizer.c --- */

/* dho_tokenizer_open from texts. vocab: vocab.json; NULL: `merges` is OpenAI's list.
 * The names are for messages only. */
dho_status dho_tokenizer_open_memory(dho_tokenizer **out, const char *merges, size_t merges_bytes,
                                     const char *merges_name, const char *vocab, size_t vocab_bytes,
                                     const char *vocab_name);

/* --- tokenizer_file.c --- */

/* A file's content, unpacked when it is gzip. *out: NUL-terminated, owned (dho_free). */
dho_status dho_text_file_read(const char *path, char **out, size_t *out_bytes);
/* The same of bytes in memory. */
dho_status dho_text_unpack(const uint8_t *data, size_t size, const char *name, char **out,
                           size_t *out_bytes);

#endif

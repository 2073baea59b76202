/* The parts of the tokenizer, and its way in from memory for tests and fuzzers. Private to src/. */
#ifndef DHO_CLIP_TOKENIZER_PRIVATE_H
#define DHO_CLIP_TOKENIZER_PRIVATE_H

#include "dho/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- tokenizer_text.c: Unicode text as OpenAI's cleaning makes it --- */

/* UTF-8 to code points; out holds at least `bytes`. Returns how many were written. Each maximal
 * part of a sequence that is not UTF-8 becomes one U+FFFD (Unicode 14, section 3.9). */
size_t dho_text_decode_utf8(const char *text, size_t bytes, uint32_t *out);

/* Code point to UTF-8; returns the bytes written, at most 4. */
size_t dho_text_put_utf8(uint32_t code, uint8_t *out);

/* " ".join(text.split()) as Python does it, in place; returns the new count. */
size_t dho_text_collapse_space(uint32_t *text, size_t count);

/* UTF-8 as OpenAI cleans it: dho_text_fix, html.unescape twice, white space, str.lower.
 * *out: code points, owned by the caller (dho_free). */
dho_status dho_text_clean(const char *text, size_t bytes, uint32_t **out, size_t *out_count);

/* --- tokenizer_ftfy.c --- */

/* ftfy.fix_text but for its repair of text that was decoded with a wrong encoding.
 * *out: code points, owned by the caller (dho_free). */
dho_status dho_text_fix(const uint32_t *text, size_t count, uint32_t **out, size_t *out_count);

/* --- tokenizer_html.c --- */

/* Python's html.unescape, in place; returns the new count, never more. */
size_t dho_text_unescape_html(uint32_t *text, size_t count);
/* The same of the references that ftfy resolves: those that end in a semicolon. */
size_t dho_text_unescape_closed(uint32_t *text, size_t count);

/* The character that a C1 control stands for in Windows-1252; other codes are returned. */
uint32_t dho_text_from_c1(uint32_t code);

/* --- html_entities.c --- */

/* The characters of a named reference of HTML 5; `name` without &, with the ; when it has one, no
 * NUL. NULL: no such name. codes[1] is 0 for one character. */
const uint32_t *dho_html_entity(const char *name, size_t length);

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

/* CLIP's byte-pair tokenizer: a prompt to the int32 ids that a text tower takes.
 *
 * The ids are those of OpenAI's simple_tokenizer (github.com/openai/CLIP) and of open_clip's
 * SimpleTokenizer, with ftfy 6. A text's curly quotes are made straight, its letters and marks are
 * composed (NFC), white space is collapsed, capitals become small as Python's str.lower makes them.
 * It is split into words, contractions, single digits and runs of other characters, and each piece
 * is merged by rank.
 *
 * What else ftfy and html.unescape would replace is refused instead: bytes that are not UTF-8, HTML
 * references ("&amp;", also "&amp"), text that was decoded with a wrong encoding ("cafÃ©" for
 * "café"), controls, Latin ligatures, forms of half and full width.
 *
 * Known differences. A text may be refused as one with a reference though it holds none ("M&Ms";
 * the message says what to write). Wrong encodings are found only where the whole text is UTF-8
 * decoded as Windows-1252. Characters are those of libunistring's version of Unicode (14 in Debian
 * 12). The marks are OpenAI's, <|startoftext|> and <|endoftext|>; open_clip spells <start_of_text>
 * inside a text.
 *
 * An open tokenizer does not change: any number of threads may encode with it. */
#ifndef DHO_TOKENIZER_H
#define DHO_TOKENIZER_H

#include "dho/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_tokenizer dho_tokenizer;

enum {
    DHO_TOKENIZER_CONTEXT = 77,            /* ids in a row of every published CLIP */
    DHO_TOKENIZER_MAX_TEXT_BYTES = 1 << 16 /* a longer text is refused */
};

/* Opens a vocabulary. Local.
 * path: OpenAI's bpe_simple_vocab_16e6.txt, gzipped or not (49,408 ids), or a folder with
 *       Hugging Face's vocab.json and merges.txt (its ids; both marks must be in it).
 * *out is owned by the caller (dho_tokenizer_close); NULL on failure.
 * Errors: DHO_ERR_IO; DHO_ERR_FORMAT "path: line N: why" or "path: "token": why";
 * DHO_ERR_MEMORY. */
dho_status dho_tokenizer_open(dho_tokenizer **out, const char *path);

/* Releases and nulls; NULL does nothing. */
void dho_tokenizer_close(dho_tokenizer **tokenizer);

/* Rows that the token embedding must have: each id is in [0, this). */
size_t dho_tokenizer_vocab_size(const dho_tokenizer *tokenizer);

/* Writes start mark, the text's tokens, end mark, then zeros up to `context` ids. Local;
 * thread-safe.
 * text: UTF-8, `bytes` of it.
 * ids: [context], context >= 2. A longer text is cut, its last id is the end mark.
 * out_end: where the first end mark stands: the token whose feature CLIP takes (open_clip's argmax
 *          of the ids). NULL allowed.
 * out_needed: ids that the whole text has, marks included; above `context` when it was cut. NULL
 *             allowed.
 * Errors: DHO_ERR_CONFIG for a text that is refused (the message quotes it), one above
 * DHO_TOKENIZER_MAX_TEXT_BYTES or a context below 2; DHO_ERR_MEMORY. */
dho_status dho_tokenizer_encode(const dho_tokenizer *tokenizer, const char *text, size_t bytes,
                                int32_t *ids, size_t context, size_t *out_end, size_t *out_needed);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

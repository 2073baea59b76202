/* Names as text. Private to src and tools. */
#ifndef DHO_BASE_UTF8_H
#define DHO_BASE_UTF8_H

#include "dho/status.h"

#include <stddef.h>
#include <stdint.h>

/* The first byte that begins no whole UTF-8 sequence; NULL: there is none. */
const uint8_t *dho_utf8_first_bad(const uint8_t *text, size_t size);

/* Reads the first character of text[bytes]: its length in bytes; 0 where it is not UTF-8. */
size_t dho_utf8_decode(const char *text, size_t bytes, uint32_t *out);
/* The columns that a character takes in a terminal: 0 to 2; -1: it is none to be shown there. */
int dho_utf8_columns(uint32_t character);
/* The length of the longest beginning of a UTF-8 text that has at most `most` bytes and ends with a
 * whole character. */
size_t dho_utf8_fit(const char *text, size_t most);

/* The text with bytes that are not UTF-8, and control characters, as \xNN; cut to `size`. */
void dho_utf8_print(const char *text, char *out, size_t size);

/* A name that is to stand in JSON. Errors: DHO_ERR_FORMAT 'where: the name "caf\xe9" is not UTF-8:
 * hint'. */
dho_status dho_utf8_check_name(const char *name, const char *where, const char *hint);

#endif

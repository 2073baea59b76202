/* Names as text. Private to src. */
#ifndef DHO_BASE_UTF8_H
#define DHO_BASE_UTF8_H

#include "dho/status.h"

#include <stddef.h>
#include <stdint.h>

/* The first byte that begins no whole UTF-8 sequence; NULL: there is none. */
const uint8_t *dho_utf8_first_bad(const uint8_t *text, size_t size);

/* The text with bytes that are not UTF-8, and control characters, as \xNN; cut to `size`. */
void dho_utf8_print(const char *text, char *out, size_t size);

/* A name that is to stand in JSON. Errors: DHO_ERR_FORMAT 'where: the name "caf\xe9" is not UTF-8:
 * hint'. */
dho_status dho_utf8_check_name(const char *name, const char *where, const char *hint);

#endif

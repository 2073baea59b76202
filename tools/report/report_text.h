/* A growing text with the escaping that HTML and SVG need. Private to tools/report.
 *
 * A failure (DHO_ERR_MEMORY) is kept: later calls do nothing, and the caller asks once in the end.
 * Names come from files and folders of strangers: they reach a page through dho_text_escape (or its
 * short form below) and in no other way. */
#ifndef DHO_REPORT_REPORT_TEXT_H
#define DHO_REPORT_REPORT_TEXT_H

#include "dho/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct dho_text {
    char *data; /* owned, NUL-terminated; NULL while empty */
    size_t used, capacity;
    dho_status status;
} dho_text;

void dho_text_free(dho_text *text);
/* Empties it and keeps the memory. */
void dho_text_clear(dho_text *text);

/* Formatted, as it is: only for text of our own. */
void dho_text_add(dho_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void dho_text_append(dho_text *text, const char *bytes, size_t count);

/* For the content of an element or a quoted attribute: & < > " ' as references; bytes that are not
 * UTF-8, and characters that XML 1.0 does not have, as U+FFFD. */
void dho_text_escape(dho_text *text, const char *value);
/* The same, of at most `columns` columns: what does not fit ends in an ellipsis. East Asian
 * characters and emoji count as two. */
void dho_text_escape_cut(dho_text *text, const char *value, size_t columns);
/* Columns of a text as counted above. */
size_t dho_text_columns(const char *value);

/* RFC 4648. */
void dho_text_base64(dho_text *text, const uint8_t *bytes, size_t count);

#endif

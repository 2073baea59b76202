/* The escaping that HTML and SVG need, into a growing text. Private to src and tools.
 *
 * What dho_text_add gets must be text of our own. Names come from files and folders of strangers:
 * they reach a page through dho_text_escape (or its short form below) and in no other way. */
#ifndef DHO_REPORT_REPORT_TEXT_H
#define DHO_REPORT_REPORT_TEXT_H

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

/* For the content of an element or a quoted attribute: & < > " ' as references; bytes that are not
 * UTF-8, and characters that XML 1.0 does not have, as U+FFFD. */
void dho_text_escape(dho_text *text, const char *value);
/* The same, of at most `columns` columns: what does not fit ends in an ellipsis. Columns
 * are those of a terminal: East Asian characters and emoji have two, combining marks none. */
void dho_text_escape_cut(dho_text *text, const char *value, size_t columns);
/* Columns of a text as counted above. */
size_t dho_text_columns(const char *value);

/* RFC 4648. */
void dho_text_base64(dho_text *text, const uint8_t *bytes, size_t count);

#endif

/* Texts: one that grows, and questions about one. Private to src and tools. */
#ifndef DHO_BASE_TEXT_H
#define DHO_BASE_TEXT_H

#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>

/* A growing text. A failure (DHO_ERR_MEMORY) is kept in `status`: later calls do nothing, and the
 * caller asks once in the end. Zero-initialise. */
typedef struct dho_text {
    char *data; /* owned, NUL-terminated; NULL while empty */
    size_t used, capacity;
    dho_status status;
} dho_text;

void dho_text_free(dho_text *text);

void dho_text_add(dho_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void dho_text_append(dho_text *text, const char *bytes, size_t count);

/* What follows `beginning` in a text; NULL where it does not begin so. */
const char *dho_after(const char *text, const char *beginning);

/* A path's last part: what is behind the last /. */
const char *dho_base_name(const char *path);

/* A blank within a line. */
bool dho_is_blank(char c);

bool dho_ends_with(const char *text, const char *end);

/* words: the last is followed by NULL. */
bool dho_is_one_of(const char *text, const char *const *words);

/* Order of an array of texts, for qsort and bsearch: by bytes. */
int dho_compare_texts(const void *a, const void *b);

#endif

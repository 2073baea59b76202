/* Tables of documents that are made from the program's. */
#ifndef DHO_TESTS_DOCUMENT_H
#define DHO_TESTS_DOCUMENT_H

#include "base/text.h"
#include "check_main.h"
#include "dho/file.h"

#include <stdlib.h>
#include <string.h>

/* A table of a document, between "<!-- NAME: begin -->" and "<!-- NAME: end -->", is what `make`
 * gives. With DHO_UPDATE_DOCS set it is rewritten. */
static inline void check_document(const char *name, const char *document, const char *program,
                                  dho_status (*make)(char **out))
{
    char *table, marks[2][40];
    uint8_t *data = NULL;
    size_t capacity = 0, bytes;
    snprintf(marks[0], sizeof marks[0], "<!-- %s: begin -->\n", name);
    snprintf(marks[1], sizeof marks[1], "<!-- %s: end -->\n", name);
    ck_assert_ok(dho_file_read(document, 1 << 20, &data, &capacity, &bytes));
    ck_assert_ok(make(&table));
    const char *begin = strstr((char *)data, marks[0]);
    ck_assert_ptr_nonnull(begin);
    begin += strlen(marks[0]);
    const char *end = strstr(begin, marks[1]);
    ck_assert_ptr_nonnull(end);
    const bool same =
        (size_t)(end - begin) == strlen(table) && memcmp(begin, table, strlen(table)) == 0;
    if (!same && getenv("DHO_UPDATE_DOCS") != NULL) {
        char *text;
        ck_assert_ok(
            dho_asprintf(&text, "%.*s%s%s", (int)(begin - (char *)data), (char *)data, table, end));
        ck_assert_ok(dho_file_write_text(document, text));
        dho_free(text);
    } else {
        ck_assert_msg(same,
                      "%s does not have the table; make it anew with\n"
                      "  DHO_UPDATE_DOCS=1 build/dev/tests/%s",
                      document, program);
    }
    dho_free(table);
    dho_free(data);
}

#endif

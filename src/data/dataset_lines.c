/* Text files with one name a line, and the comparison of a dataset's classes with one. */
#include "base/text.h"
#include "base/utf8.h"
#include "data/dataset_build.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 1 << 30, SHOWN = 5 };

static dho_status split_lines(dho_path_list *list, char *text, bool comments)
{
    for (char *next; *text != '\0'; text = next) {
        char *end = strchr(text, '\n');
        next = end != NULL ? end + 1 : text + strlen(text);
        if (end == NULL) end = next;
        while (text < end && dho_is_blank(*text)) text++;
        while (end > text && dho_is_blank(end[-1])) end--;
        if (comments && (text == end || *text == '#')) continue;
        *end = '\0'; /* `next` is behind it, or the text's own end */
        DHO_TRY(dho_path_list_append(list, NULL, text, 0));
    }
    return DHO_OK;
}

dho_status dho_read_list_file(const char *path, uint8_t **out_text, size_t *out_size)
{
    size_t capacity = 0, line = 1;
    *out_text = NULL;
    DHO_TRY(dho_file_read_text(path, MAX_FILE_BYTES, out_text, &capacity, out_size));
    const uint8_t *text = *out_text, *nul = memchr(text, 0, *out_size);
    if (nul != NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %zu: a NUL byte in a text file", path,
                        (size_t)(nul - text));
    const uint8_t *bad = dho_utf8_first_bad(text, *out_size);
    if (bad == NULL) return DHO_OK;
    for (const uint8_t *c = text; c < bad; c++) line += *c == '\n';
    return dho_fail(
        DHO_ERR_FORMAT,
        "%s:%zu: the byte \\x%02x is not UTF-8: save the file as UTF-8 (iconv -f latin1 "
        "-t utf8, or the encoding it has)",
        path, line, (unsigned)*bad);
}

dho_status dho_read_lines(dho_path_list *list, const char *path, bool comments)
{
    uint8_t *text;
    size_t size;
    dho_status status;
    DHO_TRY_GOTO(dho_read_list_file(path, &text, &size));
    DHO_TRY_GOTO(split_lines(list, (char *)text, comments));
fail:
    dho_free(text);
    return status;
}

/* --- classes --- */

/* Appends to text what is in a[] and not in b[], both sorted; at most SHOWN names. */
static size_t list_only_in(const char **a, size_t count_a, const char **b, size_t count_b,
                           char *text, size_t size)
{
    size_t found = 0, used = strlen(text);
    for (size_t i = 0; i < count_a; i++) {
        if (count_b > 0 && bsearch(&a[i], b, count_b, sizeof *b, dho_compare_texts) != NULL)
            continue;
        if (found++ < SHOWN && used < size)
            used +=
                (size_t)snprintf(text + used, size - used, "%s%.60s", found > 1 ? ", " : "", a[i]);
    }
    if (found > SHOWN && used < size)
        snprintf(text + used, size - used, " and %zu more", found - SHOWN);
    return found;
}

static dho_status compare_classes(const dho_dataset *dataset, const char **wanted, size_t count,
                                  const char **here, const char *class_file)
{
    char missing[512] = "", unexpected[512] = "";
    size_t present = 0;
    for (int32_t c = 0; c < dataset->classes; c++)
        if (dataset->class_present[c]) here[present++] = dataset->class_names[c];
    if (present > 0) qsort(here, present, sizeof *here, dho_compare_texts);
    if (count > 0) qsort(wanted, count, sizeof *wanted, dho_compare_texts);
    const size_t lack = list_only_in(wanted, count, here, present, missing, sizeof missing);
    const size_t more = list_only_in(here, present, wanted, count, unexpected, sizeof unexpected);
    if (lack + more == 0) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: %zu of the %zu classes of %s have images%s%s%s%s",
                    dataset->root, count - lack, count, class_file, lack > 0 ? "; missing: " : "",
                    missing, more > 0 ? "; not among them: " : "", unexpected);
}

dho_status dho_dataset_check_classes(const dho_dataset *dataset, const char *class_file)
{
    dho_path_list list = {0};
    const char **wanted = NULL, **here = NULL;
    dho_status status;
    DHO_TRY(dho_require_file(class_file));
    DHO_TRY_GOTO(dho_read_lines(&list, class_file, true));
    DHO_TRY_GOTO(dho_alloc(&wanted, list.count, sizeof *wanted, "class list"));
    DHO_TRY_GOTO(dho_alloc(&here, (size_t)dataset->classes, sizeof *here, "class list"));
    for (size_t i = 0; i < list.count; i++) wanted[i] = list.pool + list.entries[i].offset;
    DHO_TRY_GOTO(compare_classes(dataset, wanted, list.count, here, class_file));
fail:
    dho_free(here);
    dho_free(wanted);
    dho_path_list_free(&list);
    return status;
}

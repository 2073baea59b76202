/* data.class_names: what people call the classes ("tench", where the folder is n01440764). */
#include "base/text.h"
#include "data/dataset_build.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"

#include <stdlib.h>
#include <string.h>

/* A line of the file: the class, and what it is called. */
typedef struct title_line {
    const char *name; /* first: dho_compare_texts sorts by it */
    const char *title;
} title_line;

/* "name<TAB>title", or "name title" where there is no tab. The tab or blank becomes a NUL. */
static dho_status split_line(char *line, const char *file, title_line *out)
{
    char *end = strchr(line, '\t');
    if (end == NULL) end = strchr(line, ' ');
    char *title = end;
    while (title != NULL && dho_is_blank(*title)) title++;
    if (title == NULL || *title == '\0')
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: \"%.80s\": expected a class and its name: \"n01440764 tench\"", file,
                        line);
    *end = '\0';
    *out = (title_line){line, title};
    return DHO_OK;
}

static dho_status sort_lines(dho_path_list *list, const char *file, title_line *lines)
{
    for (size_t i = 0; i < list->count; i++)
        DHO_TRY(split_line(list->pool + list->entries[i].offset, file, &lines[i]));
    if (list->count > 0) qsort(lines, list->count, sizeof *lines, dho_compare_texts);
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(lines[i - 1].name, lines[i].name) == 0)
            return dho_fail(DHO_ERR_FORMAT, "%s: \"%.80s\" stands there twice", file,
                            lines[i].name);
    return DHO_OK;
}

/* A class that the file does not name keeps its own name. */
static dho_status take_titles(dho_dataset *dataset, const char *file, const title_line *lines,
                              size_t count)
{
    const char *first = NULL;
    int32_t missing = 0;
    for (int32_t c = 0; c < dataset->classes; c++) {
        const char *name = dataset->class_names[c];
        const title_line *line =
            count > 0 ? bsearch(&name, lines, count, sizeof *lines, dho_compare_texts) : NULL;
        if (line == NULL && missing++ == 0) first = name;
        DHO_TRY(dho_strdup(&dataset->class_titles[c], line != NULL ? line->title : name));
    }
    if (missing == dataset->classes)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: names none of the %d classes of %s (such as \"%.80s\")", file,
                        (int)dataset->classes, dataset->root, first);
    if (missing > 0)
        dho_warn_once("data.class_names: %s: %d of the %d classes are not in it (\"%.80s\")", file,
                      (int)missing, (int)dataset->classes, first);
    return DHO_OK;
}

dho_status dho_dataset_load_titles(dho_dataset *dataset, const char *file)
{
    dho_path_list list = {0};
    title_line *lines = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_require_file(file));
    DHO_TRY_GOTO(dho_read_lines(&list, file, true));
    DHO_TRY_GOTO(dho_alloc(&lines, list.count, sizeof *lines, "class names"));
    DHO_TRY_GOTO(dho_alloc_zero(&dataset->class_titles, (size_t)dataset->classes,
                                sizeof *dataset->class_titles, "class names"));
    DHO_TRY_GOTO(sort_lines(&list, file, lines));
    DHO_TRY_GOTO(take_titles(dataset, file, lines, list.count));
fail:
    dho_free(lines);
    dho_path_list_free(&list);
    return status;
}

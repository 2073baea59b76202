#include "eval/export_mask.h"

#include "data/dataset_build.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <string.h>

/* The class of a name; -1: none. */
static int find_class(const dho_model *model, const char *name)
{
    for (int c = 0; c < model->student.classes; c++)
        if (strcmp(model->class_names[c], name) == 0) return c;
    return -1;
}

static dho_status mark(const dho_path_list *names, const char *path, const dho_model *model,
                       bool *mask)
{
    if (names->count == 0) return dho_fail(DHO_ERR_CONFIG, "--classes %s: names no class", path);
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->pool + names->entries[i].offset;
        const int c = find_class(model, name);
        if (c < 0)
            return dho_fail(DHO_ERR_CONFIG, "--classes %s: \"%.100s\" is no class of the student",
                            path, name);
        mask[c] = true;
    }
    return DHO_OK;
}

dho_status dho_export_read_mask(const char *path, const dho_model *model, bool **out)
{
    dho_path_list names = {0};
    dho_status status;
    *out = NULL;
    DHO_TRY_GOTO(dho_require_file(path));
    DHO_TRY_GOTO(dho_read_lines(&names, path, true));
    DHO_TRY_GOTO(dho_alloc_zero(out, (size_t)model->student.classes, sizeof **out, "class mask"));
    DHO_TRY_GOTO(mark(&names, path, model, *out));
fail:
    dho_path_list_free(&names);
    if (status != DHO_OK) {
        dho_free(*out);
        *out = NULL;
    }
    return status;
}

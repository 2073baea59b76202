/* Class names and templates: text files, one a line. */
#include "clip/tokenizer_private.h"
#include "data/dataset_build.h"
#include "dho/alloc.h"
#include "dho/zero_shot.h"

#include <string.h>

static const char *line_at(const dho_path_list *lines, size_t i)
{
    return lines->pool + lines->entries[i].offset;
}

/* A text that the tokenizer would refuse is refused here, where its file is known. */
static dho_status check_text(const char *text, const char *path)
{
    uint32_t *codes;
    size_t count;
    const dho_status status = dho_text_decode(text, strlen(text), &codes, &count);
    dho_free(codes);
    return status == DHO_OK ? DHO_OK : dho_fail_prefix(status, "%s: ", path);
}

/* A fresh copy, with blanks for underscores. */
static dho_status copy_name(char **out, const char *name)
{
    DHO_TRY(dho_strdup(out, name));
    for (char *c = *out; *c != '\0'; c++)
        if (*c == '_') *c = ' ';
    return DHO_OK;
}

static dho_status reserve(dho_prompt_classes *out, size_t count, bool keys)
{
    DHO_TRY(dho_alloc_zero(&out->names, count, sizeof *out->names, "classes"));
    if (keys) DHO_TRY(dho_alloc_zero(&out->keys, count, sizeof *out->keys, "classes"));
    out->count = (int)count;
    return DHO_OK;
}

/* Does every line have a key, or none? */
static dho_status check_lines(const dho_path_list *lines, const char *path, bool *out_keyed)
{
    *out_keyed = lines->count > 0 && strchr(line_at(lines, 0), '\t') != NULL;
    if (lines->count == 0) return dho_fail(DHO_ERR_CONFIG, "%s: no class in it", path);
    if (lines->count > INT32_MAX) return dho_fail(DHO_ERR_CONFIG, "%s: too many classes", path);
    for (size_t i = 0; i < lines->count; i++) {
        const char *line = line_at(lines, i), *tab = strchr(line, '\t');
        DHO_TRY(check_text(tab != NULL ? tab + 1 : line, path));
        if ((tab != NULL) != *out_keyed)
            return dho_fail(DHO_ERR_CONFIG, "%s: \"%.80s\": the first class has %s key and a tab",
                            path, line, *out_keyed ? "a" : "no");
        if (tab != NULL && strchr(tab + 1, '\t') != NULL)
            return dho_fail(DHO_ERR_CONFIG, "%s: \"%.80s\": more than one tab", path, line);
    }
    return DHO_OK;
}

/* The lines as they are. */
static dho_status take_lines(dho_prompt_classes *out, const dho_path_list *lines, bool keyed)
{
    DHO_TRY(reserve(out, lines->count, keyed));
    for (size_t i = 0; i < lines->count; i++) {
        const char *line = line_at(lines, i), *tab = keyed ? strchr(line, '\t') : NULL;
        DHO_TRY(copy_name(&out->names[i], tab != NULL ? tab + 1 : line));
        if (keyed) DHO_TRY(dho_strndup(&out->keys[i], line, (size_t)(tab - line)));
    }
    return DHO_OK;
}

static const char *name_of_key(const dho_path_list *lines, const char *key, const char *path,
                               dho_status *status)
{
    const char *found = NULL;
    const size_t length = strlen(key);
    for (size_t i = 0; i < lines->count; i++) {
        const char *line = line_at(lines, i);
        if (strncmp(line, key, length) != 0 || line[length] != '\t') continue;
        if (found != NULL)
            *status = dho_fail(DHO_ERR_CONFIG, "%s: class \"%.80s\" is there twice", path, key);
        found = line + length + 1;
    }
    if (found == NULL)
        *status =
            dho_fail(DHO_ERR_CONFIG, "%s: no line for the dataset's class \"%.80s\"", path, key);
    return found;
}

/* The dataset's classes with the names of the file (lines NULL: their own). */
static dho_status take_dataset(dho_prompt_classes *out, const dho_dataset *dataset,
                               const dho_path_list *lines, bool keyed, const char *path)
{
    const size_t count = (size_t)dataset->classes;
    dho_status status = DHO_OK;
    if (lines != NULL && !keyed && lines->count != count)
        return dho_fail(DHO_ERR_CONFIG, "%s: %zu classes, the dataset has %zu", path, lines->count,
                        count);
    DHO_TRY(reserve(out, count, true));
    for (size_t c = 0; c < count; c++) {
        const char *key = dataset->class_names[c];
        const char *name = lines == NULL ? key
                           : keyed       ? name_of_key(lines, key, path, &status)
                                         : line_at(lines, c);
        DHO_TRY(status);
        DHO_TRY(copy_name(&out->names[c], name));
        DHO_TRY(dho_strdup(&out->keys[c], key));
    }
    return DHO_OK;
}

dho_status dho_prompt_classes_read(dho_prompt_classes *out, const char *path,
                                   const dho_dataset *dataset)
{
    dho_path_list lines = {0};
    bool keyed = false;
    dho_status status;
    *out = (dho_prompt_classes){0};
    if (path == NULL && dataset == NULL)
        return dho_fail(DHO_ERR_CONFIG, "no classes: neither a file nor a dataset");
    if (path != NULL) {
        DHO_TRY_GOTO(dho_read_lines(&lines, path, true));
        DHO_TRY_GOTO(check_lines(&lines, path, &keyed));
    }
    if (dataset != NULL)
        status = take_dataset(out, dataset, path != NULL ? &lines : NULL, keyed, path);
    else
        status = take_lines(out, &lines, keyed);
fail:
    dho_path_list_free(&lines);
    if (status != DHO_OK) dho_prompt_classes_free(out);
    return status;
}

void dho_prompt_classes_free(dho_prompt_classes *classes)
{
    for (int c = 0; c < classes->count; c++) {
        dho_free(classes->names[c]);
        if (classes->keys != NULL) dho_free(classes->keys[c]);
    }
    dho_free(classes->names);
    dho_free(classes->keys);
    *classes = (dho_prompt_classes){0};
}

dho_status dho_templates_read(dho_templates *out, const char *path)
{
    dho_path_list lines = {0};
    dho_status status;
    *out = (dho_templates){0};
    DHO_TRY_GOTO(dho_read_lines(&lines, path, true));
    if (lines.count == 0 || lines.count > INT32_MAX) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: %zu templates", path, lines.count);
        goto fail;
    }
    DHO_TRY_GOTO(dho_alloc_zero(&out->lines, lines.count, sizeof *out->lines, "templates"));
    for (size_t i = 0; i < lines.count; i++) {
        const char *line = line_at(&lines, i), *slot = strstr(line, "{}");
        DHO_TRY_GOTO(check_text(line, path));
        if (slot == NULL || strstr(slot + 2, "{}") != NULL) {
            status =
                dho_fail(DHO_ERR_CONFIG,
                         "%s: \"%.80s\": expected one {} where the class's name goes", path, line);
            goto fail;
        }
        DHO_TRY_GOTO(dho_strdup(&out->lines[out->count], line));
        out->count++;
    }
fail:
    dho_path_list_free(&lines);
    if (status != DHO_OK) dho_templates_free(out);
    return status;
}

void dho_templates_free(dho_templates *templates)
{
    for (int i = 0; i < templates->count; i++) dho_free(templates->lines[i]);
    dho_free(templates->lines);
    *templates = (dho_templates){0};
}

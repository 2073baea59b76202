/* CoOp split files: {"train": [[path, label, class name], ...], "val": ..., "test": ...}. */
#include "base/json.h"
#include "data/dataset_build.h"
#include "data/layout.h"
#include "data/unused.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <stdio.h>
#include <string.h>

enum { MAX_FILE_BYTES = 1 << 30 };

static const char *const split_names[] = {"train", "val", "test"};
enum { SPLITS = sizeof split_names / sizeof *split_names };

typedef struct coop_entry {
    const char *path, *class_name; /* borrowed from the JSON value */
    int32_t label;
} coop_entry;

/* Nothing that could lead out of the root. */
static bool is_safe_path(const char *path)
{
    if (path[0] == '\0' || path[0] == '/') return false;
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        if (*part == '/') part++;
        if (part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0')) return false;
    }
    return true;
}

static dho_status read_entry(coop_entry *out, const json_t *split, size_t index, size_t total,
                             const char *file, const char *split_name)
{
    const json_t *entry = json_array_get(split, index);
    const json_t *path = json_array_get(entry, 0), *label = json_array_get(entry, 1);
    const json_t *name = json_array_get(entry, 2);
    if (json_array_size(entry) != 3 || !json_is_string(path) || !json_is_integer(label) ||
        !json_is_string(name))
        return dho_fail(DHO_ERR_FORMAT, "%s: %s[%zu]: expected [path, label, class name]", file,
                        split_name, index);
    /* Each label has a sample, so none can reach the number of samples. This also bounds what is
     * allocated for the classes. */
    const json_int_t value = json_integer_value(label);
    if (value < 0 || value >= INT32_MAX || (uint64_t)value >= total)
        return dho_fail(DHO_ERR_FORMAT, "%s: %s[%zu]: label %lld is out of range", file, split_name,
                        index, (long long)value);
    *out = (coop_entry){.path = json_string_value(path),
                        .class_name = json_string_value(name),
                        .label = (int32_t)value};
    if (!is_safe_path(out->path))
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: %s[%zu]: path \"%s\" is empty, absolute or has a \"..\"", file,
                        split_name, index, out->path);
    return DHO_OK;
}

/* The number of samples of all splits; checks that they are arrays. */
static dho_status count_entries(const json_t *root, const char *file, size_t *out_total)
{
    *out_total = 0;
    if (!json_is_object(root))
        return dho_fail(DHO_ERR_FORMAT, "%s: expected an object with train, val and test", file);
    for (int i = 0; i < SPLITS; i++) {
        const json_t *split = json_object_get(root, split_names[i]);
        if (split != NULL && !json_is_array(split))
            return dho_fail(DHO_ERR_FORMAT, "%s: %s: expected an array", file, split_names[i]);
        *out_total += json_array_size(split);
    }
    return DHO_OK;
}

static bool is_split(const char *name)
{
    for (int i = 0; i < SPLITS; i++)
        if (strcmp(name, split_names[i]) == 0) return true;
    return false;
}

/* Lists under other names, "unlabelled" for one: nobody reads them. */
static dho_status count_other_lists(dho_dataset *out, json_t *root)
{
    const char *name;
    json_t *list;
    DHO_TRY(dho_alloc_zero(&out->unused, 1, sizeof *out->unused, "dataset"));
    json_object_foreach(root, name, list)
    {
        for (size_t i = 0; i < json_array_size(list) && !is_split(name); i++) {
            char index[32];
            snprintf(index, sizeof index, "[%zu]", i);
            DHO_TRY(dho_unused_add(out->unused, DHO_UNUSED_SPLIT, name, index));
        }
    }
    return DHO_OK;
}

/* Fills names[total] (borrowed strings, NULL where a label is not used) from all splits. */
static dho_status collect_names(const json_t *root, size_t total, const char *file,
                                const char **names, int32_t *out_classes)
{
    *out_classes = 0;
    for (int i = 0; i < SPLITS; i++) {
        const json_t *split = json_object_get(root, split_names[i]);
        for (size_t j = 0; j < json_array_size(split); j++) {
            coop_entry entry;
            DHO_TRY(read_entry(&entry, split, j, total, file, split_names[i]));
            const char **name = &names[entry.label];
            if (*name == NULL) *name = entry.class_name;
            if (strcmp(*name, entry.class_name) != 0)
                return dho_fail(DHO_ERR_FORMAT,
                                "%s: %s[%zu]: label %d is \"%s\" here and \"%s\" before", file,
                                split_names[i], j, (int)entry.label, entry.class_name, *name);
            if (entry.label >= *out_classes) *out_classes = entry.label + 1;
        }
    }
    for (int32_t i = 0; i < *out_classes; i++)
        if (names[i] == NULL)
            return dho_fail(DHO_ERR_FORMAT, "%s: label %d is out of range: no sample has label %d",
                            file, (int)*out_classes - 1, (int)i);
    return DHO_OK;
}

static dho_status set_class_names(dho_dataset *out, const json_t *root, size_t total,
                                  const char *file)
{
    const char **names = NULL;
    int32_t classes;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc_zero(&names, total, sizeof *names, "dataset: class names"));
    DHO_TRY_GOTO(collect_names(root, total, file, names, &classes));
    DHO_TRY_GOTO(dho_alloc_zero(&out->class_names, (size_t)classes, sizeof *out->class_names,
                                "dataset: class names"));
    out->classes = classes;
    for (int32_t i = 0; i < classes; i++) DHO_TRY_GOTO(dho_strdup(&out->class_names[i], names[i]));
fail:
    dho_free(names);
    return status;
}

dho_status dho_dataset_open_coop(dho_dataset *out, const char *root, const char *split_file,
                                 const char *split_name)
{
    json_t *json = NULL;
    dho_path_list list = {0};
    size_t total;
    dho_status status;
    *out = (dho_dataset){0};
    DHO_TRY(dho_require_folder(root));
    DHO_TRY(dho_require_file(split_file));
    const size_t length = strlen(split_file);
    if (length > 4 && strcmp(split_file + length - 4, ".txt") == 0)
        return dho_dataset_open_fgvc(out, root, split_file, split_name);
    DHO_TRY_GOTO(dho_json_load(&json, split_file, MAX_FILE_BYTES));
    DHO_TRY_GOTO(count_entries(json, split_file, &total));
    DHO_TRY_GOTO(count_other_lists(out, json));
    const json_t *split = is_split(split_name) ? json_object_get(json, split_name) : NULL;
    if (json_array_size(split) == 0) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: %s split \"%s\"", split_file,
                          split == NULL ? "has no" : "nothing in", split_name);
        goto fail;
    }
    DHO_TRY_GOTO(dho_strdup(&out->root, root));
    DHO_TRY_GOTO(set_class_names(out, json, total, split_file));
    for (size_t i = 0; i < json_array_size(split); i++) {
        coop_entry entry;
        DHO_TRY_GOTO(read_entry(&entry, split, i, total, split_file, split_name));
        DHO_TRY_GOTO(dho_path_list_append(&list, NULL, entry.path, entry.label));
    }
    DHO_TRY_GOTO(dho_dataset_finish(out, &list));
fail:
    if (status != DHO_OK) dho_dataset_free(out);
    dho_path_list_free(&list);
    json_decref(json);
    return status;
}

dho_status dho_layout_open_coop(dho_dataset *out, const dho_config_set *set,
                                const dho_dataset *reference)
{
    (void)reference; /* a split file has classes of its own */
    return dho_dataset_open_coop(out, set->root, set->split_file, set->split);
}

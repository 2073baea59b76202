/* ImageFolder listings. */
#define _GNU_SOURCE
#include "data/folder_scan.h"
#include "data/layout.h"

#include "dho/alloc.h"
#include "dho/file.h"

#include <stdlib.h>
#include <string.h>

static int compare_entries(const void *a, const void *b, void *pool)
{
    const dho_path_entry *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return strcmp((const char *)pool + x->offset, (const char *)pool + y->offset);
}

static void sort_folders(dho_path_list *list)
{
    if (list->count > 1)
        qsort_r(list->entries, list->count, sizeof *list->entries, compare_entries, list->pool);
}

/* --- labels --- */

/* "0", "17": the canonical decimal form below `classes`; DHO_NO_LABEL for anything else. */
static int32_t integer_label(const char *name, int32_t classes)
{
    if (name[0] == '0' && name[1] != '\0') return DHO_NO_LABEL;
    int64_t value = 0;
    for (const char *c = name; *c != '\0'; c++) {
        if (*c < '0' || *c > '9') return DHO_NO_LABEL;
        value = 10 * value + (*c - '0');
        if (value >= classes) return DHO_NO_LABEL;
    }
    return name[0] != '\0' ? (int32_t)value : DHO_NO_LABEL;
}

typedef struct named_class {
    const char *name;
    int32_t label;
} named_class;

static int compare_classes(const void *a, const void *b)
{
    return strcmp(((const named_class *)a)->name, ((const named_class *)b)->name);
}

/* Labels the class folders by the reference's names. *out_known: how many names were found. */
static dho_status label_by_name(dho_path_list *folders, const dho_dataset *reference,
                                size_t *out_known)
{
    const size_t classes = (size_t)reference->classes;
    named_class *index;
    *out_known = 0;
    DHO_TRY(dho_alloc(&index, classes, sizeof *index, "dataset: class names"));
    for (size_t i = 0; i < classes; i++)
        index[i] = (named_class){.name = reference->class_names[i], .label = (int32_t)i};
    if (classes > 0) qsort(index, classes, sizeof *index, compare_classes);
    dho_status status = DHO_OK;
    for (size_t i = 0; i < folders->count && status == DHO_OK; i++) {
        const named_class key = {.name = folders->pool + folders->entries[i].offset};
        const named_class *found =
            classes > 0 ? bsearch(&key, index, classes, sizeof *index, compare_classes) : NULL;
        folders->entries[i].label = found != NULL ? found->label : DHO_NO_LABEL;
        if (found == NULL) continue;
        (*out_known)++;
        if ((found > index && compare_classes(found - 1, found) == 0) ||
            (found + 1 < index + classes && compare_classes(found + 1, found) == 0))
            status = dho_fail(DHO_ERR_CONFIG, "folder \"%s\" is the name of two classes", key.name);
    }
    dho_free(index);
    return status;
}

dho_status dho_dataset_label_names(dho_path_list *names, const char *root,
                                   const dho_dataset *reference)
{
    size_t known;
    const dho_status status = label_by_name(names, reference, &known);
    if (status != DHO_OK) return dho_fail_prefix(status, "%s: ", root);
    const char *unknown = NULL;
    for (size_t i = 0; i < names->count; i++) {
        dho_path_entry *entry = &names->entries[i];
        const char *name = names->pool + entry->offset;
        if (known == 0) entry->label = integer_label(name, reference->classes);
        if (entry->label == DHO_NO_LABEL && (unknown == NULL || strcmp(name, unknown) < 0))
            unknown = name;
    }
    if (unknown == NULL) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "%s: folder \"%s\" is none of the %d classes of the reference (nor are all "
                    "folders integers 0 .. %d)",
                    root, unknown, (int)reference->classes, (int)reference->classes - 1);
}

static dho_status label_folders(dho_path_list *folders, const char *root,
                                const dho_dataset *reference)
{
    if (reference != NULL) DHO_TRY(dho_dataset_label_names(folders, root, reference));
    sort_folders(folders); /* without a reference all labels are 0 still: by name */
    for (size_t i = 0; i < folders->count && reference == NULL; i++)
        folders->entries[i].label = (int32_t)i;
    return DHO_OK;
}

static dho_status copy_class_names(dho_dataset *out, const dho_path_list *folders,
                                   const dho_dataset *reference)
{
    const int32_t classes = reference != NULL ? reference->classes : (int32_t)folders->count;
    DHO_TRY(dho_alloc_zero(&out->class_names, (size_t)classes, sizeof *out->class_names,
                           "dataset: class names"));
    out->classes = classes;
    for (int32_t i = 0; i < classes; i++) {
        const char *name = reference != NULL ? reference->class_names[i]
                                             : folders->pool + folders->entries[i].offset;
        DHO_TRY(dho_strdup(&out->class_names[i], name));
    }
    return DHO_OK;
}

/* --- the listing --- */

/* Why has a class folder no image? */
static dho_status no_image(const char *root, const char *name)
{
    char why[512] = "";
    dho_unused *here;
    dho_path_list none = {0};
    DHO_TRY(dho_alloc_zero(&here, 1, sizeof *here, "dataset"));
    const dho_status status = dho_scan_images(&none, root, name, 0, here);
    dho_unused_describe(here, 0, DHO_UNUSED_REASONS, why, sizeof why);
    dho_unused_free(&here);
    dho_path_list_free(&none);
    DHO_TRY(status);
    return dho_fail(DHO_ERR_CONFIG,
                    "%s/%s: class folder without an image (%s%s): remove it, or put one into it",
                    root, name, why[0] != '\0' ? "not used: " : "it is empty", why);
}

dho_status dho_dataset_open_folder(dho_dataset *out, const char *root, const dho_dataset *reference)
{
    dho_path_list folders = {0}, files = {0};
    dho_status status;
    *out = (dho_dataset){0};
    DHO_TRY(dho_require_folder(root));
    DHO_TRY_GOTO(dho_alloc_zero(&out->unused, 1, sizeof *out->unused, "dataset"));
    DHO_TRY_GOTO(dho_scan_classes(&folders, root, out->unused));
    if (folders.count == 0 || folders.count > INT32_MAX) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: %s", root,
                          folders.count == 0 ? "no class folder in it" : "too many class folders");
        goto fail;
    }
    DHO_TRY_GOTO(dho_strdup(&out->root, root));
    DHO_TRY_GOTO(label_folders(&folders, root, reference));
    DHO_TRY_GOTO(copy_class_names(out, &folders, reference));
    for (size_t i = 0; i < folders.count; i++) {
        const dho_path_entry *folder = &folders.entries[i];
        const char *name = folders.pool + folder->offset;
        const size_t first = files.count;
        DHO_TRY_GOTO(dho_scan_images(&files, root, name, folder->label, out->unused));
        if (files.count > first) continue;
        status = no_image(root, name);
        goto fail;
    }
    DHO_TRY_GOTO(dho_dataset_finish(out, &files));
fail:
    if (status != DHO_OK) dho_dataset_free(out);
    dho_path_list_free(&files);
    dho_path_list_free(&folders);
    return status;
}

dho_status dho_layout_open_imagefolder(dho_dataset *out, const dho_config_set *set,
                                       const dho_dataset *reference)
{
    return dho_dataset_open_folder(out, set->root, reference);
}

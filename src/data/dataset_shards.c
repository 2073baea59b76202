/* Datasets in tar shards. */
#define _GNU_SOURCE
#include "base/text.h"
#include "data/layout.h"
#include "data/tar_index.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What the tars hold, and with `unlabelled` nothing of its labels. */
static dho_status load_index(dho_tar_index *out, const char *folder, bool unlabelled)
{
    char *path;
    *out = (dho_tar_index){0};
    DHO_TRY(dho_path_join(&path, folder, DHO_TAR_INDEX_NAME));
    dho_status status;
    if (dho_path_exists(path)) {
        dho_mapping mapping;
        status = dho_mapping_open(&mapping, path);
        if (status == DHO_OK) {
            status = dho_tar_index_parse(out, mapping.data, mapping.size, path);
            dho_mapping_close(&mapping);
        }
    } else {
        status = dho_tar_scan_folder(out, folder, unlabelled);
        if (status == DHO_OK)
            dho_info("%s: no %s: %u tars scanned (dho pack --index %s writes one)", folder,
                     DHO_TAR_INDEX_NAME, out->file_count, folder);
    }
    if (status == DHO_OK && !unlabelled && out->classes == 0)
        status =
            dho_fail(DHO_ERR_CONFIG,
                     "%s: its images have no labels (data.unlabelled takes such a folder)", path);
    for (size_t i = 0; unlabelled && i < out->paths.count; i++)
        out->paths.entries[i].label = DHO_NO_LABEL;
    dho_free(path);
    return status;
}

/* labels[c]: the reference's label of class c. */
static dho_status map_classes(const dho_tar_index *index, const char *folder,
                              const dho_dataset *reference, int32_t *labels, bool *out_same)
{
    dho_path_list names = {0};
    dho_status status;
    *out_same = index->classes == reference->classes;
    for (int32_t c = 0; c < index->classes; c++)
        DHO_TRY_GOTO(dho_path_list_append(&names, NULL, index->class_names[c], 0));
    DHO_TRY_GOTO(dho_dataset_label_names(&names, folder, reference));
    for (int32_t c = 0; c < index->classes; c++) {
        labels[c] = names.entries[c].label;
        *out_same = *out_same && labels[c] == c;
    }
fail:
    dho_path_list_free(&names);
    return status;
}

static int compare_samples(const void *a, const void *b, void *context)
{
    const dho_path_list *paths = context;
    const int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    const dho_path_entry *x = &paths->entries[i], *y = &paths->entries[j];
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    const int order = dho_path_compare(paths->pool + x->offset, paths->pool + y->offset);
    return order != 0 ? order : i < j ? -1 : 1;
}

/* By label and path, as an ImageFolder is listed. */
static dho_status reorder(dho_tar_index *index)
{
    const size_t count = index->paths.count;
    int64_t *order = NULL;
    dho_path_entry *entries = NULL;
    dho_tar_member *members = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&order, count, sizeof *order, "shards: order"));
    DHO_TRY_GOTO(dho_alloc(&entries, count, sizeof *entries, "shards: samples"));
    DHO_TRY_GOTO(dho_alloc(&members, count, sizeof *members, "shards: samples"));
    for (size_t i = 0; i < count; i++) order[i] = (int64_t)i;
    qsort_r(order, count, sizeof *order, compare_samples, &index->paths);
    for (size_t i = 0; i < count; i++) {
        entries[i] = index->paths.entries[order[i]];
        members[i] = index->members[order[i]];
    }
    memcpy(index->paths.entries, entries, count * sizeof *entries);
    memcpy(index->members, members, count * sizeof *members);
fail:
    dho_free(order);
    dho_free(entries);
    dho_free(members);
    return status;
}

static dho_status relabel(dho_tar_index *index, const char *folder, const dho_dataset *reference)
{
    int32_t *labels;
    bool same;
    DHO_TRY(dho_alloc(&labels, (size_t)index->classes, sizeof *labels, "shards: classes"));
    dho_status status = map_classes(index, folder, reference, labels, &same);
    if (status == DHO_OK && !same) {
        for (size_t i = 0; i < index->paths.count; i++)
            index->paths.entries[i].label = labels[index->paths.entries[i].label];
        status = reorder(index);
    }
    dho_free(labels);
    return status;
}

static dho_status copy_class_names(dho_dataset *out, char *const *names, int32_t classes)
{
    DHO_TRY(dho_alloc_zero(&out->class_names, (size_t)classes, sizeof *out->class_names,
                           "dataset: class names"));
    out->classes = classes;
    for (int32_t i = 0; i < classes; i++) DHO_TRY(dho_strdup(&out->class_names[i], names[i]));
    return DHO_OK;
}

static dho_status open_tars(dho_dataset *out, const char *folder, const dho_dataset *reference,
                            bool unlabelled)
{
    dho_tar_index index;
    dho_status status;
    *out = (dho_dataset){0};
    DHO_TRY(dho_require_folder(folder));
    DHO_TRY_GOTO(load_index(&index, folder, unlabelled));
    if (reference != NULL) DHO_TRY_GOTO(relabel(&index, folder, reference));
    DHO_TRY_GOTO(dho_strdup(&out->root, folder));
    if (!unlabelled)
        DHO_TRY_GOTO(reference != NULL
                         ? copy_class_names(out, reference->class_names, reference->classes)
                         : copy_class_names(out, index.class_names, index.classes));
    DHO_TRY_GOTO(dho_tar_count_unused(&index, folder));
    out->unused = index.unused;
    index.unused = NULL;
    DHO_TRY_GOTO(dho_dataset_finish(out, &index.paths));
    DHO_TRY_GOTO(dho_tar_set_take(&out->shards, &index, folder));
fail:
    if (status != DHO_OK) dho_dataset_free(out);
    dho_tar_index_free(&index);
    return status;
}

dho_status dho_dataset_open_shards(dho_dataset *out, const char *folder,
                                   const dho_dataset *reference)
{
    return open_tars(out, folder, reference, false);
}

static dho_status open_tar(dho_dataset *out, const char *tar)
{
    dho_tar_index index = {.unlabelled = true};
    char *folder = NULL;
    struct stat info;
    const uint64_t bytes = stat(tar, &info) == 0 ? (uint64_t)info.st_size : 0;
    dho_status status;
    DHO_TRY_GOTO(dho_folder_of(&folder, tar));
    DHO_TRY_GOTO(dho_tar_index_add_file(&index, dho_base_name(tar), bytes));
    DHO_TRY_GOTO(dho_tar_scan(&index, tar, 0));
    out->unused = index.unused;
    index.unused = NULL;
    DHO_TRY_GOTO(dho_strdup(&out->root, tar));
    DHO_TRY_GOTO(dho_dataset_finish(out, &index.paths));
    DHO_TRY_GOTO(dho_tar_set_take(&out->shards, &index, folder));
fail:
    if (status != DHO_OK) dho_dataset_free(out);
    dho_tar_index_free(&index);
    dho_free(folder);
    return status;
}

dho_status dho_dataset_open_unlabelled_tars(dho_dataset *out, const char *path)
{
    return dho_path_is_folder(path) ? open_tars(out, path, NULL, true) : open_tar(out, path);
}

dho_status dho_layout_open_shards(dho_dataset *out, const dho_config_set *set,
                                  const dho_dataset *reference)
{
    return dho_dataset_open_shards(out, set->root, reference);
}

/* What all kinds of datasets share: the path pool, the fingerprint, releasing. */
#define _GNU_SOURCE
#include "data/dataset_build.h"

#include "base/activity.h"
#include "base/utf8.h"
#include "data/tar_index.h"
#include "data/unused.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

uint64_t dho_fnv1a(uint64_t hash, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ from[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static dho_status reserve_pool(dho_path_list *list, size_t more)
{
    size_t wanted;
    if (__builtin_add_overflow(list->used, more, &wanted))
        return dho_fail(DHO_ERR_MEMORY, "dataset: paths too long");
    if (wanted <= list->pool_size) return DHO_OK;
    size_t size = list->pool_size < 4096 ? 4096 : 2 * list->pool_size;
    if (size < wanted) size = wanted;
    DHO_TRY(dho_realloc(&list->pool, size, 1, "dataset: paths"));
    list->pool_size = size;
    return DHO_OK;
}

dho_status dho_path_list_append(dho_path_list *list, const char *folder, const char *name,
                                int32_t label)
{
    const size_t folder_length = folder != NULL ? strlen(folder) + 1 : 0; /* with the slash */
    const size_t length = strlen(name) + 1;
    DHO_TRY(dho_grow(&list->entries, list->count, &list->capacity, sizeof *list->entries,
                     "dataset: entries"));
    DHO_TRY(reserve_pool(list, folder_length + length));
    list->entries[list->count++] = (dho_path_entry){.offset = list->used, .label = label};
    char *to = list->pool + list->used;
    if (folder != NULL) {
        memcpy(to, folder, folder_length - 1);
        to[folder_length - 1] = '/';
    }
    memcpy(to + folder_length, name, length);
    list->used += folder_length + length;
    return DHO_OK;
}

void dho_path_list_free(dho_path_list *list)
{
    dho_free(list->pool);
    dho_free(list->entries);
    *list = (dho_path_list){0};
}

static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (size_t)(slash - path) : 0;
}

int dho_path_compare(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] != '\0' && a[i] == b[i]) i++;
    if (strchr(a + i, '/') != NULL || strchr(b + i, '/') != NULL) {
        const size_t x = folder_length(a), y = folder_length(b);
        const int order = memcmp(a, b, x < y ? x : y);
        if (order != 0 || x != y) return order != 0 ? order : x < y ? -1 : 1;
    }
    return (unsigned char)a[i] - (unsigned char)b[i];
}

/* Names stand in checkpoints, reports and lists, and those are UTF-8. */
static dho_status check_names(const dho_dataset *dataset)
{
    static const char *const hint =
        "rename it (convmv -r --notest -f latin1 -t utf8 FOLDER, or from the encoding it has)";
    for (int32_t c = 0; c < dataset->classes; c++)
        DHO_TRY(dho_utf8_check_name(dataset->class_names[c], dataset->root, hint));
    for (int64_t i = 0; i < dataset->count; i++)
        DHO_TRY(dho_utf8_check_name(dataset->samples[i].path,
                                    dataset->root[0] != '\0' ? dataset->root : "images", hint));
    return DHO_OK;
}

static uint64_t fingerprint(const dho_dataset *dataset)
{
    uint64_t hash = DHO_FNV_START;
    for (int64_t i = 0; i < dataset->count; i++) {
        const dho_sample *sample = &dataset->samples[i];
        const uint32_t label = (uint32_t)sample->label;
        const uint8_t bytes[4] = {(uint8_t)label, (uint8_t)(label >> 8), (uint8_t)(label >> 16),
                                  (uint8_t)(label >> 24)};
        hash = dho_fnv1a(hash, sample->path, strlen(sample->path) + 1);
        hash = dho_fnv1a(hash, bytes, sizeof bytes);
    }
    uint8_t count[8];
    for (int i = 0; i < 8; i++) count[i] = (uint8_t)((uint64_t)dataset->count >> 8 * i);
    return dho_fnv1a(hash, count, sizeof count);
}

dho_status dho_dataset_finish(dho_dataset *out, dho_path_list *list)
{
    DHO_TRY(dho_alloc(&out->samples, list->count, sizeof *out->samples, "dataset: samples"));
    DHO_TRY(dho_alloc_zero(&out->class_present, (size_t)out->classes, sizeof *out->class_present,
                           "dataset: classes"));
    DHO_TRY(dho_realloc(&list->pool, list->used, 1, "dataset: paths")); /* gives the slack back */
    out->path_pool = list->pool;
    list->pool = NULL;
    out->count = (int64_t)list->count;
    for (size_t i = 0; i < list->count; i++) {
        const dho_path_entry *entry = &list->entries[i];
        out->samples[i] =
            (dho_sample){.path = out->path_pool + entry->offset, .label = entry->label};
        if (entry->label != DHO_NO_LABEL) out->class_present[entry->label] = true;
    }
    DHO_TRY(check_names(out));
    out->fingerprint = fingerprint(out);
    return DHO_OK;
}

/* --- images with a class, and a heap of others behind them --- */

dho_status dho_dataset_add_heap(dho_dataset *dataset, dho_dataset *heap)
{
    const size_t own = (size_t)dataset->count, more = (size_t)heap->count;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc_zero(&dataset->heap, 1, sizeof *dataset->heap, "dataset"));
    DHO_TRY_GOTO(
        dho_realloc(&dataset->samples, own + more, sizeof *dataset->samples, "dataset: samples"));
    memcpy(dataset->samples + own, heap->samples, more * sizeof *heap->samples);
    dataset->count += heap->count;
    dataset->fingerprint = fingerprint(dataset);
    dho_free(heap->samples);
    heap->samples = NULL;
    *dataset->heap = *heap;
    *heap = (dho_dataset){0};
    return DHO_OK;
fail:
    dho_dataset_free(heap);
    return status;
}

void dho_dataset_keep(dho_dataset *dataset, const int64_t *ids, int64_t count)
{
    memset(dataset->class_present, 0, (size_t)dataset->classes * sizeof *dataset->class_present);
    for (int64_t i = 0; i < count; i++) {
        dataset->samples[i] = dataset->samples[ids[i]];
        dataset->class_present[dataset->samples[i].label] = true;
    }
    if (dataset->shards != NULL) dho_tar_set_keep(dataset->shards, ids, count);
    dho_dataset_free(dataset->heap);
    dho_free(dataset->heap);
    dataset->heap = NULL;
    dataset->count = count;
    dataset->fingerprint = fingerprint(dataset);
}

/* Where sample *inout_id lies: of a heap's, the heap, and its place there. */
static const dho_dataset *part_of(const dho_dataset *dataset, int64_t *inout_id)
{
    if (dataset->heap == NULL || *inout_id < dho_dataset_heap_start(dataset)) return dataset;
    *inout_id -= dho_dataset_heap_start(dataset);
    return dataset->heap;
}

const char *dho_dataset_root_of(const dho_dataset *dataset, int64_t id)
{
    const bool absolute = dataset->samples[id].path[0] == '/';
    return absolute ? "" : part_of(dataset, &id)->root;
}

static dho_status read_member(dho_tar_set *tars, const char *name, int64_t id, uint8_t **inout_data,
                              size_t *inout_capacity, size_t *out_size)
{
    dho_activity_begin("reads in its tar", name, true);
    const dho_status status = dho_tar_set_read(tars, id, inout_data, inout_capacity, out_size);
    dho_activity_end();
    return status;
}

dho_status dho_dataset_read(const dho_dataset *dataset, int64_t id, uint8_t **inout_data,
                            size_t *inout_capacity, size_t *out_size)
{
    const char *name = dataset->samples[id].path;
    const dho_dataset *part = part_of(dataset, &id);
    if (part->shards != NULL)
        return read_member(part->shards, name, id, inout_data, inout_capacity, out_size);
    char path[PATH_MAX];
    const size_t length = strlen(part->root);
    const bool bare = name[0] == '/', slash = bare || length == 0 || part->root[length - 1] == '/';
    if (snprintf(path, sizeof path, "%s%s%s", bare ? "" : part->root, slash ? "" : "/", name) >=
        (int)sizeof path)
        return dho_fail(DHO_ERR_IO, "%s/%s: path too long", part->root, name);
    return dho_file_read(path, DHO_TAR_MAX_IMAGE_BYTES, inout_data, inout_capacity, out_size);
}

dho_status dho_dataset_blame(const dho_dataset *dataset, int64_t id, dho_status status)
{
    const dho_dataset *part = part_of(dataset, &id);
    return part->shards != NULL ? dho_tar_set_blame(part->shards, id, status) : status;
}

void dho_dataset_free(dho_dataset *dataset)
{
    if (dataset == NULL) return;
    dho_dataset_free(dataset->heap);
    dho_free(dataset->heap);
    dho_tar_set_close(&dataset->shards);
    dho_unused_free(&dataset->unused);
    for (int32_t i = 0; i < dataset->classes; i++) {
        if (dataset->class_names != NULL) dho_free(dataset->class_names[i]);
        if (dataset->class_titles != NULL) dho_free(dataset->class_titles[i]);
    }
    dho_free(dataset->class_names);
    dho_free(dataset->class_titles);
    dho_free(dataset->class_present);
    dho_free(dataset->samples);
    dho_free(dataset->path_pool);
    dho_free(dataset->root);
    *dataset = (dho_dataset){0};
}

/* Labelled subsets from lists of file names: published ones, and those of dho select. */
#define _GNU_SOURCE
#include "base/text.h"
#include "data/dataset_build.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <string.h>

/* Samples by the hash of their base name. Chained, because in some datasets very many samples share
 * a base name (Caltech-101's image_0001.jpg). */
typedef struct name_index {
    dho_dataset *dataset;
    int64_t *heads; /* owned, [buckets]; DHO_NO_ID: empty */
    int64_t *next;  /* owned, [count] */
    size_t buckets; /* a power of two */
} name_index;

static size_t bucket_of(const name_index *index, const char *name, size_t length)
{
    const uint64_t hash = dho_fnv1a(DHO_FNV_START, name, length);
    return (size_t)(hash ^ hash >> 32) & (index->buckets - 1);
}

static dho_status index_create(name_index *out, dho_dataset *dataset)
{
    *out = (name_index){.dataset = dataset, .buckets = 1};
    while (out->buckets < (size_t)dataset->count) out->buckets *= 2;
    DHO_TRY(dho_alloc(&out->heads, out->buckets, sizeof *out->heads, "label list"));
    DHO_TRY(dho_alloc(&out->next, (size_t)dataset->count, sizeof *out->next, "label list"));
    for (size_t i = 0; i < out->buckets; i++) out->heads[i] = DHO_NO_ID;
    for (int64_t id = 0; id < dataset->count; id++) {
        const char *name = dho_base_name(dataset->samples[id].path);
        int64_t *head = &out->heads[bucket_of(out, name, strlen(name))];
        out->next[id] = *head;
        *head = id;
    }
    return DHO_OK;
}

static void index_free(name_index *index)
{
    dho_free(index->heads);
    dho_free(index->next);
}

/* How well a sample has the name; the least wins. */
enum { WHOLE_PATH, WHOLE_PATH_IN_HEAP, BASE_NAME, BASE_NAME_IN_HEAP, ANOTHER };

static int match(const name_index *index, int64_t id, const char *name, size_t length)
{
    const char *path = index->dataset->samples[id].path, *base = dho_base_name(path);
    const bool in_heap = id >= dho_dataset_heap_start(index->dataset);
    if (strlen(path) == length && memcmp(path, name, length) == 0)
        return in_heap ? WHOLE_PATH_IN_HEAP : WHOLE_PATH;
    if (strlen(base) == length && memcmp(base, name, length) == 0)
        return in_heap ? BASE_NAME_IN_HEAP : BASE_NAME;
    return ANOTHER;
}

/* How many samples have the name: a whole path, or the last part of one. An image with a class
 * comes before one of data.unlabelled. The last two found in out[]. */
static int find_name(const name_index *index, const char *name, size_t length, int64_t out[2])
{
    const char *slash = memrchr(name, '/', length);
    const char *base = slash != NULL ? slash + 1 : name;
    int found = 0, best = ANOTHER;
    int64_t id = index->heads[bucket_of(index, base, length - (size_t)(base - name))];
    for (; id != DHO_NO_ID; id = index->next[id]) {
        const int how = match(index, id, name, length);
        if (how < best) found = 0;
        if (how <= best && how != ANOTHER && found < 2) out[found++] = id;
        if (how < best) best = how;
    }
    return found;
}

/* "name", or "name TAB class": *inout_length becomes the name's, *out_class is NULL without one. A
 * name that has a tab itself is found as it is. */
static int find_line(const name_index *index, const char *line, size_t *inout_length,
                     const char **out_class, int64_t out[2])
{
    const int found = find_name(index, line, *inout_length, out);
    const char *tab = memrchr(line, '\t', *inout_length);
    *out_class = NULL;
    if (found > 0 || tab == NULL) return found;
    *out_class = tab + 1;
    *inout_length = (size_t)(tab - line);
    while (*inout_length > 0 && dho_is_blank(line[*inout_length - 1])) (*inout_length)--;
    return find_name(index, line, *inout_length, out);
}

/* The class that a list gives: that of the listing, or of an image that has none there, its own. */
static dho_status take_class(dho_dataset *dataset, int64_t id, const char *class_name,
                             size_t length)
{
    dho_sample *sample = &dataset->samples[id];
    const int shown = length < 200 ? (int)length : 200;
    int32_t label = 0;
    while (label < dataset->classes && (strlen(dataset->class_names[label]) != length ||
                                        memcmp(dataset->class_names[label], class_name, length)))
        label++;
    if (sample->label != DHO_NO_LABEL && sample->label != label)
        return dho_fail(DHO_ERR_CONFIG, "%s is of class \"%s\", not \"%.*s\"", sample->path,
                        dataset->class_names[sample->label], shown, class_name);
    if (label == dataset->classes)
        return dho_fail(DHO_ERR_CONFIG, "%s: \"%.*s\" is no class of %s", sample->path, shown,
                        class_name, dataset->root);
    sample->label = label;
    return DHO_OK;
}

static dho_status mark_line(const name_index *index, const char *line, size_t length, bool *marked,
                            int64_t *inout_count)
{
    const dho_sample *samples = index->dataset->samples;
    const char *class_name, *end = line + length;
    int64_t ids[2];
    const int found = find_line(index, line, &length, &class_name, ids);
    const int shown = length < 200 ? (int)length : 200;
    if (found == 0)
        return dho_fail(DHO_ERR_CONFIG, "\"%.*s\" is not in the dataset %s", shown, line,
                        index->dataset->root);
    if (found == 2)
        return dho_fail(DHO_ERR_CONFIG, "\"%.*s\" is ambiguous: %s or %s; write the whole path",
                        shown, line, samples[ids[1]].path, samples[ids[0]].path);
    if (marked[ids[0]]) return dho_fail(DHO_ERR_CONFIG, "\"%.*s\" occurs twice", shown, line);
    marked[ids[0]] = true;
    (*inout_count)++;
    if (class_name == NULL && samples[ids[0]].label == DHO_NO_LABEL)
        return dho_fail(DHO_ERR_CONFIG, "%s has no class yet: write it behind a tab",
                        samples[ids[0]].path);
    if (class_name == NULL) return DHO_OK;
    while (class_name < end && dho_is_blank(*class_name)) class_name++;
    return take_class(index->dataset, ids[0], class_name, (size_t)(end - class_name));
}

static dho_status mark_lines(const name_index *index, const char *text, size_t size,
                             const char *path, bool *marked, int64_t *out_count)
{
    const char *end = text + size;
    int64_t number = 0;
    *out_count = 0;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline != NULL ? newline : end;
        const char *from = text, *to = stop;
        text = newline != NULL ? newline + 1 : end;
        number++;
        while (from < to && dho_is_blank(*from)) from++;
        while (to > from && dho_is_blank(to[-1])) to--;
        if (from == to || *from == '#') continue;
        const dho_status status = mark_line(index, from, (size_t)(to - from), marked, out_count);
        if (status != DHO_OK) return dho_fail_prefix(status, "%s:%lld: ", path, (long long)number);
    }
    if (*out_count == 0) return dho_fail(DHO_ERR_CONFIG, "%s: lists no file", path);
    return DHO_OK;
}

dho_status dho_subset_file(dho_id_list *out, dho_dataset *dataset, const char *path)
{
    uint8_t *text;
    size_t size;
    bool *marked = NULL;
    int64_t count;
    name_index index = {0};
    dho_status status;
    *out = (dho_id_list){0};
    DHO_TRY_GOTO(dho_read_list_file(path, &text, &size));
    DHO_TRY_GOTO(index_create(&index, dataset));
    DHO_TRY_GOTO(dho_alloc_zero(&marked, (size_t)dataset->count, sizeof *marked, "label list"));
    DHO_TRY_GOTO(mark_lines(&index, (const char *)text, size, path, marked, &count));
    DHO_TRY_GOTO(dho_alloc(&out->ids, (size_t)count, sizeof *out->ids, "label list"));
    for (int64_t i = 0; i < dataset->count; i++)
        if (marked[i]) out->ids[out->count++] = i;
fail:
    dho_free(marked);
    index_free(&index);
    dho_free(text);
    return status;
}

/* What the reader would take for something else. */
static bool fits_line(const char *path)
{
    const size_t length = strlen(path);
    return length > 0 && path[0] != '#' && !dho_is_blank(path[0]) &&
           !dho_is_blank(path[length - 1]) && strpbrk(path, "\t\n\r") == NULL;
}

static dho_status add_line(dho_text *text, const name_index *index, int64_t id)
{
    const dho_dataset *dataset = index->dataset;
    const dho_sample *sample = &dataset->samples[id];
    int64_t ids[2] = {DHO_NO_ID};
    if (!fits_line(sample->path))
        return dho_fail(DHO_ERR_CONFIG,
                        "\"%s\": a name with a tab, # or white space there cannot stand in a "
                        "label list: rename it",
                        sample->path);
    find_name(index, sample->path, strlen(sample->path), ids);
    if (ids[0] != id)
        return dho_fail(DHO_ERR_CONFIG,
                        "\"%s\" is a path in %s and in %s: a label list cannot tell them apart, "
                        "rename one",
                        sample->path, dataset->root, dataset->heap->root);
    dho_text_add(text, "%s\t%s\n", sample->path,
                 sample->label != DHO_NO_LABEL ? dataset->class_names[sample->label] : "");
    return text->status;
}

dho_status dho_subset_file_save(const char *path, dho_dataset *dataset, const dho_id_list *list)
{
    dho_text text = {0};
    name_index index = {0};
    dho_status status;
    DHO_TRY_GOTO(index_create(&index, dataset));
    for (int64_t i = 0; i < list->count; i++) DHO_TRY_GOTO(add_line(&text, &index, list->ids[i]));
    DHO_TRY_GOTO(dho_file_write_text(path, text.data != NULL ? text.data : ""));
fail:
    index_free(&index);
    dho_text_free(&text);
    return status;
}

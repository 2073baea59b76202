#include "teacher/tinyvit_files.h"

#include "base/text.h"
#include "dho/alloc.h"
#include "teacher/tinyvit_keys.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TOP = 32767, MAX_EPOCH = 1000000, MAX_RANK = 1000000 };
#define NO_ROW UINT32_MAX

/* --- names --- */

/* "PREFIX<number>" at *text, which moves behind it. */
static bool take_number(const char **text, const char *prefix, int most, int *out)
{
    const size_t length = strlen(prefix);
    if (strncmp(*text, prefix, length) != 0) return false;
    const char *digits = *text + length;
    const size_t count = strspn(digits, "0123456789");
    if (count < 1 || count > 7 || (digits[0] == '0' && count > 1)) return false;
    *out = atoi(digits);
    *text = digits + count;
    return *out <= most;
}

static bool parse_epoch_folder(const char *name, int *top, int *epoch)
{
    return take_number(&name, "logits_top", MAX_TOP, top) && *top > 0 &&
           take_number(&name, "_epoch", MAX_EPOCH, epoch) && *name == '\0';
}

/* --- one rank's two files --- */

static dho_status open_values(tinyvit_package *package, const char *folder, int rank)
{
    DHO_TRY(dho_asprintf(&package->path, "%s/rank%d-values.bin", folder, rank));
    return dho_mapping_open(&package->values, package->path);
}

/* Gives each line's image the line's row, unless a lower rank has it. */
static dho_status read_keys(const char *path, const dho_mapping *text, tinyvit_keys *keys,
                            tinyvit_package *package, uint32_t *rows, int64_t *strange)
{
    size_t at = 0;
    for (; at < text->size; package->rows++) {
        const char *line = (const char *)text->data + at;
        const char *end = memchr(line, '\n', text->size - at);
        size_t length = end != NULL ? (size_t)(end - line) : text->size - at;
        at += length + (end != NULL);
        if (length > 0 && line[length - 1] == '\r') length--;
        int64_t id = -1;
        dho_status status = DHO_OK;
        if (length == 0)
            status = dho_fail(DHO_ERR_FORMAT, "an empty key");
        else if (package->first + package->rows == NO_ROW - 1)
            status = dho_fail(DHO_ERR_FORMAT, "too many keys");
        else
            status = tinyvit_keys_find(keys, line, length, &id);
        if (status != DHO_OK)
            return dho_fail_prefix(status, "%s:%lu: ", path, (unsigned long)package->rows + 1);
        if (id < 0)
            ++*strange;
        else if (rows[id] == NO_ROW)
            rows[id] = package->first + package->rows;
    }
    return DHO_OK;
}

static dho_status open_package(tinyvit_package *package, const char *folder, int rank, int top,
                               tinyvit_keys *keys, uint32_t *rows, int64_t *strange)
{
    char *path = NULL;
    dho_mapping text = {0};
    dho_status status;
    DHO_TRY_GOTO(open_values(package, folder, rank));
    DHO_TRY_GOTO(dho_asprintf(&path, "%s/rank%d-keys.txt", folder, rank));
    DHO_TRY_GOTO(dho_mapping_open(&text, path));
    DHO_TRY_GOTO(read_keys(path, &text, keys, package, rows, strange));
    const size_t item = TINYVIT_SEED_BYTES + TINYVIT_CLASS_BYTES * (size_t)top;
    if (package->values.size != item * package->rows)
        status =
            dho_fail(DHO_ERR_FORMAT, "%s: %zu bytes for %lu keys of %zu bytes (top %d)",
                     package->path, package->values.size, (unsigned long)package->rows, item, top);
fail:
    dho_mapping_close(&text);
    dho_free(path);
    return status;
}

/* --- one epoch --- */

static int compare_ints(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* The ranks whose values are in a folder, ascending; *out owned by the caller. */
static dho_status list_ranks(const char *folder, int **out, size_t *count)
{
    static const char values[] = "-values.bin";
    dho_name_list names;
    *out = NULL;
    *count = 0;
    DHO_TRY(dho_list_folder(&names, folder));
    dho_status status = dho_alloc(out, names.count, sizeof **out, folder);
    for (size_t i = 0; i < names.count && status == DHO_OK; i++) {
        const char *rest = names.names[i];
        if (!dho_ends_with(rest, values)) continue;
        if (take_number(&rest, "rank", MAX_RANK, *out + *count) && strcmp(rest, values) == 0)
            ++*count;
        else
            status = dho_fail(DHO_ERR_FORMAT, "%s/%s: expected rankR-values.bin", folder,
                              names.names[i]);
    }
    dho_name_list_free(&names);
    if (status == DHO_OK && *count == 0)
        status = dho_fail(DHO_ERR_CONFIG, "%s: no rankR-values.bin is there", folder);
    if (status == DHO_OK) qsort(*out, *count, sizeof **out, compare_ints);
    return status;
}

static dho_status check_complete(const tinyvit_epoch *epoch, const dho_dataset *dataset)
{
    int64_t missing = 0, first = -1;
    for (int64_t id = 0; id < dataset->count; id++) {
        if (epoch->rows[id] != NO_ROW) continue;
        if (first < 0) first = id;
        missing++;
    }
    if (missing == 0) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: no key for %lld of %lld images, the first is %s",
                    epoch->path, (long long)missing, (long long)dataset->count,
                    dataset->samples[first].path);
}

static dho_status open_epoch(tinyvit_epoch *epoch, int top, tinyvit_keys *keys, int64_t *strange)
{
    const dho_dataset *dataset = keys->dataset;
    int *ranks;
    size_t count;
    dho_status status = list_ranks(epoch->path, &ranks, &count);
    if (status != DHO_OK) goto fail;
    DHO_TRY_GOTO(dho_alloc(&epoch->rows, (size_t)dataset->count, sizeof *epoch->rows, "rows"));
    memset(epoch->rows, 0xff, (size_t)dataset->count * sizeof *epoch->rows); /* NO_ROW */
    DHO_TRY_GOTO(dho_alloc_zero(&epoch->packages, count, sizeof *epoch->packages, "packages"));
    epoch->package_count = count;
    uint32_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        epoch->packages[i].first = rows;
        DHO_TRY_GOTO(open_package(&epoch->packages[i], epoch->path, ranks[i], top, keys,
                                  epoch->rows, strange));
        rows += epoch->packages[i].rows;
    }
    status = check_complete(epoch, dataset);
fail:
    dho_free(ranks);
    return status;
}

/* --- all --- */

static int compare_epochs(const void *a, const void *b)
{
    return compare_ints(&((const tinyvit_epoch *)a)->epoch, &((const tinyvit_epoch *)b)->epoch);
}

static dho_status list_epochs(tinyvit_files *files, const char *source)
{
    dho_name_list names;
    DHO_TRY(dho_list_folder(&names, source));
    dho_status status =
        dho_alloc_zero(&files->epochs, names.count, sizeof *files->epochs, "epochs");
    for (size_t i = 0; i < names.count && status == DHO_OK; i++) {
        int top, epoch;
        if (!parse_epoch_folder(names.names[i], &top, &epoch)) continue;
        if (files->epoch_count > 0 && top != files->top)
            status = dho_fail(DHO_ERR_CONFIG, "%s: labels of top %d and of top %d: move one away",
                              source, files->top, top);
        files->top = top;
        tinyvit_epoch *next = &files->epochs[files->epoch_count++];
        next->epoch = epoch;
        if (status == DHO_OK) status = dho_path_join(&next->path, source, names.names[i]);
    }
    dho_name_list_free(&names);
    if (status == DHO_OK && files->epoch_count == 0)
        status = dho_fail(DHO_ERR_CONFIG, "%s: no folder logits_topK_epochE is there", source);
    if (status == DHO_OK)
        qsort(files->epochs, (size_t)files->epoch_count, sizeof *files->epochs, compare_epochs);
    return status;
}

static void close_epoch(tinyvit_epoch *epoch)
{
    for (size_t i = 0; i < epoch->package_count; i++) {
        dho_free(epoch->packages[i].path);
        dho_mapping_close(&epoch->packages[i].values);
    }
    dho_free(epoch->packages);
    dho_free(epoch->rows);
    dho_free(epoch->path);
}

dho_status tinyvit_files_open(tinyvit_files *out, const char *source, const dho_dataset *dataset,
                              int most)
{
    tinyvit_keys keys = {.dataset = dataset};
    *out = (tinyvit_files){0};
    DHO_TRY(list_epochs(out, source));
    while (most > 0 && out->epoch_count > most) close_epoch(&out->epochs[--out->epoch_count]);
    dho_status status = DHO_OK;
    for (int e = 0; e < out->epoch_count && status == DHO_OK; e++)
        status = open_epoch(&out->epochs[e], out->top, &keys, &out->strange);
    tinyvit_keys_free(&keys);
    return status;
}

void tinyvit_files_close(tinyvit_files *files)
{
    for (int e = 0; e < files->epoch_count; e++) close_epoch(&files->epochs[e]);
    dho_free(files->epochs);
    *files = (tinyvit_files){0};
}

const uint8_t *tinyvit_files_record(const tinyvit_files *files, int epoch, int64_t id,
                                    const char **out_path)
{
    const tinyvit_epoch *from = &files->epochs[epoch];
    const tinyvit_package *package = from->packages;
    const uint32_t row = from->rows[id];
    while (row - package->first >= package->rows) package++; /* ascending; a package may be empty */
    const size_t item = TINYVIT_SEED_BYTES + TINYVIT_CLASS_BYTES * (size_t)files->top;
    *out_path = package->path;
    return package->values.data + item * (row - package->first);
}

#define _GNU_SOURCE
#include "teacher/tinyvit_keys.h"

#include "data/dataset_build.h"
#include "dho/alloc.h"
#include "image/image_name.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DIGITS = 18, SHOWN = 80 };

/* Drops folders and an image's extension. */
static void to_stem(const char **text, size_t *length)
{
    for (size_t i = *length; i > 0; i--) {
        if ((*text)[i - 1] != '/') continue;
        *text += i;
        *length -= i;
        break;
    }
    const char *dot = memrchr(*text, '.', *length);
    if (dot == NULL || dot == *text) return;
    char extension[8] = "";
    const size_t bytes = *length - (size_t)(dot + 1 - *text);
    if (bytes >= sizeof extension) return;
    memcpy(extension, dot + 1, bytes);
    if (dho_is_image_extension(extension)) *length = (size_t)(dot - *text);
}

static int compare_text(const char *a, size_t a_length, const char *b, size_t b_length)
{
    const int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_stems(const void *a, const void *b)
{
    const tinyvit_name *x = a, *y = b;
    return compare_text(x->text, x->length, y->text, y->length);
}

static dho_status list_names(tinyvit_keys *keys)
{
    const dho_dataset *dataset = keys->dataset;
    DHO_TRY(
        dho_alloc(&keys->names, (size_t)dataset->count, sizeof *keys->names, "names of images"));
    for (int64_t id = 0; id < dataset->count; id++) {
        const char *path = dataset->samples[id].path;
        tinyvit_name name = {.text = path, .length = strlen(path), .id = id};
        to_stem(&name.text, &name.length);
        keys->names[id] = name;
    }
    qsort(keys->names, (size_t)dataset->count, sizeof *keys->names, compare_stems);
    for (int64_t i = 1; i < dataset->count; i++)
        if (compare_stems(&keys->names[i - 1], &keys->names[i]) == 0)
            return dho_fail(DHO_ERR_CONFIG,
                            "%s: the saved labels name images by their files' names, and %s and %s "
                            "have the same",
                            dataset->root, dataset->samples[keys->names[i - 1].id].path,
                            dataset->samples[keys->names[i].id].path);
    return DHO_OK;
}

/* An ImageFolder's order: by class folder, then by name, both in byte order. */
static bool precedes(const char *a, const char *b)
{
    const size_t a_folder = strcspn(a, "/"), b_folder = strcspn(b, "/");
    const int order = compare_text(a, a_folder, b, b_folder);
    return order != 0 ? order < 0 : dho_path_compare(a, b) < 0;
}

static dho_status check_order(const dho_dataset *dataset)
{
    for (int64_t id = 1; id < dataset->count; id++)
        if (!precedes(dataset->samples[id - 1].path, dataset->samples[id].path))
            return dho_fail(
                DHO_ERR_CONFIG,
                "%s: the saved labels name images by their position in a folder of "
                "class folders, and this dataset has another order (%s comes before %s)",
                dataset->root, dataset->samples[id - 1].path, dataset->samples[id].path);
    return DHO_OK;
}

/* Decimal digits as Python's str(int) writes them. */
static bool to_position(const char *key, size_t length, int64_t *out)
{
    *out = 0;
    if (length == 0 || length > MAX_DIGITS || (key[0] == '0' && length > 1)) return false;
    for (size_t i = 0; i < length; i++) {
        if (key[i] < '0' || key[i] > '9') return false;
        *out = *out * 10 + (key[i] - '0');
    }
    return true;
}

static dho_status find_position(const tinyvit_keys *keys, const char *key, size_t length,
                                int64_t *out)
{
    const int shown = length < SHOWN ? (int)length : SHOWN;
    if (!to_position(key, length, out))
        return dho_fail(DHO_ERR_FORMAT, "\"%.*s\" is not a position, as other keys are", shown,
                        key);
    if (*out < keys->dataset->count) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "position %lld, but the dataset has %lld images: positions are of use with "
                    "the very dataset they were saved with",
                    (long long)*out, (long long)keys->dataset->count);
}

static dho_status choose(tinyvit_keys *keys, const char *key, size_t length)
{
    int64_t position;
    keys->chosen = true;
    keys->positions = to_position(key, length, &position);
    return keys->positions ? check_order(keys->dataset) : list_names(keys);
}

dho_status tinyvit_keys_find(tinyvit_keys *keys, const char *key, size_t length, int64_t *out)
{
    if (!keys->chosen) DHO_TRY(choose(keys, key, length));
    if (keys->positions) return find_position(keys, key, length, out);
    tinyvit_name wanted = {.text = key, .length = length};
    to_stem(&wanted.text, &wanted.length);
    const tinyvit_name *found = bsearch(&wanted, keys->names, (size_t)keys->dataset->count,
                                        sizeof *keys->names, compare_stems);
    *out = found != NULL ? found->id : -1;
    return DHO_OK;
}

void tinyvit_keys_free(tinyvit_keys *keys)
{
    dho_free(keys->names);
    *keys = (tinyvit_keys){0};
}

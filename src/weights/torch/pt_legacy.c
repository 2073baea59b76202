/* Pickles one behind another: a magic number, the protocol version, what the machine was like, the
 * objects, the list of the storages' keys. Then the storages in the order of that list, each as its
 * number of elements (int64) and the elements. There is no checksum. */
#include "weights/torch/pt_legacy.h"

#include "dho/alloc.h"
#include "weights/torch/pt_tree.h"

#include <stdlib.h>
#include <string.h>

enum { PROTOCOL_VERSION = 1001 };

/* 0x1950a86a20f9469cfc6c */
static const uint8_t magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

/* A file and how far it was read. */
typedef struct reader {
    const char *file; /* for messages */
    const uint8_t *bytes;
    size_t size, at;
} reader;

bool pt_is_legacy(const uint8_t *bytes, size_t size)
{
    return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

static dho_status next_pickle(reader *r, pt_pickle *pickle, pt_id *out_root)
{
    const size_t left = r->size - r->at;
    *pickle = (pt_pickle){.file = r->file,
                          .part = "",
                          .bytes = r->bytes,
                          .size = r->at + (left < PT_MAX_SIZE ? left : PT_MAX_SIZE),
                          .at = r->at};
    DHO_TRY(pt_pickle_run(pickle, out_root));
    r->at = pickle->at;
    return DHO_OK;
}

static dho_status check_version(reader *r)
{
    pt_pickle pickle = {0};
    pt_id root;
    dho_status status = next_pickle(r, &pickle, &root);
    if (status == DHO_OK &&
        (pickle.values[root].kind != PT_INT || pickle.values[root].integer != PROTOCOL_VERSION))
        status = pt_bad(&pickle, "the protocol version is not %d", PROTOCOL_VERSION);
    pt_pickle_free(&pickle);
    return status;
}

static dho_status check_byte_order(reader *r)
{
    static const char key[] = "little_endian";
    pt_pickle pickle = {0};
    pt_id root;
    dho_status status = next_pickle(r, &pickle, &root);
    if (status == DHO_OK) {
        const pt_value *little = &pickle.values[pt_lookup(&pickle, root, key, sizeof key - 1)];
        if (little->kind != PT_BOOL || little->integer != 1)
            status = pt_bad(&pickle, "not of a little-endian machine: not read");
    }
    pt_pickle_free(&pickle);
    return status;
}

/* --- storages --- */

static int compare_keys(const pt_storage *a, const pt_storage *b)
{
    if (a->key_bytes != b->key_bytes) return a->key_bytes < b->key_bytes ? -1 : 1;
    return memcmp(a->key, b->key, a->key_bytes);
}

static int compare_storages(const void *a, const void *b)
{
    return compare_keys(*(pt_storage *const *)a, *(pt_storage *const *)b);
}

/* The first of the sorted storages whose key is not less. */
static size_t lower_bound(pt_storage *const *sorted, size_t count, const pt_storage *key)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_keys(sorted[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static dho_status bad_storage(const reader *r, size_t number, const char *why)
{
    return dho_fail(DHO_ERR_FORMAT, "%s: offset %zu: storage %zu: %s", r->file, r->at, number, why);
}

/* The next storage, which has this key: all that the objects know of it must agree. */
static dho_status place_storage(reader *r, size_t number, const pt_storage *key,
                                pt_storage **sorted, size_t count)
{
    size_t i = lower_bound(sorted, count, key);
    if (i == count || compare_keys(sorted[i], key) != 0)
        return bad_storage(r, number, "no tensor has it");
    if (sorted[i]->data != NULL) return bad_storage(r, number, "is listed twice");
    const uint64_t elements = sorted[i]->elements;
    const dho_dtype dtype = sorted[i]->dtype;
    if (r->size - r->at < 8) return bad_storage(r, number, "the file ends before it: truncated");
    uint64_t found = 0;
    for (int k = 0; k < 8; k++) found |= (uint64_t)r->bytes[r->at++] << 8 * k;
    if (found != elements)
        return bad_storage(r, number, "has another number of elements than its tensors say");
    if (elements > (r->size - r->at) / dho_dtype_size(dtype))
        return bad_storage(r, number, "the file ends inside of it: truncated");
    for (; i < count && compare_keys(sorted[i], key) == 0; i++) {
        if (sorted[i]->dtype != dtype || sorted[i]->elements != elements)
            return bad_storage(r, number, "its tensors do not agree on its type and size");
        sorted[i]->data = r->bytes + r->at;
    }
    r->at += (size_t)elements * dho_dtype_size(dtype);
    return DHO_OK;
}

static dho_status place_storages(reader *r, const pt_pickle *keys, pt_id list, pt_storage **sorted,
                                 size_t count)
{
    pt_id cell = keys->values[list].first;
    for (uint32_t i = 0; i < keys->values[list].count; i++, cell = keys->cells[cell].next) {
        const pt_value *key = &keys->values[keys->cells[cell].value];
        if (key->kind != PT_STRING) return bad_storage(r, i, "its key is no text");
        const pt_storage named = {.key = key->text, .key_bytes = key->count};
        DHO_TRY(place_storage(r, i, &named, sorted, count));
    }
    return DHO_OK;
}

static dho_status read_storages(reader *r, pt_pickle *objects)
{
    const size_t count = objects->storage_count;
    pt_pickle keys = {0};
    pt_storage **sorted = NULL;
    pt_id list;
    dho_status status;
    DHO_TRY_GOTO(next_pickle(r, &keys, &list));
    if (keys.values[list].kind != PT_LIST) {
        status = pt_bad(&keys, "the keys of the storages are no list");
        goto fail;
    }
    DHO_TRY_GOTO(dho_alloc(&sorted, count, sizeof *sorted, r->file));
    for (size_t i = 0; i < count; i++) sorted[i] = &objects->storages[i];
    if (count > 0) qsort(sorted, count, sizeof *sorted, compare_storages);
    status = place_storages(r, &keys, list, sorted, count);
fail:
    dho_free(sorted);
    pt_pickle_free(&keys);
    return status;
}

dho_status pt_legacy_read(pt_pickle *pickle, const uint8_t *bytes, size_t size, const char *file,
                          pt_id *out_root)
{
    reader r = {.file = file, .bytes = bytes, .size = size, .at = sizeof magic};
    *pickle = (pt_pickle){0};
    DHO_TRY(check_version(&r));
    DHO_TRY(check_byte_order(&r));
    DHO_TRY(next_pickle(&r, pickle, out_root));
    return read_storages(&r, pickle);
}

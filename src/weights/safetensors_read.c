/* The strict safetensors reader. Nothing of the file is believed before it is checked. */
#define _GNU_SOURCE
#include "dho/safetensors.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "weights/safetensors_seal.h"
#include "weights/tensor_index.h"
#include "weights/wrong_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 100000000 };

struct dho_safetensors {
    char *name;             /* of the file, for messages */
    dho_mapping mapping;    /* empty when opened over memory */
    json_t *root;           /* owns the names and the metadata */
    dho_tensor_index table; /* in data order */
};

/* "path: offset 8: tensor "x": why" */
static dho_status bad_tensor(const dho_safetensors *file, const char *tensor, const char *why)
{
    char buffer[DHO_NAME_SHOWN + 4];
    return dho_fail(DHO_ERR_FORMAT, "%s: offset %d: header: tensor \"%s\": %s", file->name,
                    LENGTH_BYTES, dho_name_shown(tensor, buffer), why);
}

static dho_status parse_dtype(const dho_safetensors *file, const char *name, const json_t *value,
                              dho_dtype *out)
{
    static const char *const known[] = {"F8_E4M3", "F8_E5M2", "F8_E8M0", "F6_E2M3", "F6_E3M2",
                                        "F4",      "U16",     "U32",     "U64",     "C64"};
    char why[96], buffer[DHO_NAME_SHOWN + 4];
    if (!json_is_string(value)) return bad_tensor(file, name, "\"dtype\" is not a string");
    const char *text = json_string_value(value);
    for (int dtype = DHO_F32; dtype <= DHO_BOOL; dtype++) {
        if (strcmp(text, dho_dtype_name((dho_dtype)dtype)) != 0) continue;
        *out = (dho_dtype)dtype;
        return DHO_OK;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(text, known[i]) != 0) continue;
        snprintf(why, sizeof why, "dtype %s is not supported", known[i]);
        return bad_tensor(file, name, why);
    }
    snprintf(why, sizeof why, "there is no dtype \"%.40s\"", dho_name_shown(text, buffer));
    return bad_tensor(file, name, why);
}

/* Reads the shape and computes the size it asks for. */
static dho_status parse_shape(const dho_safetensors *file, const json_t *value,
                              dho_tensor_view *tensor)
{
    const char *name = tensor->name;
    if (!json_is_array(value)) return bad_tensor(file, name, "\"shape\" is not an array");
    const size_t dims = json_array_size(value);
    if (dims > DHO_MAX_DIMS)
        return bad_tensor(file, name, "more dimensions than the 8 that are supported");
    tensor->dims = (int)dims;
    tensor->bytes = dho_dtype_size(tensor->dtype);
    for (size_t i = 0; i < dims; i++) {
        const json_t *entry = json_array_get(value, i);
        if (!json_is_integer(entry) || json_integer_value(entry) < 0)
            return bad_tensor(file, name, "a shape entry is not an integer >= 0");
        tensor->shape[i] = json_integer_value(entry);
        if (__builtin_mul_overflow(tensor->bytes, (uint64_t)tensor->shape[i], &tensor->bytes))
            return bad_tensor(file, name, "shape x dtype overflows 64 bits");
    }
    return DHO_OK;
}

/* One entry of the header; its data must lie inside the data part. */
static dho_status parse_tensor(const dho_safetensors *file, const char *name, json_t *entry,
                               const uint8_t *data, size_t data_bytes, dho_tensor_view *out)
{
    *out = (dho_tensor_view){.name = name};
    if (!json_is_object(entry)) return bad_tensor(file, name, "is not an object");
    const json_t *dtype = json_object_get(entry, "dtype");
    const json_t *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (dtype == NULL || shape == NULL || offsets == NULL || json_object_size(entry) != 3)
        return bad_tensor(file, name, "expected the keys dtype, shape and data_offsets, no others");
    DHO_TRY(parse_dtype(file, name, dtype, &out->dtype));
    DHO_TRY(parse_shape(file, shape, out));
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
        json_integer_value(first) < 0 || json_integer_value(last) < json_integer_value(first))
        return bad_tensor(file, name,
                          "\"data_offsets\" is not [begin, end] with 0 <= begin <= end");
    const uint64_t begin = (uint64_t)json_integer_value(first);
    const uint64_t end = (uint64_t)json_integer_value(last);
    char why[160];
    if (end > data_bytes) {
        snprintf(why, sizeof why,
                 "data_offsets end at %" PRIu64 ", but there are %zu bytes of data", end,
                 data_bytes);
        return bad_tensor(file, name, why);
    }
    if (end - begin != out->bytes) {
        snprintf(why, sizeof why, "data_offsets hold %" PRIu64 " bytes, shape x dtype is %zu bytes",
                 end - begin, out->bytes);
        return bad_tensor(file, name, why);
    }
    out->data = data + begin;
    return DHO_OK;
}

static dho_status check_metadata(const dho_safetensors *file, json_t *metadata)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata)) return bad_tensor(file, "__metadata__", "is not an object");
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return bad_tensor(file, "__metadata__", "a value is not a string");
    }
    return DHO_OK;
}

/* Data order; an empty tensor comes before the one that starts at the same place. */
static int compare_data(const void *a, const void *b)
{
    const dho_tensor_view *x = a, *y = b;
    const uintptr_t px = (uintptr_t)x->data, py = (uintptr_t)y->data;
    if (px != py) return px < py ? -1 : 1;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Every byte of the data belongs to exactly one tensor. */
static dho_status check_contiguous(const dho_safetensors *file, const uint8_t *data,
                                   size_t data_bytes)
{
    size_t at = 0;
    char why[96];
    for (size_t i = 0; i < file->table.count; i++) {
        const dho_tensor_view *tensor = &file->table.tensors[i];
        const size_t begin = (size_t)((const uint8_t *)tensor->data - data);
        if (begin != at) {
            snprintf(why, sizeof why, "data begins at %zu, the tensor before ends at %zu (%s)",
                     begin, at, begin > at ? "a hole" : "an overlap");
            return bad_tensor(file, tensor->name, why);
        }
        at += tensor->bytes;
    }
    if (at == data_bytes) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: %zu bytes after the last tensor's data (data end %zu)",
                    file->name, data_bytes - at, at);
}

static dho_status parse_tensors(dho_safetensors *file, const uint8_t *data, size_t data_bytes)
{
    const size_t entries = json_object_size(file->root);
    dho_tensor_index *table = &file->table;
    table->file = file->name;
    DHO_TRY(dho_tensor_index_reserve(table, entries));
    const char *name;
    json_t *entry;
    json_object_foreach(file->root, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) {
            DHO_TRY(check_metadata(file, entry));
            continue;
        }
        DHO_TRY(parse_tensor(file, name, entry, data, data_bytes, &table->tensors[table->count]));
        table->count++;
    }
    if (table->count > 0) qsort(table->tensors, table->count, sizeof *table->tensors, compare_data);
    dho_tensor_index_sort(table);
    return check_contiguous(file, data, data_bytes);
}

/* A file that is something else altogether is named as such. */
static dho_status check_kind(const dho_safetensors *file, const uint8_t *bytes, size_t size)
{
    if (size > LENGTH_BYTES && bytes[LENGTH_BYTES] == '{') return DHO_OK;
    if (size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0)
        return dho_fail(
            DHO_ERR_FORMAT,
            "%s: is a PyTorch or NumPy archive, expected safetensors: dho weights convert "
            "makes it of a PyTorch file",
            file->name);
    const char *kind = dho_weights_look_wrong(bytes, size);
    return kind == NULL ? DHO_OK : dho_fail(DHO_ERR_FORMAT, "%s: %s", file->name, kind);
}

static dho_status parse_file(dho_safetensors *file, const uint8_t *bytes, size_t size)
{
    DHO_TRY(check_kind(file, bytes, size));
    if (size < LENGTH_BYTES)
        return dho_fail(DHO_ERR_FORMAT, "%s: offset 0: %zu bytes, too short for a safetensors file",
                        file->name, size);
    uint64_t header;
    memcpy(&header, bytes, sizeof header);
    if (header > MAX_HEADER_BYTES)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: offset 0: header of %" PRIu64 " bytes, more than the %d allowed",
                        file->name, header, MAX_HEADER_BYTES);
    if (header > size - LENGTH_BYTES)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: offset 0: header of %" PRIu64 " bytes, but only %zu follow",
                        file->name, header, size - LENGTH_BYTES);
    if (header == 0 || bytes[LENGTH_BYTES] != '{')
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %d: the header does not begin with '{'",
                        file->name, LENGTH_BYTES);
    const char *text = (const char *)bytes + LENGTH_BYTES;
    const dho_status status = dho_json_parse(&file->root, text, (size_t)header, file->name);
    if (status != DHO_OK)
        return dho_fail(status, "%s (counted from the header at offset %d)", dho_error_message(),
                        LENGTH_BYTES);
    return parse_tensors(file, bytes + LENGTH_BYTES + header, size - LENGTH_BYTES - (size_t)header);
}

dho_status dho_safetensors_open(dho_safetensors **out, const char *path)
{
    dho_status status;
    dho_safetensors *file;
    *out = NULL;
    DHO_TRY(dho_alloc_zero(&file, 1, sizeof *file, path));
    DHO_TRY_GOTO(dho_strdup(&file->name, path));
    DHO_TRY_GOTO(dho_mapping_open(&file->mapping, path));
    DHO_TRY_GOTO(parse_file(file, file->mapping.data, file->mapping.size));
    *out = file;
    return DHO_OK;
fail:
    dho_safetensors_close(&file);
    return status;
}

dho_status dho_safetensors_check_seal(const dho_safetensors *file)
{
    enum { DIGITS = sizeof DHO_SEAL_EMPTY - 1 };
    const uint8_t *data = file->mapping.data, *end = data + file->mapping.size;
    const uint8_t *place = memmem(data, file->mapping.size, DHO_SEAL_TEXT, strlen(DHO_SEAL_TEXT));
    const char *stored = dho_safetensors_metadata(file, DHO_SEAL_KEY);
    char computed[DIGITS + 1];
    if (place == NULL || stored == NULL)
        return dho_fail(DHO_ERR_FORMAT, "%s: has no checksum: damaged", file->name);
    place += strlen(DHO_SEAL_TEXT);
    uint32_t crc = dho_crc32(0, data, (size_t)(place - data));
    crc = dho_crc32(crc, DHO_SEAL_EMPTY, DIGITS);
    if (end - place > DIGITS) crc = dho_crc32(crc, place + DIGITS, (size_t)(end - place) - DIGITS);
    snprintf(computed, sizeof computed, "%08" PRIx32, crc);
    if (strcmp(computed, stored) == 0) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: CRC is %s, expected \"%.8s\": damaged or changed by hand",
                    file->name, computed, stored);
}

dho_status dho_safetensors_open_memory(dho_safetensors **out, const void *data, size_t bytes,
                                       const char *name)
{
    dho_status status;
    dho_safetensors *file;
    *out = NULL;
    DHO_TRY(dho_alloc_zero(&file, 1, sizeof *file, name));
    DHO_TRY_GOTO(dho_strdup(&file->name, name));
    DHO_TRY_GOTO(parse_file(file, data, bytes));
    *out = file;
    return DHO_OK;
fail:
    dho_safetensors_close(&file);
    return status;
}

void dho_safetensors_close(dho_safetensors **inout)
{
    dho_safetensors *file = *inout;
    if (file == NULL) return;
    json_decref(file->root);
    dho_tensor_index_free(&file->table);
    dho_mapping_close(&file->mapping);
    dho_free(file->name);
    dho_free(file);
    *inout = NULL;
}

const dho_tensor_index *dho_safetensors_table(const dho_safetensors *file)
{
    return &file->table;
}

const char *dho_safetensors_path(const dho_safetensors *file)
{
    return file->name;
}

const dho_tensor_view *dho_safetensors_find(const dho_safetensors *file, const char *name)
{
    return dho_tensor_index_find(&file->table, name);
}

dho_status dho_safetensors_require(const dho_safetensors *file, const char *name, int dims,
                                   const int64_t *shape, const dho_tensor_view **out)
{
    return dho_tensor_index_require(&file->table, name, dims, shape, out);
}

const char *dho_safetensors_metadata(const dho_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->root, "__metadata__"), key));
}

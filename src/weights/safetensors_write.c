/* The safetensors writer: header built as JSON, data streamed into an atomic file. */
#include "dho/safetensors.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "weights/safetensors_seal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER_BYTES = 100000000, HEADER_ALIGNMENT = 8 };

static dho_status bad_tensor(const char *path, const char *name, const char *why)
{
    return dho_fail(DHO_ERR_INTERNAL, "%s: tensor \"%.100s\": %s", path, name, why);
}

/* Does the view hold what its shape says? */
static dho_status check_tensor(const char *path, const dho_tensor_view *tensor)
{
    if (tensor->dims < 0 || tensor->dims > DHO_MAX_DIMS)
        return bad_tensor(path, tensor->name, "has a bad number of dimensions");
    size_t bytes = dho_dtype_size(tensor->dtype);
    for (int i = 0; i < tensor->dims; i++) {
        if (tensor->shape[i] < 0 ||
            __builtin_mul_overflow(bytes, (uint64_t)tensor->shape[i], &bytes))
            return bad_tensor(path, tensor->name, "has a bad shape");
    }
    if (bytes != tensor->bytes || (bytes > 0 && tensor->data == NULL))
        return bad_tensor(path, tensor->name, "has not the bytes that its shape asks for");
    return DHO_OK;
}

/* {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}; NULL without memory. */
static json_t *describe(const dho_tensor_view *tensor, size_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < tensor->dims; i++)
        json_array_append_new(shape, json_integer(tensor->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dho_dtype_name(tensor->dtype), "shape", shape,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + tensor->bytes));
}

static dho_status add_metadata(const char *path, json_t *header, const char *const *metadata)
{
    if (metadata == NULL || metadata[0] == NULL) return DHO_OK;
    json_t *map = json_object();
    if (json_object_set_new(header, "__metadata__", map) != 0)
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot build the header", path);
    for (size_t i = 0; metadata[i] != NULL; i += 2) {
        if (json_object_set_new(map, metadata[i], json_string(metadata[i + 1])) != 0)
            return bad_tensor(path, "__metadata__", "is not UTF-8 text");
    }
    return DHO_OK;
}

/* *out: the header's JSON, malloc-ed by Jansson. */
static dho_status build_header(const char *path, const dho_tensor_view *tensors, size_t count,
                               const char *const *metadata, char **out)
{
    dho_status status;
    size_t begin = 0;
    json_t *header = json_object();
    DHO_TRY_GOTO(add_metadata(path, header, metadata));
    for (size_t i = 0; i < count; i++) {
        const dho_tensor_view *tensor = &tensors[i];
        DHO_TRY_GOTO(check_tensor(path, tensor));
        if (strcmp(tensor->name, "__metadata__") == 0 ||
            json_object_get(header, tensor->name) != NULL) {
            status = bad_tensor(path, tensor->name, "the name is taken");
            goto fail;
        }
        if (json_object_set_new(header, tensor->name, describe(tensor, begin)) != 0) {
            status = bad_tensor(path, tensor->name, "the name is not UTF-8 text");
            goto fail;
        }
        if (__builtin_add_overflow(begin, tensor->bytes, &begin) || begin > INT64_MAX) {
            status = bad_tensor(path, tensor->name, "the sizes overflow");
            goto fail;
        }
    }
    *out = json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    status = *out != NULL ? DHO_OK : dho_fail(DHO_ERR_MEMORY, "%s: cannot format the header", path);
fail:
    json_decref(header);
    return status;
}

/* A header that asks for it gets the CRC of the file, which has no CRC yet. */
static void seal(char *header, uint32_t head_crc, const dho_tensor_view *tensors, size_t count)
{
    char digits[sizeof DHO_SEAL_EMPTY];
    char *place = strstr(header, DHO_SEAL_TEXT DHO_SEAL_EMPTY);
    if (place == NULL) return;
    uint32_t crc = head_crc;
    for (size_t i = 0; i < count; i++) crc = dho_crc32(crc, tensors[i].data, tensors[i].bytes);
    snprintf(digits, sizeof digits, "%08" PRIx32, crc);
    memcpy(place + sizeof DHO_SEAL_TEXT - 1, digits, sizeof digits - 1);
}

dho_status dho_safetensors_save(const char *path, const dho_tensor_view *tensors, size_t count,
                                const char *const *metadata, uint32_t *out_crc)
{
    static const char spaces[HEADER_ALIGNMENT + 1] = "        ";
    char *header = NULL;
    dho_atomic_file *file = NULL;
    dho_status status;
    DHO_TRY(build_header(path, tensors, count, metadata, &header));
    const size_t length = strlen(header);
    const size_t padding = (HEADER_ALIGNMENT - length % HEADER_ALIGNMENT) % HEADER_ALIGNMENT;
    const uint64_t total = length + padding;
    if (total > MAX_HEADER_BYTES) {
        status = dho_fail(DHO_ERR_INTERNAL, "%s: header of %zu bytes, more than the %d allowed",
                          path, length, MAX_HEADER_BYTES);
        goto fail;
    }
    uint32_t crc = dho_crc32(0, &total, sizeof total);
    crc = dho_crc32(crc, header, length);
    seal(header, dho_crc32(crc, spaces, padding), tensors, count);
    DHO_TRY_GOTO(dho_atomic_file_create(&file, path));
    /* Write failures are kept and come back from commit. */
    dho_atomic_file_write(file, &total, sizeof total);
    dho_atomic_file_write(file, header, length);
    dho_atomic_file_write(file, spaces, padding);
    for (size_t i = 0; i < count; i++)
        dho_atomic_file_write(file, tensors[i].data, tensors[i].bytes);
    if (out_crc != NULL) *out_crc = dho_atomic_file_crc(file);
    DHO_TRY_GOTO(dho_atomic_file_commit(&file));
fail:
    free(header);
    return status;
}

dho_status dho_safetensors_check_place(const char *option, const char *path)
{
    static const char suffix[] = ".safetensors";
    const size_t length = strlen(path), tail = strlen(suffix);
    if (length <= tail || strcmp(path + length - tail, suffix) != 0)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: only safetensors is written: expected a name that ends in "
                        ".safetensors, got \"%s\" (in Python, safetensors.torch.load_file gives a "
                        "state dict)",
                        option, path);
    return dho_file_check_place(path);
}

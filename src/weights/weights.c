#include "dho/weights.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/torch_file.h"
#include "weights/tensor_index.h"
#include "weights/wrong_file.h"

#include <stdio.h>
#include <string.h>

enum { MAX_INDEX_BYTES = 1 << 26, MAX_PARTS = 100000, FORMAT_BYTES = 48 };

/* One file of tensors. */
typedef struct part {
    dho_safetensors *safetensors; /* owned; one of the two is NULL */
    dho_torch_file *torch;
    const dho_tensor_index *table; /* borrowed from it */
} part;

struct dho_weights {
    part *parts; /* owned; more than one: an index names them */
    size_t count;
    dho_tensor_index merged;       /* owned; the tensors of all parts, in their order */
    const dho_tensor_index *table; /* the only part's, or the merged one */
    char *path;                    /* owned: of the index */
    char format[FORMAT_BYTES];
};

/* --- one file --- */

typedef enum weights_format {
    FORMAT_UNKNOWN,
    FORMAT_SAFETENSORS,
    FORMAT_TORCH,
    FORMAT_INDEX
} weights_format;

/* By the first bytes: "PK\3\4", a pickle's protocol mark, a header's length and its '{', or JSON.
 */
static weights_format sniff(const uint8_t *bytes, size_t size)
{
    if (size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0) return FORMAT_TORCH;
    if (size >= 9 && bytes[8] == '{' && bytes[7] == 0) return FORMAT_SAFETENSORS;
    if (size >= 2 && bytes[0] == 0x80 && bytes[1] <= 5) return FORMAT_TORCH; /* or says why not */
    size_t at = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < size && (bytes[at] == ' ' || (bytes[at] >= '\t' && bytes[at] <= '\r'))) at++;
    return at < size && bytes[at] == '{' ? FORMAT_INDEX : FORMAT_UNKNOWN;
}

static dho_status sniff_file(const char *path, weights_format *out)
{
    dho_mapping mapping;
    if (dho_path_is_folder(path))
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: is a folder: name the file in it (model.safetensors, "
                        "pytorch_model.bin, or their .index.json)",
                        path);
    DHO_TRY(dho_mapping_open(&mapping, path));
    *out = sniff(mapping.data, mapping.size);
    const char *kind = *out == FORMAT_SAFETENSORS || *out == FORMAT_TORCH
                           ? NULL
                           : dho_weights_look_wrong(mapping.data, mapping.size);
    dho_mapping_close(&mapping);
    if (kind != NULL) return dho_fail(DHO_ERR_FORMAT, "%s: %s", path, kind);
    if (*out != FORMAT_UNKNOWN) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: neither a safetensors file nor a PyTorch checkpoint",
                    path);
}

static dho_status open_part(part *out, weights_format format, const char *path, const char *key)
{
    if (format == FORMAT_TORCH) {
        DHO_TRY(dho_torch_file_open(&out->torch, path, key));
        out->table = dho_torch_file_table(out->torch);
        return DHO_OK;
    }
    if (key != NULL && key[0] != '\0')
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: a safetensors file has no keys to choose from (\"%s\")", path, key);
    DHO_TRY(dho_safetensors_open(&out->safetensors, path));
    out->table = dho_safetensors_table(out->safetensors);
    return DHO_OK;
}

/* --- an index of several files: {"weight_map": {"tensor": "file", ...}} --- */

/* Opens the file that the index names beside itself, unless it is open already. */
static dho_status open_named(dho_weights *weights, const char *name, const char *tensor,
                             const char *key, const part **out)
{
    const char *slash = strrchr(weights->path, '/');
    char *path = NULL;
    weights_format format;
    dho_status status;
    if (name == NULL || name[0] == '\0' || strchr(name, '/') != NULL)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: weight_map: \"%.80s\" is not in a file beside the index",
                        weights->path, tensor);
    DHO_TRY_GOTO(dho_asprintf(&path, "%.*s%s", slash != NULL ? (int)(slash - weights->path + 1) : 0,
                              weights->path, name));
    for (size_t i = 0; i < weights->count; i++) {
        *out = &weights->parts[i];
        if (strcmp(weights->parts[i].table->file, path) == 0) goto fail;
    }
    if (!dho_path_exists(path)) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: names %s, which is not there", weights->path, path);
        goto fail;
    }
    DHO_TRY_GOTO(sniff_file(path, &format));
    if (format == FORMAT_INDEX || weights->count == MAX_PARTS) {
        status =
            dho_fail(DHO_ERR_FORMAT, "%s: names %s, which holds no weights", weights->path, path);
        goto fail;
    }
    DHO_TRY_GOTO(dho_realloc(&weights->parts, weights->count + 1, sizeof *weights->parts, path));
    part *opened = &weights->parts[weights->count];
    *opened = (part){0};
    DHO_TRY_GOTO(open_part(opened, format, path, key));
    weights->count++;
    *out = opened;
fail:
    dho_free(path);
    return status;
}

static dho_status check_entry(const dho_weights *weights, const part *from, const char *tensor)
{
    if (dho_tensor_index_find(from->table, tensor) != NULL) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: says that \"%.120s\" is in %s, which does not have it",
                    weights->path, tensor, from->table->file);
}

static dho_status merge(dho_weights *weights)
{
    size_t total = 0;
    dho_tensor_index *merged = &weights->merged;
    for (size_t i = 0; i < weights->count; i++) total += weights->parts[i].table->count;
    merged->file = weights->path;
    DHO_TRY(dho_tensor_index_reserve(merged, total));
    for (size_t i = 0; i < weights->count; i++)
        for (size_t t = 0; t < weights->parts[i].table->count; t++)
            merged->tensors[merged->count++] = weights->parts[i].table->tensors[t];
    dho_tensor_index_sort(merged);
    for (size_t i = 1; i < merged->count; i++)
        if (strcmp(merged->sorted[i - 1]->name, merged->sorted[i]->name) == 0)
            return dho_fail(DHO_ERR_FORMAT, "%s: two of its files have \"%.120s\"", weights->path,
                            merged->sorted[i]->name);
    return DHO_OK;
}

static dho_status open_index(dho_weights *weights, const char *key)
{
    json_t *root = NULL, *file;
    const char *tensor;
    dho_status status;
    DHO_TRY_GOTO(dho_json_load(&root, weights->path, MAX_INDEX_BYTES));
    json_t *map = json_object_get(root, "weight_map");
    if (json_object_size(map) == 0) {
        status = dho_fail(DHO_ERR_FORMAT,
                          "%s: is JSON without a weight_map: no index of weights (config.json?)",
                          weights->path);
        goto fail;
    }
    json_object_foreach(map, tensor, file)
    {
        const part *from = NULL;
        DHO_TRY_GOTO(open_named(weights, json_string_value(file), tensor, key, &from));
        DHO_TRY_GOTO(check_entry(weights, from, tensor));
    }
    DHO_TRY_GOTO(merge(weights));
    weights->table = &weights->merged;
fail:
    json_decref(root);
    return status;
}

/* --- open and close --- */

static const char *format_of(const part *one)
{
    return one->torch != NULL ? dho_torch_file_format(one->torch) : "safetensors";
}

static dho_status open_only(dho_weights *weights, weights_format format, const char *path,
                            const char *key)
{
    DHO_TRY(dho_alloc_zero(&weights->parts, 1, sizeof *weights->parts, path));
    DHO_TRY(open_part(&weights->parts[0], format, path, key));
    weights->count = 1;
    weights->table = weights->parts[0].table;
    return DHO_OK;
}

dho_status dho_weights_open(dho_weights **out, const char *path, const char *key)
{
    dho_status status;
    weights_format format;
    dho_weights *weights;
    *out = NULL;
    DHO_TRY(sniff_file(path, &format));
    DHO_TRY(dho_alloc_zero(&weights, 1, sizeof *weights, path));
    DHO_TRY_GOTO(dho_strdup(&weights->path, path));
    if (format == FORMAT_INDEX)
        DHO_TRY_GOTO(open_index(weights, key));
    else
        DHO_TRY_GOTO(open_only(weights, format, path, key));
    snprintf(weights->format, sizeof weights->format, "%s", format_of(&weights->parts[0]));
    if (weights->count > 1)
        snprintf(weights->format, sizeof weights->format, "%s, %zu files",
                 format_of(&weights->parts[0]), weights->count);
    *out = weights;
    return DHO_OK;
fail:
    dho_weights_close(&weights);
    return status;
}

void dho_weights_close(dho_weights **inout)
{
    dho_weights *weights = *inout;
    if (weights == NULL) return;
    for (size_t i = 0; i < weights->count; i++) {
        dho_safetensors_close(&weights->parts[i].safetensors);
        dho_torch_file_close(&weights->parts[i].torch);
    }
    dho_free(weights->parts);
    dho_tensor_index_free(&weights->merged);
    dho_free(weights->path);
    dho_free(weights);
    *inout = NULL;
}

size_t dho_weights_count(const dho_weights *weights)
{
    return weights->table->count;
}

const dho_tensor_view *dho_weights_at(const dho_weights *weights, size_t i)
{
    return &weights->table->tensors[i];
}

const dho_tensor_view *dho_weights_find(const dho_weights *weights, const char *name)
{
    return dho_tensor_index_find(weights->table, name);
}

dho_status dho_weights_require(const dho_weights *weights, const char *name, int dims,
                               const int64_t *shape, const dho_tensor_view **out)
{
    return dho_tensor_index_require(weights->table, name, dims, shape, out);
}

const char *dho_weights_path(const dho_weights *weights)
{
    return weights->path;
}

const char *dho_weights_format(const dho_weights *weights)
{
    return weights->format;
}

const char *dho_weights_key(const dho_weights *weights)
{
    return weights->parts[0].torch != NULL ? dho_torch_file_key(weights->parts[0].torch) : "";
}

const char *dho_weights_other_keys(const dho_weights *weights)
{
    return weights->parts[0].torch != NULL ? dho_torch_file_other_keys(weights->parts[0].torch)
                                           : "";
}

size_t dho_weights_skipped(const dho_weights *weights)
{
    size_t skipped = 0;
    for (size_t i = 0; i < weights->count; i++)
        if (weights->parts[i].torch != NULL)
            skipped += dho_torch_file_skipped(weights->parts[i].torch);
    return skipped;
}

const char *dho_weights_bare_name(const char *name)
{
    static const char *const wrappers[] = {"module.",
                                           "_orig_mod.",
                                           "_fsdp_wrapped_module.",
                                           "_checkpoint_wrapped_module.",
                                           "backbone.",
                                           "model.",
                                           "base_model.",
                                           "encoder.",
                                           "image_encoder.",
                                           "visual.",
                                           "net.",
                                           "network.",
                                           "trunk."};
    for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0];) {
        const size_t length = strlen(wrappers[i]);
        if (strncmp(name, wrappers[i], length) == 0) {
            name += length;
            i = 0;
        } else {
            i++;
        }
    }
    return name;
}

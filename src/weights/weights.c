#include "dho/weights.h"

#include "dho/alloc.h"
#include "dho/torch_file.h"
#include "weights/tensor_table.h"

#include <stdio.h>
#include <string.h>

struct dho_weights {
    dho_safetensors *safetensors; /* owned; one of the two is NULL */
    dho_torch_file *torch;
    const dho_tensor_table *table; /* borrowed from it */
};

typedef enum weights_format { FORMAT_UNKNOWN, FORMAT_SAFETENSORS, FORMAT_TORCH } weights_format;

/* By the first bytes: "PK\3\4", a pickle's protocol mark, or a header's length and its '{'. */
static weights_format sniff(const uint8_t *bytes, size_t size)
{
    if (size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0) return FORMAT_TORCH;
    if (size >= 9 && bytes[8] == '{') return FORMAT_SAFETENSORS;
    if (size >= 2 && bytes[0] == 0x80 && bytes[1] <= 5) return FORMAT_TORCH; /* or says why not */
    return FORMAT_UNKNOWN;
}

static dho_status open_safetensors(dho_weights *weights, const char *path, const char *key)
{
    if (key != NULL && key[0] != '\0')
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: a safetensors file has no keys to choose from (\"%s\")", path, key);
    DHO_TRY(dho_safetensors_open(&weights->safetensors, path));
    weights->table = dho_safetensors_table(weights->safetensors);
    return DHO_OK;
}

static dho_status open_torch(dho_weights *weights, const char *path, const char *key)
{
    DHO_TRY(dho_torch_file_open(&weights->torch, path, key));
    weights->table = dho_torch_file_table(weights->torch);
    return DHO_OK;
}

dho_status dho_weights_open(dho_weights **out, const char *path, const char *key)
{
    dho_status status;
    dho_mapping mapping;
    *out = NULL;
    DHO_TRY(dho_mapping_open(&mapping, path));
    const weights_format format = sniff(mapping.data, mapping.size);
    dho_mapping_close(&mapping);
    if (format == FORMAT_UNKNOWN)
        return dho_fail(DHO_ERR_FORMAT, "%s: neither a safetensors file nor a PyTorch checkpoint",
                        path);
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, path));
    status =
        format == FORMAT_TORCH ? open_torch(*out, path, key) : open_safetensors(*out, path, key);
    if (status != DHO_OK) dho_weights_close(out);
    return status;
}

void dho_weights_close(dho_weights **weights)
{
    if (*weights == NULL) return;
    dho_safetensors_close(&(*weights)->safetensors);
    dho_torch_file_close(&(*weights)->torch);
    dho_free(*weights);
    *weights = NULL;
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
    return dho_tensor_table_find(weights->table, name);
}

dho_status dho_weights_require(const dho_weights *weights, const char *name, int dims,
                               const int64_t *shape, const dho_tensor_view **out)
{
    return dho_tensor_table_require(weights->table, name, dims, shape, out);
}

const char *dho_weights_path(const dho_weights *weights)
{
    return weights->table->file;
}

const char *dho_weights_format(const dho_weights *weights)
{
    return weights->torch != NULL ? dho_torch_file_format(weights->torch) : "safetensors";
}

const char *dho_weights_key(const dho_weights *weights)
{
    return weights->torch != NULL ? dho_torch_file_key(weights->torch) : "";
}

size_t dho_weights_skipped(const dho_weights *weights)
{
    return weights->torch != NULL ? dho_torch_file_skipped(weights->torch) : 0;
}

const char *dho_weights_bare_name(const char *name)
{
    static const char *const wrappers[] = {"module.", "backbone.", "model."};
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

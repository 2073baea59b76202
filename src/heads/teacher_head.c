/* Head files: reading, checking, writing. */
#include "dho/teacher_head.h"

#include "base/finite.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_KEYS = 1 << 24 };
#define DEFAULT_SCALE 100.0f

static dho_status read_floats(const dho_safetensors *file, const char *name, int dims,
                              const int64_t *shape, const char *path, float **out)
{
    const dho_tensor_view *tensor;
    DHO_TRY(dho_safetensors_require(file, name, dims, shape, &tensor));
    const size_t count = tensor->bytes / dho_dtype_size(tensor->dtype);
    DHO_TRY(dho_alloc(out, count, sizeof(float), path));
    return dho_tensor_to_finite(tensor, path, *out);
}

static dho_status read_scalar(const dho_safetensors *file, const char *name, const char *path,
                              float *out)
{
    const dho_tensor_view *tensor;
    DHO_TRY(dho_safetensors_require(file, name, 0, NULL, &tensor));
    return dho_tensor_to_finite(tensor, path, out);
}

static bool in_range(int64_t value, int64_t high)
{
    return value >= 1 && value <= high;
}

/* Weight and what belongs to it. */
static dho_status read_linear(dho_teacher_head *out, const dho_safetensors *file, const char *path,
                              int classes, int dim)
{
    const int64_t any[2] = {-1, -1};
    const bool prototypes = dho_safetensors_find(file, "prototypes") != NULL;
    const char *name = prototypes ? "prototypes" : "weight";
    const dho_tensor_view *tensor;
    if (prototypes && dho_safetensors_find(file, "weight") != NULL)
        return dho_fail(DHO_ERR_CONFIG, "%s: has both \"prototypes\" and \"weight\"", path);
    DHO_TRY(dho_safetensors_require(file, name, 2, any, &tensor));
    if (!in_range(tensor->shape[0], DHO_HEAD_MAX_DIM) || !in_range(tensor->shape[1], DHO_HEAD_MAX_DIM))
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: tensor \"%s\": shape [%" PRId64 ", %" PRId64
                        "], expected 1 to %d classes and values",
                        path, name, tensor->shape[0], tensor->shape[1], DHO_HEAD_MAX_DIM);
    if ((classes > 0 && tensor->shape[0] != classes) || (dim > 0 && tensor->shape[1] != dim)) {
        char wanted[2][16] = {"any", "any"};
        if (classes > 0) snprintf(wanted[0], sizeof wanted[0], "%d", classes);
        if (dim > 0) snprintf(wanted[1], sizeof wanted[1], "%d", dim);
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: a head of [%" PRId64 ", %" PRId64 "]; the dataset has %s classes and "
                        "the embeddings %s values",
                        path, tensor->shape[0], tensor->shape[1], wanted[0], wanted[1]);
    }
    out->classes = (int)tensor->shape[0];
    out->dim = (int)tensor->shape[1];
    DHO_TRY(read_floats(file, name, 2, any, path, &out->weight));
    out->scale = DEFAULT_SCALE;
    if (dho_safetensors_find(file, "scale") != NULL)
        DHO_TRY(read_scalar(file, "scale", path, &out->scale));
    if (dho_safetensors_find(file, "bias") == NULL) return DHO_OK;
    return read_floats(file, "bias", 1, tensor->shape, path, &out->bias);
}

static dho_status read_keys(dho_teacher_head *out, const dho_safetensors *file, const char *path)
{
    const int64_t shape[2] = {-1, out->dim};
    const dho_tensor_view *keys, *stored;
    float *values = NULL;
    int64_t *labels = NULL;
    dho_status status;
    DHO_TRY(dho_safetensors_require(file, "keys", 2, shape, &keys));
    DHO_TRY(dho_safetensors_require(file, "labels", 1, keys->shape, &stored));
    DHO_TRY(read_scalar(file, "alpha", path, &out->alpha));
    DHO_TRY(read_scalar(file, "beta", path, &out->beta));
    DHO_TRY_GOTO(read_floats(file, "keys", 2, shape, path, &values));
    DHO_TRY_GOTO(dho_alloc(&labels, (size_t)keys->shape[0], sizeof *labels, path));
    status = dho_tensor_to_int64(stored, labels);
    if (status != DHO_OK) {
        dho_fail_prefix(status, "%s: ", path);
        goto fail;
    }
    DHO_TRY_GOTO(dho_teacher_head_set_keys(out, keys->shape[0], values, labels, path));
    status = dho_teacher_head_check(out, DHO_ERR_FORMAT, path);
fail:
    dho_free(values);
    dho_free(labels);
    return status;
}

dho_status dho_teacher_head_read(dho_teacher_head *out, const dho_safetensors *file,
                                 const char *path, int classes, int dim)
{
    *out = (dho_teacher_head){0};
    dho_status status = read_linear(out, file, path, classes, dim);
    if (status == DHO_OK && dho_safetensors_find(file, "keys") != NULL)
        status = read_keys(out, file, path);
    if (status != DHO_OK) dho_teacher_head_free(out);
    return status;
}

dho_status dho_teacher_head_load(dho_teacher_head *out, const char *path, int classes, int dim)
{
    dho_safetensors *file;
    *out = (dho_teacher_head){0};
    DHO_TRY(dho_require_file(path));
    DHO_TRY(dho_safetensors_open(&file, path));
    const dho_status status = dho_teacher_head_read(out, file, path, classes, dim);
    dho_safetensors_close(&file);
    return status;
}

void dho_teacher_head_drop_keys(dho_teacher_head *head)
{
    dho_free(head->keys);
    dho_free(head->first_key);
    head->keys = NULL;
    head->first_key = NULL;
    head->key_count = 0;
}

dho_status dho_teacher_head_set_keys(dho_teacher_head *head, int64_t count, const float *keys,
                                     const int64_t *labels, const char *name)
{
    const size_t dim = (size_t)head->dim;
    size_t values;
    dho_status status;
    dho_teacher_head_drop_keys(head);
    if (count < 1 || count > MAX_KEYS)
        return dho_fail(DHO_ERR_FORMAT, "%s: %" PRId64 " keys, expected 1 to %d", name, count,
                        MAX_KEYS);
    for (int64_t k = 0; k < count; k++)
        if (labels[k] < 0 || labels[k] >= head->classes)
            return dho_fail(DHO_ERR_FORMAT,
                            "%s: label %" PRId64 " of row %" PRId64 " is not in 0 to %d", name,
                            labels[k], k, head->classes - 1);
    if (__builtin_mul_overflow((size_t)count, dim, &values))
        return dho_fail(DHO_ERR_FORMAT, "%s: the keys' size overflows", name);
    /* A counting sort: first_key[c + 1] is where the next key of class c goes. */
    DHO_TRY_GOTO(dho_alloc_zero(&head->first_key, (size_t)head->classes + 2, sizeof(int), name));
    DHO_TRY_GOTO(dho_alloc(&head->keys, values, sizeof(float), name));
    for (int64_t k = 0; k < count; k++) head->first_key[labels[k] + 2]++;
    for (int c = 2; c < head->classes + 2; c++) head->first_key[c] += head->first_key[c - 1];
    for (int64_t k = 0; k < count; k++) {
        const size_t to = (size_t)head->first_key[labels[k] + 1]++;
        memcpy(head->keys + to * dim, keys + (size_t)k * dim, dim * sizeof *keys);
    }
    head->key_count = (int)count;
    return DHO_OK;
fail:
    dho_teacher_head_drop_keys(head);
    return status;
}

dho_status dho_teacher_head_copy(dho_teacher_head *out, const dho_teacher_head *head)
{
    const size_t classes = (size_t)head->classes, values = classes * (size_t)head->dim;
    dho_status status;
    *out = *head;
    out->weight = out->bias = out->keys = NULL;
    out->first_key = NULL;
    out->key_count = 0;
    DHO_TRY_GOTO(dho_alloc(&out->weight, values, sizeof(float), "head"));
    memcpy(out->weight, head->weight, values * sizeof(float));
    if (head->bias != NULL) {
        DHO_TRY_GOTO(dho_alloc(&out->bias, classes, sizeof(float), "head"));
        memcpy(out->bias, head->bias, classes * sizeof(float));
    }
    return DHO_OK;
fail:
    dho_teacher_head_free(out);
    return status;
}

static bool all_finite(size_t count, const float *values)
{
    return dho_first_not_finite(values, count) == count;
}

void dho_teacher_head_inner_bias(const dho_teacher_head *head, float *out)
{
    for (int c = 0; c < head->classes; c++)
        out[c] = head->bias != NULL ? head->bias[c] / head->scale : 0;
}

dho_status dho_teacher_head_check(const dho_teacher_head *head, dho_status status, const char *name)
{
    const size_t classes = (size_t)head->classes, dim = (size_t)head->dim;
    if (!isfinite(head->scale) || !all_finite(classes * dim, head->weight) ||
        !all_finite(classes, head->bias) || !all_finite((size_t)head->key_count * dim, head->keys))
        return dho_fail(status, "%s: the head has a value that is not finite", name);
    if (head->key_count == 0) return DHO_OK;
    if (!(head->alpha >= 0 && head->alpha <= 1e6f) || !(head->beta >= 0 && head->beta <= 1e6f))
        return dho_fail(status, "%s: alpha %g, beta %g of the head: expected 0 to 1e6", name,
                        (double)head->alpha, (double)head->beta);
    return DHO_OK;
}

static dho_tensor_view floats(const char *name, const float *data, int dims, int64_t rows,
                              int64_t columns)
{
    const size_t count = (dims > 0 ? (size_t)rows : 1) * (dims > 1 ? (size_t)columns : 1);
    return (dho_tensor_view){.name = name,
                             .dtype = DHO_F32,
                             .dims = dims,
                             .shape = {rows, columns},
                             .data = data,
                             .bytes = count * sizeof *data};
}

dho_status dho_teacher_head_save(const char *path, const dho_teacher_head *head,
                                 const char *const *metadata, uint32_t *out_crc)
{
    dho_tensor_view tensors[7];
    size_t count = 0;
    int64_t *labels = NULL;
    dho_status status;
    tensors[count++] = floats("scale", &head->scale, 0, 0, 0);
    tensors[count++] = floats("weight", head->weight, 2, head->classes, head->dim);
    if (head->bias != NULL) tensors[count++] = floats("bias", head->bias, 1, head->classes, 0);
    if (head->key_count > 0) {
        DHO_TRY(dho_alloc(&labels, (size_t)head->key_count, sizeof *labels, path));
        for (int c = 0; c < head->classes; c++)
            for (int k = head->first_key[c]; k < head->first_key[c + 1]; k++) labels[k] = c;
        tensors[count++] = floats("alpha", &head->alpha, 0, 0, 0);
        tensors[count++] = floats("beta", &head->beta, 0, 0, 0);
        tensors[count++] = floats("keys", head->keys, 2, head->key_count, head->dim);
        tensors[count++] = (dho_tensor_view){.name = "labels",
                                             .dtype = DHO_I64,
                                             .dims = 1,
                                             .shape = {head->key_count},
                                             .data = labels,
                                             .bytes = (size_t)head->key_count * sizeof *labels};
    }
    status = dho_safetensors_save(path, tensors, count, metadata, out_crc);
    dho_free(labels);
    return status;
}

void dho_teacher_head_free(dho_teacher_head *head)
{
    dho_teacher_head_drop_keys(head);
    dho_free(head->weight);
    dho_free(head->bias);
    *head = (dho_teacher_head){0};
}

void dho_teacher_head_describe(const dho_teacher_head *head, char *out, size_t bytes)
{
    const size_t classes = (size_t)head->classes, dim = (size_t)head->dim;
    char kind[48] = "linear head";
    uint32_t crc = dho_crc32(0, &head->scale, sizeof head->scale);
    crc = dho_crc32(crc, head->weight, classes * dim * sizeof(float));
    if (head->bias != NULL) crc = dho_crc32(crc, head->bias, classes * sizeof(float));
    if (head->key_count > 0) {
        const float alpha_beta[2] = {head->alpha, head->beta};
        snprintf(kind, sizeof kind, "Tip-Adapter head of %d keys", head->key_count);
        crc = dho_crc32(crc, alpha_beta, sizeof alpha_beta);
        crc = dho_crc32(crc, head->keys, (size_t)head->key_count * dim * sizeof(float));
        crc = dho_crc32(crc, head->first_key, (classes + 1) * sizeof(int));
    }
    snprintf(out, bytes, "%s crc32 %08" PRIx32, kind, crc);
}

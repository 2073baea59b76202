/* The labelled embeddings of a Tip-Adapter: from a reader (a cache) or a file. */
#include "base/finite.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/safetensors.h"
#include "dho/tip_adapter.h"
#include "dho/torch_file.h"
#include "heads/head_logits.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { MAX_SHOTS = 1 << 24, MAX_CLASSES = 1 << 20, MAX_DIM = 1 << 20 };

static dho_status allocate(dho_shots *shots, int64_t count, int views, int dim)
{
    size_t rows, values;
    *shots = (dho_shots){.count = count, .views = views, .dim = dim};
    if (__builtin_mul_overflow((size_t)count, (size_t)views, &rows) ||
        __builtin_mul_overflow(rows, (size_t)dim, &values))
        return dho_fail(DHO_ERR_MEMORY, "few-shot features: their size overflows");
    DHO_TRY(dho_alloc(&shots->features, values, sizeof(float), "few-shot features"));
    DHO_TRY(dho_alloc(&shots->labels, (size_t)count, sizeof(int64_t), "few-shot labels"));
    if (views == 1) return DHO_OK;
    return dho_alloc_zero(&shots->keys, values / (size_t)views, sizeof(float), "few-shot keys");
}

void dho_shots_free(dho_shots *shots)
{
    dho_free(shots->features);
    dho_free(shots->keys);
    dho_free(shots->labels);
    *shots = (dho_shots){0};
}

static dho_status normalise_row(float *row, int dim, const char *name, int64_t index)
{
    const float inverse = dho_head_inverse_norm(dim, row);
    if (!isfinite(inverse) || !(inverse > 0) || inverse >= 1e12f)
        return dho_fail(DHO_ERR_NUMERIC, "%s: the embedding of row %" PRId64 " has no length", name,
                        index);
    for (int i = 0; i < dim; i++) row[i] *= inverse;
    return DHO_OK;
}

dho_status dho_shots_read(dho_shots *out, int64_t count, int views, int dim, const int64_t *labels,
                          dho_shot_reader *read, void *context, const char *name)
{
    dho_status status;
    DHO_TRY_GOTO(allocate(out, count, views, dim));
    memcpy(out->labels, labels, (size_t)count * sizeof *labels);
    for (int64_t at = 0; at < count; at++) {
        float *key = out->keys != NULL ? out->keys + (size_t)at * (size_t)dim : NULL;
        for (int view = 0; view < views; view++) {
            float *row = out->features + ((size_t)view * (size_t)count + (size_t)at) * (size_t)dim;
            DHO_TRY_GOTO(read(context, at, view, row));
            for (int i = 0; key != NULL && i < dim; i++) key[i] += row[i];
            DHO_TRY_GOTO(normalise_row(row, dim, name, at));
        }
        if (key != NULL) DHO_TRY_GOTO(normalise_row(key, dim, name, at));
    }
    return DHO_OK;
fail:
    dho_shots_free(out);
    return status;
}

/* --- out of a file --- */

/* The first of the names that the file has; else the first, so that the error names it. */
static const char *pick(const dho_safetensors *file, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++)
        if (dho_safetensors_find(file, names[i]) != NULL) return names[i];
    return names[0];
}

/* Labels out of one-hot rows [N][C]. */
static dho_status read_one_hot(const dho_tensor_view *values, const char *path, int classes,
                               int64_t *labels)
{
    const size_t row_bytes = (size_t)classes * dho_dtype_size(values->dtype);
    float *row;
    dho_status status = DHO_OK;
    DHO_TRY(dho_alloc(&row, (size_t)classes, sizeof *row, path));
    for (int64_t n = 0; n < values->shape[0] && status == DHO_OK; n++) {
        dho_tensor_view one = *values;
        int ones = 0;
        one.data = (const uint8_t *)values->data + (size_t)n * row_bytes;
        one.bytes = row_bytes;
        dho_tensor_to_float(&one, row);
        for (int c = 0; c < classes; c++) {
            if (row[c] == 0) continue;
            ones += row[c] == 1 ? 1 : 2; /* anything else is none */
            labels[n] = c;
        }
        if (ones != 1)
            status = dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%s\": row %" PRId64 " is not one-hot",
                              path, values->name, n);
    }
    dho_free(row);
    return status;
}

static dho_status read_labels(const dho_safetensors *file, const char *path, int64_t count,
                              int classes, int64_t *labels)
{
    static const char *const names[] = {"labels", "cache_values", "values", NULL};
    const char *name = pick(file, names);
    const int64_t shape[2] = {count, classes > 0 ? classes : -1};
    const dho_tensor_view *tensor;
    if (name != names[0]) {
        DHO_TRY(dho_safetensors_require(file, name, 2, shape, &tensor));
        if (tensor->shape[1] < 1 || tensor->shape[1] > MAX_CLASSES)
            return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%s\": %" PRId64 " classes", path, name,
                            tensor->shape[1]);
        return read_one_hot(tensor, path, (int)tensor->shape[1], labels);
    }
    if (classes == 0) classes = MAX_CLASSES;
    DHO_TRY(dho_safetensors_require(file, name, 1, shape, &tensor));
    const dho_status status = dho_tensor_to_int64(tensor, labels);
    if (status != DHO_OK) return dho_fail_prefix(status, "%s: ", path);
    for (int64_t i = 0; i < count; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return dho_fail(DHO_ERR_FORMAT,
                            "%s: label %" PRId64 " of row %" PRId64 " is not in 0 to %d", path,
                            labels[i], i, classes - 1);
    return DHO_OK;
}

static dho_status check_count(int64_t count, const char *path, const char *name)
{
    if (count >= 1 && count <= MAX_SHOTS) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%s\": %" PRId64 " rows, expected 1 to %d", path,
                    name, count, MAX_SHOTS);
}

/* Finite, and of length 1 if asked for. */
static dho_status check_rows(dho_shots *shots, const char *path, const char *name, bool normalise)
{
    for (int64_t n = 0; n < shots->count; n++) {
        float *row = shots->features + (size_t)n * (size_t)shots->dim;
        for (int i = 0; i < shots->dim; i++)
            if (!isfinite(row[i]))
                return dho_fail(DHO_ERR_FORMAT,
                                "%s: tensor \"%s\": value %d of row %" PRId64 " is %g", path, name,
                                i, n, dho_shown_value(row[i]));
        if (normalise) DHO_TRY(normalise_row(row, shots->dim, path, n));
    }
    return DHO_OK;
}

static dho_status read_features(dho_shots *out, const dho_safetensors *file, const char *path,
                                int dim, int classes, bool normalise)
{
    static const char *const names[] = {"features", "cache_keys", "keys", NULL};
    const int64_t any[2] = {-1, -1};
    const dho_tensor_view *tensor;
    DHO_TRY(dho_safetensors_require(file, pick(file, names), 2, any, &tensor));
    const int64_t count = tensor->shape[0];
    DHO_TRY(check_count(count, path, tensor->name));
    if (dim == 0 && tensor->shape[1] >= 1 && tensor->shape[1] <= MAX_DIM)
        dim = (int)tensor->shape[1];
    if (tensor->shape[1] != dim)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: tensor \"%s\": embeddings of %" PRId64 " values; the head has %d",
                        path, tensor->name, tensor->shape[1], dim);
    DHO_TRY(allocate(out, count, 1, dim));
    dho_tensor_to_float(tensor, out->features);
    DHO_TRY(check_rows(out, path, tensor->name, normalise));
    return read_labels(file, path, count, classes, out->labels);
}

dho_status dho_shots_load(dho_shots *out, const char *path, int dim, int classes, bool normalise)
{
    dho_safetensors *file;
    *out = (dho_shots){0};
    DHO_TRY(dho_require_file(path));
    DHO_TRY(dho_safetensors_open(&file, path));
    const dho_status status = read_features(out, file, path, dim, classes, normalise);
    dho_safetensors_close(&file);
    if (status != DHO_OK) dho_shots_free(out);
    return status;
}

/* --- out of Tip-Adapter's own files --- */

/* The one matrix of a file. */
static dho_status open_matrix(dho_torch_file **out, const char *path, const dho_tensor_view **view)
{
    DHO_TRY(dho_require_file(path));
    DHO_TRY(dho_torch_file_open(out, path, DHO_TORCH_LIST));
    *view = dho_torch_file_at(*out, 0);
    if (dho_torch_file_count(*out) == 1 && (*view)->dims == 2) return DHO_OK;
    dho_torch_file_close(out);
    return dho_fail(DHO_ERR_FORMAT, "%s: expected one tensor of two dimensions", path);
}

static dho_status read_keys(dho_shots *out, const dho_tensor_view *keys, const char *path, int dim)
{
    const bool columns = keys->shape[0] == dim; /* a key is a column */
    const int64_t count = columns ? keys->shape[1] : keys->shape[0];
    float *values;
    if (!columns && keys->shape[1] != dim)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: keys of %" PRId64 " x %" PRId64 "; the head has embeddings of %d "
                        "values",
                        path, keys->shape[0], keys->shape[1], dim);
    DHO_TRY(check_count(count, path, keys->name));
    DHO_TRY(allocate(out, count, 1, dim));
    if (!columns) {
        dho_tensor_to_float(keys, out->features);
        return DHO_OK;
    }
    DHO_TRY(dho_alloc(&values, (size_t)count * (size_t)dim, sizeof *values, path));
    dho_tensor_to_float(keys, values);
    for (int64_t n = 0; n < count; n++)
        for (int i = 0; i < dim; i++) out->features[n * dim + i] = values[i * count + n];
    dho_free(values);
    return DHO_OK;
}

static dho_status read_values(dho_shots *out, const char *path, int classes)
{
    dho_torch_file *file;
    const dho_tensor_view *values;
    DHO_TRY(open_matrix(&file, path, &values));
    dho_status status;
    if (values->shape[0] != out->count || values->shape[1] != classes)
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: values of %" PRId64 " x %" PRId64 ", expected %" PRId64 " keys x %d "
                          "classes",
                          path, values->shape[0], values->shape[1], out->count, classes);
    else
        status = read_one_hot(values, path, classes, out->labels);
    dho_torch_file_close(&file);
    return status;
}

dho_status dho_shots_load_torch(dho_shots *out, const char *keys_path, const char *values_path,
                                int dim, int classes, bool normalise)
{
    dho_torch_file *file;
    const dho_tensor_view *keys;
    *out = (dho_shots){0};
    DHO_TRY(open_matrix(&file, keys_path, &keys));
    dho_status status = read_keys(out, keys, keys_path, dim);
    if (status == DHO_OK) status = check_rows(out, keys_path, keys->name, normalise);
    dho_torch_file_close(&file);
    if (status == DHO_OK) status = read_values(out, values_path, classes);
    if (status != DHO_OK) dho_shots_free(out);
    return status;
}

/* --- a part held out --- */

static void copy_image(const dho_shots *from, int64_t at, dho_shots *to, int64_t next)
{
    const size_t dim = (size_t)from->dim, bytes = dim * sizeof(float);
    for (int view = 0; view < from->views; view++)
        memcpy(to->features + ((size_t)view * (size_t)to->count + (size_t)next) * dim,
               from->features + ((size_t)view * (size_t)from->count + (size_t)at) * dim, bytes);
    if (from->keys != NULL)
        memcpy(to->keys + (size_t)next * dim, from->keys + (size_t)at * dim, bytes);
    to->labels[next] = from->labels[at];
}

dho_status dho_shots_split(const dho_shots *shots, int classes, int held, dho_shots *out_rest,
                           dho_shots *out_held)
{
    dho_status status;
    int64_t *left = NULL, kept = 0, put = 0; /* left[c]: images of class c not yet seen */
    *out_rest = *out_held = (dho_shots){0};
    DHO_TRY_GOTO(dho_alloc_zero(&left, (size_t)classes, sizeof *left, "few-shot split"));
    for (int64_t i = 0; i < shots->count; i++) left[shots->labels[i]]++;
    for (int c = 0; c < classes; c++) {
        if (left[c] == 0) continue;
        if (left[c] <= held) {
            status = dho_fail(DHO_ERR_CONFIG,
                              "class %d has %" PRId64 " images: with %d held out none is left", c,
                              left[c], held);
            goto fail;
        }
        kept += left[c] - held;
    }
    DHO_TRY_GOTO(allocate(out_rest, kept, shots->views, shots->dim));
    DHO_TRY_GOTO(allocate(out_held, shots->count - kept, shots->views, shots->dim));
    kept = 0;
    for (int64_t i = 0; i < shots->count; i++) {
        if (left[shots->labels[i]]-- > held)
            copy_image(shots, i, out_rest, kept++);
        else
            copy_image(shots, i, out_held, put++);
    }
fail:
    dho_free(left);
    if (status != DHO_OK) {
        dho_shots_free(out_rest);
        dho_shots_free(out_held);
    }
    return status;
}

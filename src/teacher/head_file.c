#include "dho/head_file.h"

#include "base/json.h"
#include "dho/alloc.h"
#include "dho/safetensors.h"
#include "teacher/cache_format.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* A tensor of floats, demanded. */
static dho_status load(const dho_safetensors *file, const char *path, const char *name, int dims,
                       const int64_t *shape, float **out)
{
    const dho_tensor_view *tensor;
    DHO_TRY(dho_safetensors_require(file, name, dims, shape, &tensor));
    const size_t count = tensor->bytes / dho_dtype_size(tensor->dtype);
    DHO_TRY(dho_alloc(out, count, sizeof(float), path));
    dho_tensor_to_float(tensor, *out);
    for (size_t i = 0; i < count; i++)
        if (!isfinite((*out)[i]))
            return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"%s\": value %zu is %g", path, name, i,
                            (double)(*out)[i]);
    return DHO_OK;
}

/* The same, where the file has it. */
static dho_status load_optional(const dho_safetensors *file, const char *path, const char *name,
                                int dims, const int64_t *shape, float **out)
{
    if (dho_safetensors_find(file, name) == NULL) return DHO_OK;
    return load(file, path, name, dims, shape, out);
}

static dho_status load_weight(const dho_safetensors *file, const char *path, dho_head_file *out)
{
    const dho_tensor_view *tensor;
    const int64_t any[2] = {-1, -1};
    const bool prototypes = dho_safetensors_find(file, "prototypes") != NULL;
    if (prototypes && dho_safetensors_find(file, "weight") != NULL)
        return dho_fail(DHO_ERR_CONFIG, "%s: has both \"prototypes\" and \"weight\"", path);
    const char *name = prototypes ? "prototypes" : "weight";
    DHO_TRY(dho_safetensors_require(file, name, 2, any, &tensor));
    if (tensor->shape[0] < 1 || tensor->shape[0] > CACHE_MAX_DIM || tensor->shape[1] < 1 ||
        tensor->shape[1] > CACHE_MAX_DIM)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: tensor \"%s\": [%" PRId64 ", %" PRId64 "], expected 1 to %d classes "
                        "and values",
                        path, name, tensor->shape[0], tensor->shape[1], CACHE_MAX_DIM);
    out->classes = (int)tensor->shape[0];
    out->dim = (int)tensor->shape[1];
    return load(file, path, name, 2, any, &out->weight);
}

static dho_status load_keys(const dho_safetensors *file, const char *path, dho_head_file *out)
{
    json_t *list = NULL;
    dho_status status;
    const char *text = dho_safetensors_metadata(file, "dataset_classes");
    if (text == NULL) return DHO_OK;
    DHO_TRY_GOTO(dho_json_parse(&list, text, strlen(text), path));
    if (!json_is_array(list) || json_array_size(list) != (size_t)out->classes) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: dataset_classes: expected a list of %d names", path,
                          out->classes);
        goto fail;
    }
    DHO_TRY_GOTO(dho_alloc_zero(&out->keys, (size_t)out->classes, sizeof *out->keys, path));
    for (int c = 0; c < out->classes; c++) {
        const char *key = json_string_value(json_array_get(list, (size_t)c));
        if (key == NULL) {
            status = dho_fail(DHO_ERR_FORMAT, "%s: dataset_classes: entry %d is no text", path, c);
            goto fail;
        }
        DHO_TRY_GOTO(dho_strdup(&out->keys[c], key));
    }
fail:
    json_decref(list);
    return status;
}

static dho_status load_all(const dho_safetensors *file, const char *path, dho_head_file *out)
{
    float *scale = NULL;
    DHO_TRY(load_weight(file, path, out));
    const int64_t shape[2] = {out->classes, out->dim};
    out->tip_adapter = dho_safetensors_find(file, "keys") != NULL;
    DHO_TRY(load_optional(file, path, "bias", 1, shape, &out->bias));
    DHO_TRY(load_optional(file, path, "text_means", 2, shape, &out->text_means));
    const dho_status status = load_optional(file, path, "scale", 0, NULL, &scale);
    if (scale != NULL) out->scale = scale[0];
    const bool positive = scale == NULL || out->scale > 0;
    dho_free(scale);
    DHO_TRY(status);
    if (!positive)
        return dho_fail(DHO_ERR_FORMAT, "%s: tensor \"scale\": expected a positive number, got %g",
                        path, (double)out->scale);
    return load_keys(file, path, out);
}

dho_status dho_head_file_read(dho_head_file *out, const char *path)
{
    dho_safetensors *file = NULL;
    *out = (dho_head_file){0};
    DHO_TRY(dho_safetensors_open(&file, path));
    const dho_status status = load_all(file, path, out);
    dho_safetensors_close(&file);
    if (status != DHO_OK) {
        dho_head_file_free(out);
        return status;
    }
    return DHO_OK;
}

void dho_head_file_free(dho_head_file *head)
{
    for (int c = 0; head->keys != NULL && c < head->classes; c++) dho_free(head->keys[c]);
    dho_free(head->keys);
    dho_free(head->weight);
    dho_free(head->bias);
    dho_free(head->text_means);
    *head = (dho_head_file){0};
}

dho_status dho_head_file_check(const dho_head_file *head, const char *path, int classes,
                               char *const *class_names)
{
    if (head->classes != classes)
        return dho_fail(DHO_ERR_CONFIG, "%s: a head of %d classes, the dataset has %d", path,
                        head->classes, classes);
    for (int c = 0; head->keys != NULL && c < classes; c++)
        if (strcmp(head->keys[c], class_names[c]) != 0)
            return dho_fail(DHO_ERR_CONFIG,
                            "%s: the head's class %d is \"%.80s\", the dataset's is \"%.80s\"",
                            path, c, head->keys[c], class_names[c]);
    return DHO_OK;
}

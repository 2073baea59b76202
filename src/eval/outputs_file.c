/* Head outputs in a file. */
#include "base/finite.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/safetensors.h"
#include "eval/outputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dho_head_outputs_free(dho_head_outputs *outputs)
{
    dho_free(outputs->logits[0]);
    dho_free(outputs->logits[1]);
    dho_free(outputs->labels);
    dho_free(outputs->mask);
    dho_free(outputs->image_names);
    dho_free(outputs->class_names);
    *outputs = (dho_head_outputs){0};
}

/* Files of before version 2 have neither this key nor a checksum. */
static const char version_key[] = "version";
static const char *const head_names[2] = {"logits_ce", "logits_kd"};
static const char image_names_name[] = "image_names", class_names_name[] = "class_names";

static dho_tensor_view view_names(const char *name, const char *text, size_t bytes)
{
    return (dho_tensor_view){.name = name,
                             .dtype = DHO_U8,
                             .dims = 1,
                             .shape = {(int64_t)bytes},
                             .data = text,
                             .bytes = bytes};
}

dho_status dho_outputs_save(const dho_head_outputs *outputs, const dho_outputs_origin *origin,
                            const char *path)
{
    char step[32];
    snprintf(step, sizeof step, "%lld", (long long)origin->step);
    const char *const metadata[] = {version_key,
                                    "2",
                                    DHO_SEAL_KEY,
                                    DHO_SEAL_EMPTY,
                                    "method",
                                    origin->method,
                                    "checkpoint",
                                    origin->checkpoint,
                                    "step",
                                    step,
                                    origin->ema ? "weights" : NULL,
                                    "ema",
                                    NULL};
    dho_tensor_view tensors[6];
    size_t used = 0;
    const int64_t n = outputs->count, c = outputs->classes;
    for (int h = 0; h < 2; h++) {
        if (outputs->logits[h] == NULL) continue;
        tensors[used++] = (dho_tensor_view){.name = head_names[h],
                                            .dtype = DHO_F32,
                                            .dims = 2,
                                            .shape = {n, c},
                                            .data = outputs->logits[h],
                                            .bytes = (size_t)(n * c) * sizeof(float)};
    }
    tensors[used++] = (dho_tensor_view){.name = "labels",
                                        .dtype = DHO_I32,
                                        .dims = 1,
                                        .shape = {n},
                                        .data = outputs->labels,
                                        .bytes = (size_t)n * sizeof(int32_t)};
    tensors[used++] = (dho_tensor_view){.name = "classes",
                                        .dtype = DHO_BOOL,
                                        .dims = 1,
                                        .shape = {c},
                                        .data = outputs->mask,
                                        .bytes = (size_t)c * sizeof(bool)};
    if (outputs->image_names != NULL)
        tensors[used++] =
            view_names(image_names_name, outputs->image_names, outputs->image_name_bytes);
    if (outputs->class_names != NULL)
        tensors[used++] =
            view_names(class_names_name, outputs->class_names, outputs->class_name_bytes);
    return dho_safetensors_save(path, tensors, used, metadata, NULL);
}

static dho_status read_labels(const dho_safetensors *file, dho_head_outputs *out)
{
    const dho_tensor_view *tensor;
    int64_t *wide = NULL;
    dho_status status;
    DHO_TRY(dho_safetensors_require(file, "labels", 1, (int64_t[]){out->count}, &tensor));
    DHO_TRY_GOTO(dho_alloc(&wide, (size_t)out->count, sizeof *wide, "labels"));
    DHO_TRY_GOTO(dho_alloc(&out->labels, (size_t)out->count, sizeof *out->labels, "labels"));
    DHO_TRY_GOTO(dho_tensor_to_int64(tensor, wide));
    for (int64_t i = 0; i < out->count; i++) {
        if (wide[i] < 0 || wide[i] >= out->classes) {
            status = dho_fail(DHO_ERR_FORMAT, "labels: row %lld is %lld, not below %d",
                              (long long)i, (long long)wide[i], out->classes);
            goto fail;
        }
        out->labels[i] = (int32_t)wide[i];
    }
fail:
    dho_free(wide);
    return status;
}

static dho_status read_mask(const dho_safetensors *file, dho_head_outputs *out)
{
    const dho_tensor_view *tensor;
    DHO_TRY(dho_safetensors_require(file, "classes", 1, (int64_t[]){out->classes}, &tensor));
    if (dho_dtype_size(tensor->dtype) != 1)
        return dho_fail(DHO_ERR_FORMAT, "classes: is not of type BOOL");
    DHO_TRY(dho_alloc(&out->mask, (size_t)out->classes, sizeof *out->mask, "class mask"));
    for (int c = 0; c < out->classes; c++) out->mask[c] = ((const uint8_t *)tensor->data)[c] != 0;
    return DHO_OK;
}

/* `count` texts with a NUL behind each; not there in files of older versions. */
static dho_status read_names(const dho_safetensors *file, const char *name, int64_t count,
                             char **out, size_t *out_bytes)
{
    const dho_tensor_view *tensor = dho_safetensors_find(file, name);
    if (tensor == NULL) return DHO_OK;
    if (tensor->dtype != DHO_U8 || tensor->dims != 1)
        return dho_fail(DHO_ERR_FORMAT, "%s: is not a list of bytes", name);
    const char *text = tensor->data;
    int64_t ends = 0;
    for (size_t i = 0; i < tensor->bytes; i++) ends += text[i] == '\0';
    if (ends != count || (tensor->bytes > 0 && text[tensor->bytes - 1] != '\0'))
        return dho_fail(DHO_ERR_FORMAT, "%s: holds %lld names, expected %lld", name,
                        (long long)ends, (long long)count);
    DHO_TRY(dho_alloc(out, tensor->bytes, 1, name));
    memcpy(*out, text, tensor->bytes);
    *out_bytes = tensor->bytes;
    return DHO_OK;
}

/* A file of an older version, or from elsewhere, may hold what an evaluation refuses today. */
static dho_status check_finite(const dho_head_outputs *outputs, int head)
{
    const size_t classes = (size_t)outputs->classes, count = (size_t)outputs->count * classes;
    const size_t at = dho_first_not_finite(outputs->logits[head], count);
    if (at == count) return DHO_OK;
    const char *image = outputs->image_names;
    for (size_t row = 0; image != NULL && row < at / classes; row++) image += strlen(image) + 1;
    return dho_fail(DHO_ERR_FORMAT, "%s: row %zu%s%s%s: class %zu is %g", head_names[head],
                    at / classes, image != NULL ? " (" : "", image != NULL ? image : "",
                    image != NULL ? ")" : "", at % classes,
                    dho_shown_value(outputs->logits[head][at]));
}

static dho_status read_all(const dho_safetensors *file, dho_head_outputs *out)
{
    const dho_tensor_view *tensor;
    DHO_TRY(dho_safetensors_require(file, head_names[0], 2, (int64_t[]){-1, -1}, &tensor));
    if (tensor->shape[1] < 1 || tensor->shape[1] > INT32_MAX)
        return dho_fail(DHO_ERR_FORMAT, "%s: has no classes", head_names[0]);
    out->count = tensor->shape[0];
    out->classes = (int)tensor->shape[1];
    for (int h = 0; h < 2; h++) {
        if (dho_safetensors_find(file, head_names[h]) == NULL) continue;
        DHO_TRY(dho_safetensors_require(file, head_names[h], 2,
                                        (int64_t[]){out->count, out->classes}, &tensor));
        DHO_TRY(dho_alloc(&out->logits[h], (size_t)out->count * (size_t)out->classes, sizeof(float),
                          "head outputs"));
        dho_tensor_to_float(tensor, out->logits[h]);
    }
    DHO_TRY(read_labels(file, out));
    DHO_TRY(
        read_names(file, image_names_name, out->count, &out->image_names, &out->image_name_bytes));
    DHO_TRY(read_names(file, class_names_name, out->classes, &out->class_names,
                       &out->class_name_bytes));
    for (int h = 0; h < 2; h++)
        if (out->logits[h] != NULL) DHO_TRY(check_finite(out, h));
    return read_mask(file, out);
}

/* A metadata value that must be there. */
static dho_status metadata_of(const dho_safetensors *file, const char *key, const char **out)
{
    *out = dho_safetensors_metadata(file, key);
    if (*out != NULL) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "metadata: has no \"%s\"", key);
}

/* Files of older versions, and those of the last step's weights, do not say. */
static bool is_of_ema(const dho_safetensors *file)
{
    const char *weights = dho_safetensors_metadata(file, "weights");
    return weights != NULL && strcmp(weights, "ema") == 0;
}

static dho_status check_origin(const dho_safetensors *file, const dho_outputs_origin *origin)
{
    const char *method, *checkpoint, *step;
    DHO_TRY(metadata_of(file, "method", &method));
    DHO_TRY(metadata_of(file, "checkpoint", &checkpoint));
    DHO_TRY(metadata_of(file, "step", &step));
    if (strcmp(method, origin->method) == 0 && strcmp(checkpoint, origin->checkpoint) == 0 &&
        strtoll(step, NULL, 10) == origin->step && is_of_ema(file) == origin->ema)
        return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "is of %s (method %s%s), not of %s (method %s%s)", checkpoint,
                    method, is_of_ema(file) ? ", the average" : "", origin->checkpoint,
                    origin->method, origin->ema ? ", the average" : "");
}

static dho_status open_file(dho_safetensors **out, const char *path)
{
    *out = NULL;
    if (!dho_path_exists(path))
        return dho_fail(DHO_ERR_CONFIG, "%s: no such file: evaluate without --stored first", path);
    DHO_TRY(dho_safetensors_open(out, path));
    /* No single flipped bit takes both keys away. */
    if (dho_safetensors_metadata(*out, version_key) == NULL &&
        dho_safetensors_metadata(*out, DHO_SEAL_KEY) == NULL)
        return DHO_OK;
    const dho_status status = dho_safetensors_check_seal(*out);
    if (status != DHO_OK) dho_safetensors_close(out);
    return status;
}

dho_status dho_outputs_load(const char *path, const dho_outputs_origin *origin,
                            dho_head_outputs *out)
{
    dho_safetensors *file;
    *out = (dho_head_outputs){0};
    DHO_TRY(open_file(&file, path));
    dho_status status = check_origin(file, origin);
    if (status == DHO_OK) status = read_all(file, out);
    dho_safetensors_close(&file);
    if (status == DHO_OK) return DHO_OK;
    dho_head_outputs_free(out);
    return dho_fail_prefix(status, "%s: ", path);
}

dho_status dho_outputs_read_origin(const char *path, dho_method *method, char **checkpoint,
                                   int64_t *step, bool *ema)
{
    dho_safetensors *file;
    const char *name, *number, *word;
    DHO_TRY(open_file(&file, path));
    dho_status status = metadata_of(file, "checkpoint", &name);
    if (status == DHO_OK) status = metadata_of(file, "step", &number);
    if (status == DHO_OK) status = metadata_of(file, "method", &word);
    if (status == DHO_OK && !dho_method_find(word, method))
        status = dho_fail(DHO_ERR_FORMAT, "unknown method \"%.40s\"", word);
    if (status == DHO_OK) {
        *step = strtoll(number, NULL, 10);
        *ema = is_of_ema(file);
        status = dho_strdup(checkpoint, name);
    } else {
        dho_fail_prefix(status, "%s: ", path);
    }
    dho_safetensors_close(&file);
    return status;
}

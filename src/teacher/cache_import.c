/* A cache from teacher features that someone has computed elsewhere. */
#include "teacher/cache_format.h"

#include "dho/alloc.h"
#include "dho/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Feature rows of the file that is imported. */
typedef struct feature_rows {
    const char *path;
    dho_tensor_view tensor; /* [N, D] */
    bool normalise;
} feature_rows;

static dho_status check_rows(const char *path, const dho_safetensors *file, const char *name,
                             int64_t count, const int32_t *labels, dho_tensor_view *out)
{
    const dho_tensor_view *features;
    const int64_t any[2] = {-1, -1};
    DHO_TRY(dho_safetensors_require(file, name, 2, any, &features));
    if (features->shape[0] != count)
        return dho_fail(DHO_ERR_CONFIG, "%s: %s of %" PRId64 " images; the dataset has %" PRId64,
                        path, name, features->shape[0], count);
    if (features->shape[1] < 1 || features->shape[1] > CACHE_MAX_DIM)
        return dho_fail(DHO_ERR_FORMAT, "%s: %s of width %" PRId64 ", expected 1 to %d", path, name,
                        features->shape[1], CACHE_MAX_DIM);
    *out = *features;
    if (labels == NULL || dho_safetensors_find(file, "labels") == NULL) return DHO_OK;
    const dho_tensor_view *stored;
    int64_t *values = NULL;
    dho_status status;
    DHO_TRY(dho_safetensors_require(file, "labels", 1, &count, &stored));
    DHO_TRY_GOTO(dho_alloc(&values, (size_t)count, sizeof *values, path));
    status = dho_tensor_to_int64(stored, values);
    if (status != DHO_OK) {
        dho_fail_prefix(status, "%s: ", path);
        goto fail;
    }
    for (int64_t i = 0; i < count; i++) {
        if (values[i] == labels[i]) continue;
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: label %" PRId64 " of row %" PRId64 " is not the dataset's %" PRId32
                          ": the rows are not in the dataset's order",
                          path, values[i], i, labels[i]);
        goto fail;
    }
fail:
    dho_free(values);
    return status;
}

static dho_status fill_row(void *context, int64_t id, dho_cache_record *views)
{
    const feature_rows *rows = context;
    const size_t dim = (size_t)rows->tensor.shape[1];
    const size_t row_bytes = dim * dho_dtype_size(rows->tensor.dtype);
    dho_tensor_view row = rows->tensor;
    row.data = (const uint8_t *)row.data + (size_t)id * row_bytes;
    row.bytes = row_bytes;
    float *payload = views[0].payload;
    dho_tensor_to_float(&row, payload);
    if (!rows->normalise) return DHO_OK;
    const double norm = cache_normalise(payload, dim);
    if (norm > 0 && isfinite(norm)) return DHO_OK;
    return dho_fail(DHO_ERR_NUMERIC, "%s: features of row %" PRId64 " cannot be normalised",
                    rows->path, id);
}

dho_status dho_cache_import(const char *folder, const char *features_path, const char *head_path,
                            float scale, bool normalise, dho_cache_encoding encoding, int top,
                            int shards, uint64_t fingerprint, int64_t count, const int32_t *labels,
                            int classes)
{
    dho_status status;
    dho_safetensors *file = NULL;
    dho_teacher_head head = {0};
    const bool logits = head_path == NULL;
    feature_rows rows = {.path = features_path, .normalise = normalise && !logits};
    DHO_TRY_GOTO(dho_input_status(dho_safetensors_open(&file, features_path)));
    DHO_TRY_GOTO(dho_input_status(check_rows(features_path, file, logits ? "logits" : "features",
                                             count, labels, &rows.tensor)));
    if (!logits)
        DHO_TRY_GOTO(dho_input_status(
            dho_teacher_head_load(&head, head_path, classes, (int)rows.tensor.shape[1])));
    if (scale > 0) head.scale = scale;
    if (logits && rows.tensor.shape[1] != classes) {
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: logits of %" PRId64 " classes; the dataset has %d classes",
                          features_path, rows.tensor.shape[1], classes);
        goto fail;
    }
    dho_cache_spec spec = {.fingerprint = fingerprint,
                           .count = count,
                           .shards = shards,
                           .views = 1,
                           .free_crops = true,
                           .payload = logits ? DHO_CACHE_LOGITS : DHO_CACHE_EMBEDDING,
                           .encoding = encoding,
                           .top = top,
                           .dim = (int)rows.tensor.shape[1],
                           .classes = classes};
    const char *slash = strrchr(features_path, '/'); /* the same features from elsewhere are fine */
    dho_cache_describe_teacher("imported", slash != NULL ? slash + 1 : features_path,
                               dho_crc32(0, rows.tensor.data, rows.tensor.bytes),
                               rows.normalise ? " normalised" : "", spec.teacher);
    DHO_TRY_GOTO(dho_cache_begin(folder, &spec));
    for (int s = 0; s < shards; s++) {
        bool written;
        DHO_TRY_GOTO(dho_cache_write_shard(folder, &spec, s, fill_row, &rows, &written));
    }
    DHO_TRY_GOTO(dho_cache_finish(folder, &spec, logits ? NULL : &head));
fail:
    dho_teacher_head_free(&head);
    dho_safetensors_close(&file);
    return status;
}

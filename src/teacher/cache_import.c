/* A cache from teacher features that someone has computed elsewhere. */
#include "teacher/cache_format.h"

#include "base/finite.h"
#include "base/folder_lock.h"
#include "base/text.h"
#include "dho/alloc.h"
#include "dho/compute.h"
#include "dho/safetensors.h"
#include "heads/plausible.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Feature rows of the file that is imported. */
typedef struct feature_rows {
    const char *path;
    dho_tensor_view tensor; /* [N, D] */
    bool normalise;
    bool features; /* else logits */
    bool half;     /* stored as fp16 */
} feature_rows;

enum { MOST_JUDGED = 1024 }; /* rows whose logits are looked at */

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

static void read_row(const feature_rows *rows, int64_t id, float *out)
{
    const size_t row_bytes = (size_t)rows->tensor.shape[1] * dho_dtype_size(rows->tensor.dtype);
    dho_tensor_view row = rows->tensor;
    row.data = (const uint8_t *)row.data + (size_t)id * row_bytes;
    row.bytes = row_bytes;
    dho_tensor_to_float(&row, out);
}

static dho_status fill_row(void *context, int64_t id, dho_cache_record *views)
{
    const feature_rows *rows = context;
    read_row(rows, id, views[0].payload);
    if (rows->normalise) cache_normalise(views[0].payload, (size_t)rows->tensor.shape[1]);
    return DHO_OK;
}

/* --- before anything is written: can it be a teacher's? --- */

/* A row that is not finite is an input's fault. -inf is what log(0) gives. */
static dho_status check_row(const feature_rows *rows, int64_t id, const float *row)
{
    const size_t dim = (size_t)rows->tensor.shape[1], at = dho_first_not_finite(row, dim);
    double squares = 0;
    if (at < dim)
        return dho_fail(DHO_ERR_CONFIG, "%s: %s: row %" PRId64 ", value %zu is %g%s", rows->path,
                        rows->tensor.name, id, at, dho_shown_value(row[at]),
                        isinf(row[at]) && !rows->features ? ": take a large finite number (log(0): "
                                                            "-1e4)"
                                                          : "");
    for (size_t i = 0; rows->half && !rows->normalise && i < dim; i++)
        if (isinf(dho_half_to_float(dho_float_to_half(row[i]))))
            return dho_fail(DHO_ERR_CONFIG,
                            "%s: %s: row %" PRId64 ", value %zu is %g, which fp16 cannot hold: "
                            "--encoding int8 can",
                            rows->path, rows->tensor.name, id, i, (double)row[i]);
    for (size_t i = 0; rows->features && i < dim; i++) squares += (double)row[i] * row[i];
    if (!rows->normalise || squares > 0) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: features of row %" PRId64 " are all 0", rows->path, id);
}

/* Logits of some rows, evenly spread: of all when they are few. */
static dho_status judge_logits(const feature_rows *rows, const dho_teacher_head *head,
                               const int32_t *labels, int classes)
{
    dho_status status;
    dho_compute *compute = NULL;
    float *row = NULL, *logits = NULL, *scratch = NULL;
    const int64_t count = rows->tensor.shape[0];
    const int64_t stride = count > MOST_JUDGED ? count / MOST_JUDGED : 1;
    plausible_logits seen = {0};
    DHO_TRY_GOTO(plausible_open(&seen, classes));
    DHO_TRY_GOTO(dho_alloc(&row, (size_t)rows->tensor.shape[1], sizeof *row, rows->path));
    DHO_TRY_GOTO(dho_alloc(&logits, (size_t)classes, sizeof *logits, rows->path));
    if (rows->features) {
        DHO_TRY_GOTO(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 1));
        DHO_TRY_GOTO(
            dho_alloc(&scratch, dho_teacher_head_scratch(head, 1), sizeof *scratch, rows->path));
    }
    for (int64_t id = 0; id < count; id += stride) {
        dho_cache_record record = {.payload = row};
        fill_row((void *)(uintptr_t)rows, id, &record);
        if (rows->features) dho_teacher_head_logits(compute, head, 1, row, scratch, logits);
        const float *values = rows->features ? logits : row;
        const size_t at = dho_first_not_finite(values, (size_t)classes);
        if (at < (size_t)classes) {
            status = dho_fail(DHO_ERR_CONFIG, "%s: the head gives row %" PRId64 " a logit of %g",
                              rows->path, id, dho_shown_value(values[at]));
            goto fail;
        }
        plausible_add(&seen, values, labels != NULL ? labels[id] : -1);
    }
    status = plausible_judge(&seen, rows->path, rows->features);
fail:
    plausible_close(&seen);
    dho_compute_destroy(&compute);
    dho_free(row);
    dho_free(logits);
    dho_free(scratch);
    return status;
}

static dho_status judge_rows(const feature_rows *rows)
{
    dho_status status;
    uint64_t *sums = NULL;
    float *row = NULL;
    const int64_t count = rows->tensor.shape[0];
    const size_t dim = (size_t)rows->tensor.shape[1];
    DHO_TRY_GOTO(dho_alloc(&sums, (size_t)count, sizeof *sums, rows->path));
    DHO_TRY_GOTO(dho_alloc(&row, dim, sizeof *row, rows->path));
    for (int64_t id = 0; id < count; id++) {
        uint32_t first;
        read_row(rows, id, row);
        DHO_TRY_GOTO(check_row(rows, id, row));
        memcpy(&first, row, sizeof first);
        sums[id] = (uint64_t)dho_crc32(0, row, dim * sizeof *row) << 32 | first;
    }
    status = plausible_judge_rows(sums, count, rows->path, rows->tensor.name);
fail:
    dho_free(sums);
    dho_free(row);
    return status;
}

dho_status dho_cache_import(const dho_tensor_import *import)
{
    dho_status status;
    dho_safetensors *file = NULL;
    dho_teacher_head head = {0};
    int lock = -1;
    const bool logits = import->head == NULL;
    feature_rows rows = {.path = import->rows,
                         .normalise = !import->no_normalise && !logits,
                         .features = !logits,
                         .half = import->encoding == DHO_CACHE_FP16};
    DHO_TRY_GOTO(dho_input_status(dho_safetensors_open(&file, import->rows)));
    DHO_TRY_GOTO(dho_input_status(check_rows(import->rows, file, logits ? "logits" : "features",
                                             import->count, import->labels, &rows.tensor)));
    if (!logits)
        DHO_TRY_GOTO(dho_input_status(dho_teacher_head_load(&head, import->head, import->classes,
                                                            (int)rows.tensor.shape[1])));
    if (import->scale > 0) head.scale = import->scale;
    if (logits && rows.tensor.shape[1] != import->classes) {
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: logits of %" PRId64 " classes; the dataset has %d classes",
                          import->rows, rows.tensor.shape[1], import->classes);
        goto fail;
    }
    DHO_TRY_GOTO(judge_rows(&rows));
    if (!logits) DHO_TRY_GOTO(dho_teacher_head_judge(&head, import->head));
    DHO_TRY_GOTO(judge_logits(&rows, &head, import->labels, import->classes));
    dho_cache_spec spec = {.fingerprint = import->fingerprint,
                           .count = import->count,
                           .shards = import->shards,
                           .views = 1,
                           .free_crops = true,
                           .payload = logits ? DHO_CACHE_LOGITS : DHO_CACHE_EMBEDDING,
                           .encoding = import->encoding,
                           .top = import->top,
                           .dim = (int)rows.tensor.shape[1],
                           .classes = import->classes};
    /* Without the folder: the same features from elsewhere are fine. */
    dho_cache_describe_teacher("imported", dho_base_name(import->rows),
                               dho_crc32(0, rows.tensor.data, rows.tensor.bytes),
                               rows.normalise ? " normalised" : "", spec.teacher);
    DHO_TRY_GOTO(dho_cache_begin(import->out, &spec, &lock));
    int64_t fresh = 0;
    for (int s = 0; s < import->shards; s++) {
        bool written;
        DHO_TRY_GOTO(dho_cache_write_shard(import->out, &spec, s, fill_row, &rows, &written));
        fresh += written;
    }
    DHO_TRY_GOTO(dho_cache_finish_new(import->out, &spec, logits ? NULL : &head, fresh));
fail:
    dho_folder_unlock(&lock);
    dho_teacher_head_free(&head);
    dho_safetensors_close(&file);
    return status;
}

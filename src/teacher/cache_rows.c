#include "teacher/cache_rows.h"

#include "base/finite.h"
#include "dho/run_setup.h"
#include "teacher/cache_format.h"

#include <stdio.h>
#include <string.h>

static dho_status check_teacher(const cache_rows *rows)
{
    const dho_model *model = rows->teacher->model;
    const dho_dataset *dataset = &rows->dataset;
    const char *name = rows->teacher->name;
    if (model->student.head_count != 1)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: has two heads, a teacher has one: train it with method ce, kd or "
                        "single_head",
                        name);
    if (model->student.head_hidden[0] > 0 && rows->payload == DHO_CACHE_EMBEDDING)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: its head has a hidden layer, which a cache's head has not: --store "
                        "logits",
                        name);
    /* A CLIP tower without a head: nobody asks for its logits. */
    if (rows->teacher->headless && rows->payload == DHO_CACHE_EMBEDDING) return DHO_OK;
    if (model->student.classes != dataset->classes)
        return dho_fail(DHO_ERR_CONFIG, "%s: the teacher knows %d classes, the dataset has %d",
                        name, model->student.classes, dataset->classes);
    for (int c = 0; model->class_names != NULL && c < dataset->classes; c++)
        if (strcmp(model->class_names[c], dataset->class_names[c]) != 0)
            return dho_fail(DHO_ERR_CONFIG,
                            "%s: the teacher's class %d is \"%s\", the dataset's is \"%s\"", name,
                            c, model->class_names[c], dataset->class_names[c]);
    return DHO_OK;
}

static void describe_transform(cache_rows *rows, bool free_crops)
{
    const dho_eval_transform *whole = &rows->teacher->transform;
    const dho_compute *compute = dho_infer_compute(rows->infer);
    const dho_normalise normalise =
        dho_setup_normalise(rows->teacher->model->mean, rows->teacher->model->std);
    dho_cache_transform *out = &rows->transform;
    *out = (dho_cache_transform){.known = true, .filter = rows->config->data.interpolation};
    if (free_crops) {
        out->filter = whole->filter;
        out->resize = whole->squash ? DHO_CACHE_SQUASH : DHO_CACHE_SHORTEST;
        out->short_side = whole->resize_short;
    }
    memcpy(out->mean, normalise.mean, sizeof out->mean);
    memcpy(out->std, normalise.std, sizeof out->std);
    snprintf(out->compute, sizeof out->compute, "%.10s %s", dho_compute_kernels(compute)->name,
             dho_compute_dtype_of(compute) == DHO_DTYPE_BF16 ? "bf16" : "fp32");
}

dho_status cache_rows_open(cache_rows *rows, const dho_config *config,
                           const dho_cache_teacher *teacher, dho_cache_payload payload,
                           bool free_crops)
{
    const dho_student *student = &teacher->model->student;
    *rows = (cache_rows){.config = config,
                         .teacher = teacher,
                         .payload = payload,
                         .dim = payload == DHO_CACHE_EMBEDDING ? student->feature_dim
                                                               : student->classes};
    DHO_TRY(dho_setup_dataset(config, &rows->dataset));
    DHO_TRY(check_teacher(rows));
    DHO_TRY(dho_infer_open(&rows->infer, config, teacher->model));
    describe_transform(rows, free_crops);
    return DHO_OK;
}

void cache_rows_stop(cache_rows *rows)
{
    if (rows->infer != NULL) dho_infer_stop(rows->infer);
    rows->started = false;
    rows->batch = NULL;
    rows->row = 0;
}

void cache_rows_close(cache_rows *rows)
{
    cache_rows_stop(rows);
    dho_infer_close(&rows->infer);
    dho_dataset_free(&rows->dataset);
}

dho_status cache_rows_start(cache_rows *rows, const int64_t *ids, int64_t count, int views,
                            dho_view_source source, void *context)
{
    const dho_cache_transform *transform = &rows->transform;
    cache_rows_stop(rows);
    const dho_infer_images images = {.dataset = &rows->dataset,
                                     .ids = ids,
                                     .count = count,
                                     .views = views,
                                     .transform = {.resize_short = transform->short_side,
                                                   .squash = transform->resize == DHO_CACHE_SQUASH,
                                                   .filter = transform->filter},
                                     .view_source = source,
                                     .view_context = context};
    DHO_TRY(dho_infer_start(rows->infer, &images));
    rows->started = true;
    return DHO_OK;
}

static dho_status next_batch(cache_rows *rows)
{
    rows->row = 0;
    DHO_TRY(dho_infer_next(rows->infer, &rows->batch));
    return rows->batch->count > 0 ? DHO_OK
                                  : dho_fail(DHO_ERR_INTERNAL, "the loader ended too early");
}

dho_status cache_rows_next(cache_rows *rows, int64_t *out_id, dho_cache_record *out)
{
    const dho_student *student = &rows->teacher->model->student;
    const size_t dim = (size_t)rows->dim;
    const bool embedding = rows->payload == DHO_CACHE_EMBEDDING;
    if (rows->batch == NULL || rows->row == rows->batch->count) DHO_TRY(next_batch(rows));
    const int row = rows->row++;
    const float *output =
        dho_infer_output(rows->infer, embedding ? student->features : student->heads[0]);
    memcpy(out->payload, output + (size_t)row * dim, dim * sizeof(float));
    if (cache_rows_are_normalised(rows)) cache_normalise(out->payload, dim);
    *out_id = rows->batch->draws[row].id;
    out->box = rows->batch->boxes[row];
    out->flip = rows->batch->flips[row];
    const size_t at = dho_first_not_finite(out->payload, dim);
    if (at == dim) return DHO_OK;
    return dho_fail(DHO_ERR_NUMERIC,
                    "%s: the teacher's %s has %g as value %zu: its weights are "
                    "too large, or the image's pixels are",
                    rows->dataset.samples[*out_id].path, embedding ? "embedding" : "logits",
                    dho_shown_value(out->payload[at]), at);
}

bool cache_rows_are_normalised(const cache_rows *rows)
{
    return rows->payload == DHO_CACHE_EMBEDDING &&
           rows->teacher->model->student.head_forms[0] == DHO_HEAD_COSINE;
}

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
    const dho_normalise normalise =
        dho_setup_normalise(rows->teacher->model->mean, rows->teacher->model->std);
    dho_cache_transform *out = &rows->transform;
    *out = (dho_cache_transform){.known = true,
                                 .filter = dho_setup_filter(rows->config->data.interpolation)};
    if (free_crops) {
        out->filter = whole->filter;
        out->resize = whole->squash ? DHO_CACHE_SQUASH : DHO_CACHE_SHORTEST;
        out->short_side = whole->resize_short;
    }
    memcpy(out->mean, normalise.mean, sizeof out->mean);
    memcpy(out->std, normalise.std, sizeof out->std);
    snprintf(out->compute, sizeof out->compute, "%.10s %s",
             dho_compute_kernels(rows->compute)->name,
             dho_compute_dtype_of(rows->compute) == DHO_DTYPE_BF16 ? "bf16" : "fp32");
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
    DHO_TRY(dho_compute_create(&rows->compute, config->compute.backend, config->compute.dtype,
                               dho_setup_threads(config->compute.threads)));
    describe_transform(rows, free_crops);
    const dho_executor_options execution = {
        .compute = rows->compute, .batch = (int)config->eval.batch, .training = false};
    return dho_executor_create(&rows->executor, student->graph, &execution);
}

void cache_rows_stop(cache_rows *rows)
{
    dho_eval_loader_destroy(&rows->loader);
    rows->batch.count = rows->row = 0;
}

void cache_rows_close(cache_rows *rows)
{
    cache_rows_stop(rows);
    dho_executor_destroy(&rows->executor);
    dho_compute_destroy(&rows->compute);
    dho_dataset_free(&rows->dataset);
}

dho_status cache_rows_start(cache_rows *rows, const int64_t *ids, int64_t count, int views,
                            dho_view_source source, void *context)
{
    const dho_config *config = rows->config;
    const dho_cache_transform *transform = &rows->transform;
    cache_rows_stop(rows);
    const dho_eval_loader_options options = {
        .dataset = &rows->dataset,
        .ids = ids,
        .count = count,
        .views = views,
        .image_size = rows->teacher->model->student.image_size,
        .resize_short = transform->short_side,
        .squash = transform->resize == DHO_CACHE_SQUASH,
        .scale = {config->data.crop_scale[0], config->data.crop_scale[1]},
        .ratio = {config->data.crop_ratio[0], config->data.crop_ratio[1]},
        .flip = config->data.flip,
        .seed = config->seed,
        .filter = transform->filter,
        .normalise = dho_setup_normalise(rows->teacher->model->mean, rows->teacher->model->std),
        .pixels = dho_setup_pixels(config->compute.dtype),
        .batch = (int)config->eval.batch,
        .threads = dho_setup_threads(config->data.loader_threads),
        .prefetch = (int)config->data.prefetch,
        .view_source = source,
        .view_context = context};
    return dho_eval_loader_create(&rows->loader, &options);
}

static dho_status next_batch(cache_rows *rows)
{
    const dho_model *model = rows->teacher->model;
    if (rows->batch.count > 0) dho_eval_loader_release(rows->loader, &rows->batch);
    rows->batch.count = rows->row = 0;
    DHO_TRY(dho_eval_loader_next(rows->loader, &rows->batch, NULL));
    if (rows->batch.count == 0) return dho_fail(DHO_ERR_INTERNAL, "the loader ended too early");
    DHO_TRY(dho_executor_prepare(rows->executor, rows->batch.count));
    dho_executor_forward(rows->executor, rows->batch.count, rows->batch.images, model->parameters,
                         model->buffers, NULL);
    return DHO_OK;
}

dho_status cache_rows_next(cache_rows *rows, int64_t *out_id, dho_cache_record *out)
{
    const dho_student *student = &rows->teacher->model->student;
    const size_t dim = (size_t)rows->dim;
    if (rows->row == rows->batch.count) DHO_TRY(next_batch(rows));
    const int row = rows->row++;
    const float *output = dho_executor_output(rows->executor, rows->payload == DHO_CACHE_EMBEDDING
                                                                  ? student->features
                                                                  : student->heads[0]);
    memcpy(out->payload, output + (size_t)row * dim, dim * sizeof(float));
    if (cache_rows_are_normalised(rows)) cache_normalise(out->payload, dim);
    *out_id = rows->batch.draws[row].id;
    const size_t at = dho_first_not_finite(out->payload, dim);
    if (at < dim)
        return dho_fail(DHO_ERR_NUMERIC,
                        "%s: the teacher's %s has %g as value %zu: its weights are "
                        "too large, or the image's pixels are",
                        rows->dataset.samples[*out_id].path,
                        rows->payload == DHO_CACHE_EMBEDDING ? "embedding" : "logits",
                        dho_shown_value(out->payload[at]), at);
    out->box = rows->batch.boxes[row];
    out->flip = rows->batch.flips[row];
    return DHO_OK;
}

bool cache_rows_are_normalised(const cache_rows *rows)
{
    return rows->payload == DHO_CACHE_EMBEDDING &&
           rows->teacher->model->student.head_forms[0] == DHO_HEAD_COSINE;
}

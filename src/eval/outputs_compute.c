#define _GNU_SOURCE
#include "eval/outputs.h"

#include "base/finite.h"
#include "dho/alloc.h"
#include "dho/loader.h"
#include "dho/run_setup.h"

#include <string.h>

/* This rank's part: rows of its batches, one batch after the other. */
typedef struct local_outputs {
    int64_t *ids;     /* [count] */
    float *logits[2]; /* [count][classes] */
    int64_t count;
} local_outputs;

static dho_status plan_rows(local_outputs *local, const dho_model *model, int64_t total, int batch,
                            int rank, int ranks)
{
    const size_t classes = (size_t)model->student.classes;
    for (int64_t first = (int64_t)rank * batch; first < total; first += (int64_t)ranks * batch)
        local->count += total - first < batch ? total - first : batch;
    const size_t count = (size_t)local->count;
    DHO_TRY(dho_alloc(&local->ids, count, sizeof *local->ids, "evaluation"));
    for (int h = 0; h < model->student.head_count; h++)
        DHO_TRY(dho_alloc(&local->logits[h], count * classes, sizeof(float), "head outputs"));
    int64_t used = 0;
    for (int64_t first = (int64_t)rank * batch; first < total; first += (int64_t)ranks * batch)
        for (int64_t i = first; i < total && i < first + batch; i++) local->ids[used++] = i;
    return DHO_OK;
}

/* The first output of a batch that is not finite is named with its image: as a prediction it would
 * be wrong without a word. first: the batch's first row of `local`. */
static dho_status check_outputs(const dho_dataset *dataset, const local_outputs *local, int head,
                                bool dual, int64_t first, int rows, size_t classes)
{
    const float *values = local->logits[head] + (size_t)first * classes;
    const size_t at = dho_first_not_finite(values, (size_t)rows * classes);
    if (at == (size_t)rows * classes) return DHO_OK;
    const int64_t id = local->ids[first + (int64_t)(at / classes)];
    return dho_fail(DHO_ERR_NUMERIC,
                    "%s: the student's output%s for class %zu is %g: its weights or statistics are "
                    "too large, or the image's pixels are",
                    dataset->samples[id].path,
                    !dual       ? ""
                    : head == 0 ? " (head_ce)"
                                : " (head_kd)",
                    at % classes, dho_shown_value(values[at]));
}

static dho_status run_rows(const dho_config *config, dho_executor *executor, const dho_model *model,
                           const dho_dataset *dataset, local_outputs *local)
{
    const dho_student *student = &model->student;
    const size_t classes = (size_t)student->classes;
    dho_eval_loader *loader;
    const dho_eval_transform transform = dho_setup_eval_transform(config, student->image_size);
    const dho_eval_loader_options options = {
        .dataset = dataset,
        .ids = local->ids,
        .count = local->count,
        .views = 1,
        .image_size = student->image_size,
        .resize_short = transform.resize_short,
        .filter = transform.filter,
        .normalise = dho_setup_normalise(model->mean, model->std),
        .pixels = dho_setup_pixels(config->compute.dtype),
        .batch = (int)config->eval.batch,
        .threads = dho_setup_threads(config->data.loader_threads),
        .prefetch = (int)config->data.prefetch};
    DHO_TRY(dho_eval_loader_create(&loader, &options));
    dho_status status = DHO_OK;
    for (int64_t done = 0; done < local->count && status == DHO_OK;) {
        dho_batch batch;
        status = dho_eval_loader_next(loader, &batch, NULL);
        if (status == DHO_OK) status = dho_executor_prepare(executor, batch.count);
        if (status != DHO_OK) break;
        dho_executor_forward(executor, batch.count, batch.images, model->parameters, model->buffers,
                             NULL);
        for (int h = 0; h < student->head_count && status == DHO_OK; h++) {
            memcpy(local->logits[h] + (size_t)done * classes,
                   dho_executor_output(executor, student->heads[h]),
                   (size_t)batch.count * classes * sizeof(float));
            status = check_outputs(dataset, local, h, student->head_count == 2, done, batch.count,
                                   classes);
        }
        done += batch.count;
        dho_eval_loader_release(loader, &batch);
    }
    dho_eval_loader_destroy(&loader);
    return status;
}

/* Rank-ordered rows to dataset order: batch b is the next one of rank b mod P. */
static void restore_order(const float *gathered, const size_t *rank_bytes, int ranks, int batch,
                          int64_t total, size_t row_bytes, float *out)
{
    const char *source = (const char *)gathered;
    for (int r = 0; r < ranks; r++) {
        const char *from = source;
        for (int64_t first = (int64_t)r * batch; first < total; first += (int64_t)ranks * batch) {
            const int64_t rows = total - first < batch ? total - first : batch;
            memcpy((char *)out + (size_t)first * row_bytes, from, (size_t)rows * row_bytes);
            from += (size_t)rows * row_bytes;
        }
        source += rank_bytes[r];
    }
}

static dho_status gather_head(dho_comm *comm, const local_outputs *local, int head, int batch,
                              const dho_dataset *dataset, size_t classes, dho_head_outputs *out)
{
    const int ranks = dho_comm_size(comm);
    const size_t row_bytes = classes * sizeof(float);
    size_t *rank_bytes = NULL;
    void *gathered = NULL;
    dho_status status = dho_alloc(&rank_bytes, (size_t)ranks, sizeof *rank_bytes, "gather");
    DHO_TRY_GOTO(dho_comm_agree(comm, status));
    DHO_TRY_GOTO(dho_comm_gather(comm, local->logits[head], (size_t)local->count * row_bytes,
                                 &gathered, rank_bytes));
    if (gathered != NULL) {
        status = dho_alloc(&out->logits[head], (size_t)dataset->count, row_bytes, "head outputs");
        if (status == DHO_OK)
            restore_order(gathered, rank_bytes, ranks, batch, dataset->count, row_bytes,
                          out->logits[head]);
    }
    status = dho_comm_agree(comm, status);
fail:
    dho_free(gathered);
    dho_free(rank_bytes);
    return status;
}

/* What lets a report name and show the images without guessing which row is which. */
static dho_status fill_names(const dho_dataset *dataset, dho_head_outputs *out)
{
    for (int64_t i = 0; i < dataset->count; i++)
        out->image_name_bytes += strlen(dataset->samples[i].path) + 1;
    for (int c = 0; c < dataset->classes; c++)
        out->class_name_bytes += strlen(dataset->class_names[c]) + 1;
    DHO_TRY(dho_alloc(&out->image_names, out->image_name_bytes, 1, "image names"));
    DHO_TRY(dho_alloc(&out->class_names, out->class_name_bytes, 1, "class names"));
    char *to = out->image_names;
    for (int64_t i = 0; i < dataset->count; i++) to = stpcpy(to, dataset->samples[i].path) + 1;
    to = out->class_names;
    for (int c = 0; c < dataset->classes; c++) to = stpcpy(to, dataset->class_names[c]) + 1;
    return DHO_OK;
}

static dho_status fill_labels(const dho_dataset *dataset, int classes, dho_head_outputs *out)
{
    const size_t count = (size_t)dataset->count;
    out->count = dataset->count;
    out->classes = classes;
    DHO_TRY(dho_alloc(&out->labels, count, sizeof *out->labels, "labels"));
    for (size_t i = 0; i < count; i++) out->labels[i] = dataset->samples[i].label;
    DHO_TRY(dho_alloc(&out->mask, (size_t)classes, sizeof *out->mask, "class mask"));
    memcpy(out->mask, dataset->class_present, (size_t)classes * sizeof *out->mask);
    return fill_names(dataset, out);
}

dho_status dho_outputs_compute(const dho_config *config, dho_comm *comm, dho_executor *executor,
                               const dho_model *model, const dho_dataset *dataset,
                               dho_head_outputs *out)
{
    const int batch = (int)config->eval.batch, rank = dho_comm_rank(comm);
    const size_t classes = (size_t)model->student.classes;
    local_outputs local = {0};
    *out = (dho_head_outputs){0};
    dho_status status = plan_rows(&local, model, dataset->count, batch, rank, dho_comm_size(comm));
    if (status == DHO_OK) status = run_rows(config, executor, model, dataset, &local);
    if (status == DHO_OK && rank == 0) status = fill_labels(dataset, (int)classes, out);
    status = dho_comm_agree(comm, status);
    for (int h = 0; h < model->student.head_count && status == DHO_OK; h++)
        status = gather_head(comm, &local, h, batch, dataset, classes, out);
    dho_free(local.ids);
    dho_free(local.logits[0]);
    dho_free(local.logits[1]);
    if (status != DHO_OK) dho_head_outputs_free(out);
    return status;
}

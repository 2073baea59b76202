/* Embeddings of whole sets: a contiguous part each rank, gathered in order. */
#include "base/finite.h"
#include "dho/alloc.h"
#include "dho/clip.h"
#include "dho/loader.h"
#include "dho/log.h"
#include "dho/run_setup.h"

#include <string.h>

/* Rows first .. first + count - 1 of all. */
typedef struct part {
    int64_t first, count;
    float *rows; /* owned, [count][dim] */
} part;

static dho_status part_open(part *p, const dho_comm *comm, int64_t total, int dim)
{
    const int64_t rank = dho_comm_rank(comm), ranks = dho_comm_size(comm);
    p->first = total / ranks * rank + total % ranks * rank / ranks;
    const int64_t next = total / ranks * (rank + 1) + total % ranks * (rank + 1) / ranks;
    p->count = next - p->first;
    return dho_alloc(&p->rows, (size_t)p->count * (size_t)dim, sizeof *p->rows, "embeddings");
}

static dho_status part_gather(const part *p, dho_comm *comm, int dim, float **out)
{
    void *all;
    DHO_TRY(dho_comm_gather(comm, p->rows, (size_t)p->count * (size_t)dim * sizeof *p->rows, &all,
                            NULL));
    *out = all;
    return DHO_OK;
}

/* --- images --- */

/* Rows done .. done + rows - 1 of a part. */
static dho_status check_rows(const dho_dataset *dataset, const part *p, int64_t done, size_t rows,
                             size_t dim)
{
    const float *values = p->rows + (size_t)done * dim;
    const size_t at = dho_first_not_finite(values, rows * dim);
    if (at == rows * dim) return DHO_OK;
    return dho_fail(DHO_ERR_NUMERIC, "%s: the embedding has %g as value %zu",
                    dataset->samples[p->first + done + (int64_t)(at / dim)].path,
                    dho_shown_value(values[at]), at % dim);
}

static dho_status run_loader(dho_eval_loader *loader, dho_executor *executor,
                             const dho_model *model, const dho_dataset *dataset, const part *p)
{
    const size_t dim = (size_t)model->student.feature_dim;
    dho_status status = DHO_OK;
    for (int64_t done = 0; done < p->count && status == DHO_OK;) {
        dho_batch batch;
        DHO_TRY(dho_eval_loader_next(loader, &batch, NULL));
        DHO_TRY(dho_executor_prepare(executor, batch.count));
        dho_executor_forward(executor, batch.count, batch.images, model->parameters, model->buffers,
                             NULL);
        memcpy(p->rows + (size_t)done * dim, dho_executor_output(executor, model->student.features),
               (size_t)batch.count * dim * sizeof *p->rows);
        status = check_rows(dataset, p, done, (size_t)batch.count, dim);
        done += batch.count;
        dho_eval_loader_release(loader, &batch);
    }
    return status;
}

static dho_status embed_part(const dho_config *config, const dho_clip_image *image,
                             const dho_dataset *dataset, const part *p)
{
    const dho_model *model = &image->model;
    const dho_eval_transform transform = dho_clip_transform(image);
    int64_t *ids = NULL;
    dho_compute *compute = NULL;
    dho_executor *executor = NULL;
    dho_eval_loader *loader = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&ids, (size_t)p->count, sizeof *ids, "embeddings"));
    for (int64_t i = 0; i < p->count; i++) ids[i] = p->first + i;
    DHO_TRY_GOTO(dho_compute_create(&compute, config->compute.backend, config->compute.dtype,
                                    dho_setup_threads(config->compute.threads)));
    const dho_executor_options execution = {.compute = compute, .batch = (int)config->eval.batch};
    DHO_TRY_GOTO(dho_executor_create(&executor, model->student.graph, &execution));
    const dho_eval_loader_options options = {
        .dataset = dataset,
        .ids = ids,
        .count = p->count,
        .views = 1,
        .image_size = model->student.image_size,
        .resize_short = transform.resize_short,
        .squash = transform.squash,
        .filter = transform.filter,
        .normalise = dho_setup_normalise(model->mean, model->std),
        .pixels = dho_setup_pixels(config->compute.dtype),
        .batch = (int)config->eval.batch,
        .threads = dho_setup_threads(config->data.loader_threads),
        .prefetch = (int)config->data.prefetch};
    DHO_TRY_GOTO(dho_eval_loader_create(&loader, &options));
    DHO_TRY_GOTO(run_loader(loader, executor, model, dataset, p));
fail:
    dho_eval_loader_destroy(&loader);
    dho_executor_destroy(&executor);
    dho_compute_destroy(&compute);
    dho_free(ids);
    return status;
}

dho_status dho_clip_embed_images(const dho_config *config, dho_comm *comm,
                                 const dho_clip_image *image, const dho_dataset *dataset,
                                 float **out)
{
    const int dim = image->model.student.feature_dim;
    part p = {0};
    *out = NULL;
    dho_status status = part_open(&p, comm, dataset->count, dim);
    if (status == DHO_OK) status = embed_part(config, image, dataset, &p);
    status = dho_comm_agree(comm, status);
    if (status == DHO_OK) status = part_gather(&p, comm, dim, out);
    dho_free(p.rows);
    return status;
}

/* --- texts --- */

dho_status dho_clip_embed_texts(dho_comm *comm, dho_clip_text *text, const char *const *texts,
                                size_t count, float **out)
{
    const int dim = dho_clip_text_dim(text);
    part p = {0};
    int64_t cut = -1;
    *out = NULL;
    dho_status status = part_open(&p, comm, (int64_t)count, dim);
    if (status == DHO_OK)
        status = dho_clip_text_encode(text, texts + p.first, (size_t)p.count, p.rows, &cut);
    if (status == DHO_OK && cut >= 0)
        dho_warn("text %lld is longer than the model's context: it was cut, and others may be: "
                 "\"%.60s...\"",
                 (long long)(p.first + cut + 1), texts[p.first + cut]);
    status = dho_comm_agree(comm, status);
    if (status == DHO_OK) status = part_gather(&p, comm, dim, out);
    dho_free(p.rows);
    return status;
}

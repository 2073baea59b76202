/* A model over a list of images on one rank. */
#include "dho/infer.h"

#include "dho/alloc.h"
#include "dho/run_setup.h"

struct dho_infer {
    const dho_config *config;
    const dho_model *model;
    dho_compute *compute;    /* owned */
    dho_executor *executor;  /* owned */
    dho_eval_loader *loader; /* owned; NULL: not started */
    dho_batch batch;         /* count 0: none in hand */
    bool (*stop)(void);      /* NULL: nobody asks to stop */
};

static dho_status open_infer(dho_infer **out, const dho_config *config, const dho_model *model,
                             bool folded)
{
    dho_status status;
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "inference"));
    dho_infer *infer = *out;
    infer->config = config;
    infer->model = model;
    DHO_TRY_GOTO(dho_compute_create(&infer->compute, config->compute.backend, config->compute.dtype,
                                    dho_setup_threads(config->compute.threads)));
    const dho_executor_options execution = {.compute = infer->compute,
                                            .batch = (int)config->eval.batch,
                                            .parameters = folded ? model->parameters : NULL,
                                            .buffers = folded ? model->buffers : NULL};
    DHO_TRY_GOTO(dho_executor_create(&infer->executor, model->student.graph, &execution));
    return DHO_OK;
fail:
    dho_infer_close(out);
    return status;
}

dho_status dho_infer_open(dho_infer **out, const dho_config *config, const dho_model *model)
{
    return open_infer(out, config, model, false);
}

dho_status dho_infer_open_folded(dho_infer **out, const dho_config *config, const dho_model *model)
{
    return open_infer(out, config, model, true);
}

void dho_infer_close(dho_infer **infer)
{
    if (*infer == NULL) return;
    dho_infer_stop(*infer);
    dho_executor_destroy(&(*infer)->executor);
    dho_compute_destroy(&(*infer)->compute);
    dho_free(*infer);
    *infer = NULL;
}

dho_compute *dho_infer_compute(const dho_infer *infer)
{
    return infer->compute;
}

void dho_infer_observe(dho_infer *infer, dho_value_observer see, void *context)
{
    dho_executor_observe(infer->executor, see, context);
}

int dho_infer_batch(const dho_infer *infer)
{
    return (int)infer->config->eval.batch;
}

size_t dho_infer_bytes(const dho_infer *infer)
{
    return dho_executor_arena_bytes(infer->executor);
}

void dho_infer_stop_when(dho_infer *infer, bool (*stop)(void))
{
    infer->stop = stop;
}

void dho_infer_stop(dho_infer *infer)
{
    dho_eval_loader_destroy(&infer->loader);
    infer->batch.count = 0;
}

dho_status dho_infer_start(dho_infer *infer, const dho_infer_images *images)
{
    const dho_config *config = infer->config;
    const dho_model *model = infer->model;
    dho_infer_stop(infer);
    dho_loader_options options = dho_setup_loader(config, images->dataset);
    options.image_size = model->student.image_size;
    options.transform = images->transform;
    options.normalise = dho_setup_normalise(model->mean, model->std);
    options.keep_broken = images->keep_broken;
    options.view_source = images->view_source;
    options.view_context = images->view_context;
    const dho_eval_rows rows = {.ids = images->ids,
                                .count = images->count,
                                .views = images->views,
                                .batch = (int)config->eval.batch};
    return dho_eval_loader_create(&infer->loader, &options, &rows);
}

dho_status dho_infer_next(dho_infer *infer, const dho_batch **out)
{
    dho_batch *batch = &infer->batch;
    *out = batch;
    if (batch->count > 0) dho_eval_loader_release(infer->loader, batch);
    batch->count = 0;
    if (infer->stop != NULL && infer->stop())
        return dho_fail(DHO_PREEMPTED, "stopped between two batches of images");
    DHO_TRY(dho_eval_loader_next(infer->loader, batch));
    if (batch->count == 0) return DHO_OK;
    DHO_TRY(dho_executor_prepare(infer->executor, batch->count));
    dho_executor_forward(infer->executor, batch->count, batch->images, infer->model->parameters,
                         infer->model->buffers, NULL);
    return DHO_OK;
}

const float *dho_infer_output(const dho_infer *infer, int node)
{
    return dho_executor_output(infer->executor, node);
}

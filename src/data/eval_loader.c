/* The evaluation loader: the decode ring over a list of samples. */
#include "data/decode_ring.h"
#include "dho/alloc.h"
#include "dho/loader.h"

struct dho_eval_loader {
    dho_decode_ring *ring; /* owned */
    const int64_t *ids;    /* borrowed */
    int64_t rows;          /* count * views */
    int views, batch;
};

static dho_status fill_from_list(void *context, int64_t index, dho_draw *draws, dho_batch *batch)
{
    const dho_eval_loader *loader = context;
    const int64_t first = index * loader->batch, left = loader->rows - first;
    batch->step = index;
    batch->shard = 0;
    batch->count = batch->labelled = left < loader->batch ? (int)left : loader->batch;
    for (int64_t i = 0; i < batch->count; i++)
        draws[i] = (dho_draw){.id = loader->ids[(first + i) / loader->views],
                              .pass = (first + i) % loader->views,
                              .labelled = true};
    return DHO_OK;
}

static dho_status check_options(const dho_eval_loader_options *o)
{
    int64_t rows;
    if (o->count < 0 || o->views < 1 || o->batch < 1 ||
        __builtin_mul_overflow(o->count, o->views, &rows))
        return dho_fail(DHO_ERR_CONFIG, "loader: %lld images, %d views, batches of %d",
                        (long long)o->count, o->views, o->batch);
    for (int64_t i = 0; i < o->count; i++)
        if (o->ids[i] < 0 || o->ids[i] >= o->dataset->count)
            return dho_fail(DHO_ERR_INTERNAL, "loader: ids[%lld] is %lld of %lld images",
                            (long long)i, (long long)o->ids[i], (long long)o->dataset->count);
    return DHO_OK;
}

dho_status dho_eval_loader_create(dho_eval_loader **out, const dho_eval_loader_options *options)
{
    const dho_eval_loader_options *o = options;
    *out = NULL;
    DHO_TRY(check_options(o));
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "loader"));
    dho_eval_loader *loader = *out;
    loader->ids = o->ids;
    loader->rows = o->count * o->views;
    loader->views = o->views;
    loader->batch = o->batch;
    const dho_ring_options ring = {.plan = {.dataset = o->dataset,
                                            .image_size = o->image_size,
                                            .resize_short = o->resize_short,
                                            .squash = o->squash,
                                            .scale = {o->scale[0], o->scale[1]},
                                            .ratio = {o->ratio[0], o->ratio[1]},
                                            .flip = o->flip,
                                            .filter = o->filter,
                                            .normalise = o->normalise,
                                            .pixels = o->pixels,
                                            .seed = o->seed,
                                            .purpose = {DHO_RNG_CACHE_VIEW, DHO_RNG_CACHE_VIEW},
                                            .view_source = o->view_source,
                                            .view_context = o->view_context},
                                   .batches =
                                       loader->rows / o->batch + (loader->rows % o->batch != 0),
                                   .rows = o->batch,
                                   .threads = o->threads,
                                   .prefetch = o->prefetch,
                                   .fill = fill_from_list,
                                   .fill_context = loader,
                                   .on_error = DHO_ON_ERROR_FAIL};
    const dho_status status = dho_decode_ring_create(&loader->ring, &ring);
    if (status != DHO_OK) dho_eval_loader_destroy(out);
    return status;
}

void dho_eval_loader_destroy(dho_eval_loader **loader)
{
    if (*loader == NULL) return;
    dho_decode_ring_destroy(&(*loader)->ring);
    dho_free(*loader);
    *loader = NULL;
}

dho_status dho_eval_loader_next(dho_eval_loader *loader, dho_batch *out, double *seconds_waited)
{
    return dho_decode_ring_next(loader->ring, out, seconds_waited);
}

void dho_eval_loader_release(dho_eval_loader *loader, const dho_batch *batch)
{
    dho_decode_ring_release(loader->ring, batch);
}

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

static dho_status check_rows(const dho_eval_rows *rows, const dho_dataset *dataset)
{
    int64_t total;
    if (rows->count < 0 || rows->views < 1 || rows->batch < 1 ||
        __builtin_mul_overflow(rows->count, rows->views, &total))
        return dho_fail(DHO_ERR_CONFIG, "loader: %lld images, %d views, batches of %d",
                        (long long)rows->count, rows->views, rows->batch);
    for (int64_t i = 0; i < rows->count; i++)
        if (rows->ids[i] < 0 || rows->ids[i] >= dataset->count)
            return dho_fail(DHO_ERR_INTERNAL, "loader: ids[%lld] is %lld of %lld images",
                            (long long)i, (long long)rows->ids[i], (long long)dataset->count);
    return DHO_OK;
}

dho_status dho_eval_loader_create(dho_eval_loader **out, const dho_loader_options *options,
                                  const dho_eval_rows *rows)
{
    *out = NULL;
    DHO_TRY(check_rows(rows, options->dataset));
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "loader"));
    dho_eval_loader *loader = *out;
    loader->ids = rows->ids;
    loader->rows = rows->count * rows->views;
    loader->views = rows->views;
    loader->batch = rows->batch;
    dho_ring_options ring = {
        .plan = {.options = *options, .purpose = {DHO_RNG_CACHE_VIEW, DHO_RNG_CACHE_VIEW}},
        .batches = loader->rows / rows->batch + (loader->rows % rows->batch != 0),
        .rows = rows->batch,
        .fill = fill_from_list,
        .fill_context = loader};
    ring.plan.options.on_error = DHO_POLICY_FAIL; /* a replaced sample would falsify a result */
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

dho_status dho_eval_loader_next(dho_eval_loader *loader, dho_batch *out)
{
    return dho_decode_ring_next(loader->ring, out);
}

void dho_eval_loader_release(dho_eval_loader *loader, const dho_batch *batch)
{
    dho_decode_ring_release(loader->ring, batch);
}

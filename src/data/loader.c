/* The training loader: the decode ring over the sampler's draws. */
#include "dho/loader.h"

#include "data/decode_ring.h"
#include "dho/alloc.h"

#include <string.h>

struct dho_loader {
    dho_decode_ring *ring; /* owned */
    dho_sampler *sampler;  /* borrowed */
    int *shards;           /* owned, [shard_count] */
    int shard_count;
    int64_t first_step;
};

static dho_status fill_from_sampler(void *context, int64_t index, dho_draw *draws, dho_batch *batch)
{
    dho_loader *loader = context;
    batch->step = loader->first_step + index / loader->shard_count;
    batch->shard = loader->shards[index % loader->shard_count];
    const dho_step_rows rows = dho_sampler_rows(loader->sampler, batch->step);
    batch->labelled = rows.labelled;
    batch->count = rows.labelled + rows.unlabelled;
    return dho_sampler_draw(loader->sampler, batch->step, batch->shard, draws);
}

static dho_status check_steps(const dho_loader_steps *steps, const dho_dataset *dataset)
{
    const dho_sampler_options *sampler = dho_sampler_get_options(steps->sampler);
    if (steps->first < 0 || steps->last < steps->first || steps->shard_count < 0)
        return dho_fail(DHO_ERR_CONFIG, "loader: steps %lld .. %lld of %d shards",
                        (long long)steps->first, (long long)steps->last, steps->shard_count);
    if (sampler->dataset_count != dataset->count)
        return dho_fail(DHO_ERR_INTERNAL, "loader: the sampler draws from %lld images, not %lld",
                        (long long)sampler->dataset_count, (long long)dataset->count);
    if (sampler->labelled > INT32_MAX - sampler->unlabelled)
        return dho_fail(DHO_ERR_CONFIG, "loader: %d + %d rows a microbatch", sampler->labelled,
                        sampler->unlabelled);
    return DHO_OK;
}

dho_status dho_loader_create(dho_loader **out, const dho_loader_options *options,
                             const dho_loader_steps *steps)
{
    dho_status status;
    *out = NULL;
    DHO_TRY(check_steps(steps, options->dataset));
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "loader"));
    dho_loader *loader = *out;
    loader->sampler = steps->sampler;
    loader->shard_count = steps->shard_count;
    loader->first_step = steps->first;
    const dho_sampler_options *drawing = dho_sampler_get_options(steps->sampler);
    dho_ring_options ring = {
        .plan = {.options = *options, .purpose = {DHO_RNG_AUGMENT, DHO_RNG_AUGMENT_LABELLED}},
        .rows = drawing->labelled + drawing->unlabelled,
        .fill = fill_from_sampler,
        .fill_context = loader,
        .drawing = drawing};
    if (__builtin_mul_overflow(steps->last - steps->first, steps->shard_count, &ring.batches)) {
        status = dho_fail(DHO_ERR_CONFIG, "loader: %lld steps of %d shards",
                          (long long)(steps->last - steps->first), steps->shard_count);
        goto fail;
    }
    const size_t shards = (size_t)steps->shard_count;
    DHO_TRY_GOTO(dho_alloc(&loader->shards, shards, sizeof *loader->shards, "loader: shards"));
    if (shards > 0) memcpy(loader->shards, steps->shards, shards * sizeof *loader->shards);
    DHO_TRY_GOTO(dho_decode_ring_create(&loader->ring, &ring));
    return DHO_OK;
fail:
    dho_loader_destroy(out);
    return status;
}

void dho_loader_destroy(dho_loader **loader)
{
    if (*loader == NULL) return;
    dho_decode_ring_destroy(&(*loader)->ring);
    dho_free((*loader)->shards);
    dho_free(*loader);
    *loader = NULL;
}

dho_status dho_loader_next(dho_loader *loader, dho_batch *out)
{
    return dho_decode_ring_next(loader->ring, out);
}

void dho_loader_release(dho_loader *loader, const dho_batch *batch)
{
    dho_decode_ring_release(loader->ring, batch);
}

int64_t dho_loader_skipped(const dho_loader *loader)
{
    return dho_decode_ring_skipped(loader->ring);
}

dho_loader_stats dho_loader_get_stats(dho_loader *loader)
{
    return dho_decode_ring_stats(loader->ring);
}

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

static dho_status check_options(const dho_loader_options *o)
{
    const dho_sampler_options *sampler = dho_sampler_get_options(o->sampler);
    if (o->first_step < 0 || o->last_step < o->first_step || o->shard_count < 0)
        return dho_fail(DHO_ERR_CONFIG, "loader: steps %lld .. %lld of %d shards",
                        (long long)o->first_step, (long long)o->last_step, o->shard_count);
    if (sampler->dataset_count != o->dataset->count)
        return dho_fail(DHO_ERR_INTERNAL, "loader: the sampler draws from %lld images, not %lld",
                        (long long)sampler->dataset_count, (long long)o->dataset->count);
    if (o->on_error == DHO_ON_ERROR_SKIP && sampler->labelled > 0 && o->labelled_count < 1)
        return dho_fail(DHO_ERR_CONFIG, "loader: no labelled ids to replace broken images by");
    if (sampler->labelled > INT32_MAX - sampler->unlabelled)
        return dho_fail(DHO_ERR_CONFIG, "loader: %d + %d rows a microbatch", sampler->labelled,
                        sampler->unlabelled);
    return DHO_OK;
}

static dho_ring_options ring_options(const dho_loader_options *o, dho_loader *loader)
{
    const dho_sampler_options *sampler = dho_sampler_get_options(o->sampler);
    dho_ring_options ring = {.plan = {.dataset = o->dataset,
                                      .image_size = o->image_size,
                                      .scale = {o->scale[0], o->scale[1]},
                                      .ratio = {o->ratio[0], o->ratio[1]},
                                      .flip = o->flip,
                                      .filter = o->filter,
                                      .normalise = o->normalise,
                                      .pixels = o->pixels,
                                      .seed = o->seed,
                                      .purpose = {DHO_RNG_AUGMENT, DHO_RNG_AUGMENT_LABELLED},
                                      .view_source = o->view_source,
                                      .view_context = o->view_context},
                             .rows = sampler->labelled + sampler->unlabelled,
                             .threads = o->threads,
                             .prefetch = o->prefetch,
                             .fill = fill_from_sampler,
                             .fill_context = loader,
                             .on_error = o->on_error,
                             .skip_stride = o->skip_stride,
                             .labelled_ids = o->labelled_ids,
                             .labelled_count = o->labelled_count,
                             .exclude_labelled = sampler->exclude_labelled};
    return ring;
}

dho_status dho_loader_create(dho_loader **out, const dho_loader_options *options)
{
    dho_status status;
    *out = NULL;
    DHO_TRY(check_options(options));
    DHO_TRY(dho_alloc_zero(out, 1, sizeof **out, "loader"));
    dho_loader *loader = *out;
    loader->sampler = options->sampler;
    loader->shard_count = options->shard_count;
    loader->first_step = options->first_step;
    dho_ring_options ring = ring_options(options, loader);
    if (__builtin_mul_overflow(options->last_step - options->first_step, options->shard_count,
                               &ring.batches)) {
        status =
            dho_fail(DHO_ERR_CONFIG, "loader: %lld steps of %d shards",
                     (long long)(options->last_step - options->first_step), options->shard_count);
        goto fail;
    }
    const size_t shards = (size_t)options->shard_count;
    DHO_TRY_GOTO(dho_alloc(&loader->shards, shards, sizeof *loader->shards, "loader: shards"));
    if (shards > 0) memcpy(loader->shards, options->shards, shards * sizeof *loader->shards);
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

dho_status dho_loader_next(dho_loader *loader, dho_batch *out, double *seconds_waited)
{
    return dho_decode_ring_next(loader->ring, out, seconds_waited);
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

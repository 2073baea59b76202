/* The core of both loaders: a ring of batches that a pool of threads fills row by row.
 * Private to src/data.
 *
 * The caller's thread names the draws of a batch (the fill function) and queues it; the threads
 * take its rows one after another and decode them; the caller's thread gets the batches in order.
 * What a batch holds depends on its draws only, never on the threads. */
#ifndef DHO_DATA_DECODE_RING_H
#define DHO_DATA_DECODE_RING_H

#include "data/decode_worker.h"

/* Names batch `index`: writes draws[rows], sets batch->count, labelled, step and shard. Called in
 * order, by the thread that calls create and next. */
typedef dho_status (*dho_ring_fill)(void *context, int64_t index, dho_draw *draws,
                                    dho_batch *batch);

typedef struct dho_ring_options {
    dho_view_plan plan;
    int64_t batches; /* how many there are */
    int rows;        /* of the largest batch */
    dho_ring_fill fill;
    void *fill_context;
    const dho_sampler_options *drawing; /* borrowed; whose shards, labelled and excluded ids say
                                           what takes a broken sample's place; with skip only */
} dho_ring_options;

typedef struct dho_decode_ring dho_decode_ring;

/* See dho_loader_create, _destroy, _next, _release, _skipped and _get_stats. */
dho_status dho_decode_ring_create(dho_decode_ring **out, const dho_ring_options *options);
void dho_decode_ring_destroy(dho_decode_ring **ring);
dho_status dho_decode_ring_next(dho_decode_ring *ring, dho_batch *out);
void dho_decode_ring_release(dho_decode_ring *ring, const dho_batch *batch);
int64_t dho_decode_ring_skipped(const dho_decode_ring *ring);
dho_loader_stats dho_decode_ring_stats(dho_decode_ring *ring);

#endif

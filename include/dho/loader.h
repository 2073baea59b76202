/* The sampler and the loader: which samples form microbatch v of step t, and threads that decode
 * them ahead of time. All Local.
 *
 * Streams (README, "Sampling"):
 *  - unlabelled: virtual shard v holds the ids with id mod V == v, but for those
 *    that are excluded. Its stream is infinite: pass k is the shard's ids shuffled by
 *    (seed, k, v); step t takes positions t*unlabelled .. (t+1)*unlabelled - 1 of it.
 *  - labelled: one stream for all shards, pass k is the labelled list shuffled by (seed, k);
 *    microbatch v of step t takes `labelled` positions from (t*V + v)*labelled on.
 * A sample's augmentation is keyed by (seed, pass, id), so a batch depends on (seed, t, v) only.
 *
 * With epoch_steps > 0 the streams are those of PyTorch's DataLoader and DistributedSampler, with V
 * processes, as the method's public code has them: every epoch_steps steps both begin anew. In a
 * pass each shard has ceil(images / V) images (labelled: positions v, v + V, ... of the shuffled
 * list; unlabelled: its own; images are repeated, or left out, where that does not come out even)
 * in batches of which the last may be smaller, so that all microbatches of a step are equal. Passes
 * within one epoch have one order and crops of their own. */
#ifndef DHO_LOADER_H
#define DHO_LOADER_H

#include "dho/augment.h"
#include "dho/dataset.h"
#include "dho/image.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* One sample of a batch as the sampler asks for it. */
typedef struct dho_draw {
    int64_t id;
    int64_t pass; /* which pass of its stream: the augmentation key, and the teacher's view */
    bool labelled;
} dho_draw;

typedef struct dho_sampler dho_sampler;

typedef struct dho_sampler_options {
    uint64_t seed;
    int shards;     /* V >= 1 */
    int labelled;   /* labelled samples a microbatch, >= 0 */
    int unlabelled; /* unlabelled samples a microbatch, >= 0 */
    int64_t dataset_count;
    const int64_t *labelled_ids; /* borrowed, [labelled_count], sorted; an id may be there twice */
    int64_t labelled_count;
    const int64_t *excluded_ids; /* borrowed, [excluded_count], sorted, each once: these are no
                                    unlabelled samples */
    int64_t excluded_count;
    int64_t epoch_steps; /* 0: endless streams of full batches; else as above */
} dho_sampler_options;

/* *out is owned (dho_sampler_destroy). Memory: 8 bytes an id of each shard drawn from so far.
 * Errors: DHO_ERR_CONFIG when a stream that is asked for is empty (fewer images than shards, a
 * shard of labelled images only, no labelled sample) or none is; DHO_ERR_INTERNAL for ids out of
 * range or descending; DHO_ERR_MEMORY. */
dho_status dho_sampler_create(dho_sampler **out, const dho_sampler_options *options);
void dho_sampler_destroy(dho_sampler **sampler);

/* Rows of each microbatch of a step: of either kind at least one if it has any at all, and at most
 * as the options say. */
typedef struct dho_step_rows {
    int labelled, unlabelled;
} dho_step_rows;
dho_step_rows dho_sampler_rows(const dho_sampler *sampler, int64_t step);

/* The draws of microbatch `shard` of global step `step`: first the labelled, then the unlabelled,
 * into out[labelled + unlabelled]. Any step may be asked for in any order (consecutive is fast).
 * Not thread-safe. Errors: DHO_ERR_MEMORY; DHO_ERR_INTERNAL (no such step or shard). */
dho_status dho_sampler_draw(dho_sampler *sampler, int64_t step, int shard, dho_draw *out);

/* Batches of a pass over `count` images as PyTorch's loaders of `shards` processes have them, the
 * smaller last one included; micro: images of a microbatch, from 1. */
int64_t dho_loader_batches(int64_t count, int shards, int micro);

/* As given to create. */
const dho_sampler_options *dho_sampler_get_options(const dho_sampler *sampler);

/* Where the crop of a draw comes from when it is not random: the teacher cache's stored view.
 * Fills box and flip when the cache dictates them, and leaves the box none (dho_box_is_none) when
 * it does not. Thread-safe. Its failure is the loader's, and so is a box that does not lie in the
 * image (DHO_ERR_FORMAT: image and view do not belong together), whatever on_error says. */
typedef dho_status (*dho_view_source)(void *context, int64_t id, int64_t pass, dho_box *box,
                                      bool *flip);

/* How images become rows of batches, for both loaders: dho_setup_loader makes it from a
 * configuration. */
typedef struct dho_loader_options {
    const dho_dataset *dataset;   /* borrowed */
    int image_size;               /* output side in pixels */
    dho_eval_transform transform; /* resize_short >= image_size: Resize(resize_short) +
                                     CenterCrop(image_size); 0: squash, or random crops */
    double scale[2], ratio[2]; /* RandomResizedCrop; of random crops only, as are flip and seed */
    bool flip;                 /* random horizontal flip, p = 1/2 */
    dho_augmentation augmentation; /* of random crops, behind the flip; keyed by DHO_RNG_PIXELS */
    uint64_t seed;
    dho_normalise normalise;
    dho_compute_dtype pixels; /* of the batches: what the executor reads */
    int threads;              /* >= 1 */
    int prefetch;             /* batches decoded ahead, >= 1 */
    dho_skip_policy on_error; /* skip: the place of a broken sample is taken by the next id of its
                                 shard (unlabelled), or by the next labelled id (labelled); the
                                 evaluation loader never skips */
    bool keep_broken; /* evaluation loader: a broken image is a row of zeros; its batch says why */
    dho_view_source view_source; /* NULL: as above; else asked first for (id, pass) */
    void *view_context;
} dho_loader_options;

/* Which microbatches the training loader delivers. */
typedef struct dho_loader_steps {
    dho_sampler *sampler; /* borrowed; used by the loader's caller thread only */
    const int *shards;    /* borrowed until create returns, [shard_count]: in the order in
                             which a step's microbatches are wanted */
    int shard_count;
    int64_t first, last; /* steps first .. last-1 are delivered */
} dho_loader_steps;

typedef struct dho_batch {
    const void *images;    /* [count][size][size][3] of options.pixels; borrowed until released */
    const int32_t *labels; /* [count]; DHO_NO_LABEL for unlabelled rows */
    const dho_box *boxes;  /* [count]; the crop in source pixels, none for Resize + CenterCrop */
    const bool *flips;     /* [count] */
    const dho_draw *draws; /* [count]; ids as really delivered (after skips) */
    char *const *errors;   /* [count]; with keep_broken: why an image cannot be read, or NULL */
    int count, labelled;   /* the first `labelled` rows are labelled */
    int64_t step;
    int shard;
} dho_batch;

typedef struct dho_loader dho_loader;

/* *out is owned. The threads start decoding at once. Errors: DHO_ERR_CONFIG (sizes, counts or
 * ranges that cannot be), DHO_ERR_MEMORY (also when a thread cannot be started). */
dho_status dho_loader_create(dho_loader **out, const dho_loader_options *options,
                             const dho_loader_steps *steps);
/* Stops the threads, also with batches outstanding (their buffers are gone then). NULL-safe. */
void dho_loader_destroy(dho_loader **loader);

/* Waits for the next microbatch in (step, shard order); count is 0 after the last one. prefetch + 1
 * batches exist: one that is held too long holds up the ring, and it is DHO_ERR_INTERNAL to hold
 * all and ask for one more.
 * Errors (the same again on each further call): with on_error fail, the first broken image's
 * DHO_ERR_FORMAT / DHO_ERR_IO (its name in the message; always the lowest row of the earliest
 * batch, whatever the threads did); with skip, DHO_ERR_FORMAT only when a whole shard (of the
 * labelled draws: the whole list) is unreadable, and each broken file is named in one warning. */
dho_status dho_loader_next(dho_loader *loader, dho_batch *out);
/* Gives the batch's buffer back. */
void dho_loader_release(dho_loader *loader, const dho_batch *batch);
/* Draws of the batches delivered so far that a broken image was replaced in. */
int64_t dho_loader_skipped(const dho_loader *loader);

/* What the threads have done so far, batches ahead included; seconds are summed over threads. */
typedef struct dho_loader_stats {
    int64_t images;
    int64_t file_bytes;
    double read, decode, finish; /* seconds: file, JPEG or PNG to pixels, crop to network input */
} dho_loader_stats;

dho_loader_stats dho_loader_get_stats(dho_loader *loader);

/* --- evaluation and teacher caches: a list of samples, once, in order ---
 *
 * Row r of all rows is view r % views of sample ids[r / views]; its draw has pass = view and
 * labelled = true (labels are the dataset's). An image is decoded once for consecutive views. */
typedef struct dho_eval_rows {
    const int64_t *ids; /* borrowed, [count]; count 0 is fine (a rank without work) */
    int64_t count;
    int views; /* >= 1; random ones are those of a teacher cache: box and flip are keyed by
                  DHO_RNG_CACHE_VIEW (seed, view, id) */
    int batch; /* rows a batch, >= 1; the last one may be shorter */
} dho_eval_rows;

typedef struct dho_eval_loader dho_eval_loader;

/* As dho_loader_create; DHO_ERR_INTERNAL for an id that is not in the dataset. */
dho_status dho_eval_loader_create(dho_eval_loader **out, const dho_loader_options *options,
                                  const dho_eval_rows *rows);
void dho_eval_loader_destroy(dho_eval_loader **loader);
/* As dho_loader_next with on_error fail (a replaced sample would falsify a result). out->step is
 * the batch's index, so its first row is row step * batch; out->count is 0 after the last batch. */
dho_status dho_eval_loader_next(dho_eval_loader *loader, dho_batch *out);
void dho_eval_loader_release(dho_eval_loader *loader, const dho_batch *batch);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

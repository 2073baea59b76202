/* One thread's share of the loader: a draw becomes a row of floats. Private to src/data. */
#ifndef DHO_DATA_DECODE_WORKER_H
#define DHO_DATA_DECODE_WORKER_H

#include "dho/loader.h"

/* How an image becomes a row: read-only, shared by all threads. */
typedef struct dho_view_plan {
    const dho_dataset *dataset; /* borrowed */
    int image_size;
    int resize_short; /* > 0: Resize + CenterCrop; 0: random crops */
    double scale[2], ratio[2];
    bool flip;
    dho_filter filter;
    dho_normalise normalise;
    uint64_t seed;
    dho_rng_purpose purpose[2]; /* of random crops: [unlabelled, labelled] */
    dho_view_source view_source;
    void *view_context;
} dho_view_plan;

/* Errors: DHO_ERR_CONFIG for sizes or ranges that cannot be. */
dho_status dho_view_plan_check(const dho_view_plan *plan);

/* Buffers, reused from row to row: nothing is allocated once the largest image has passed. */
typedef struct dho_decode_worker {
    const dho_view_plan *plan;
    dho_image image, resized;
    dho_resample_scratch scratch;
    uint8_t *file_bytes; /* owned */
    size_t file_capacity;
    char *path; /* owned: "root/" and room for the longest path of the dataset */
    size_t root_length;
    int64_t loaded_id; /* whose pixels `image` has, -1: nobody's */
} dho_decode_worker;

/* plan is borrowed. Errors: DHO_ERR_MEMORY; release it all the same. */
dho_status dho_decode_worker_init(dho_decode_worker *worker, const dho_view_plan *plan);
void dho_decode_worker_release(dho_decode_worker *worker);

/* Reads and decodes the sample, unless it is the one at hand.
 * Errors: those of dho_image_load: DHO_ERR_FORMAT and DHO_ERR_IO blame the file. */
dho_status dho_decode_worker_load(dho_decode_worker *worker, int64_t id);

/* Crops, resizes, flips and normalises the loaded image into out [size][size][3].
 * Errors: DHO_ERR_FORMAT (a dictated box is not inside the image), DHO_ERR_MEMORY. */
dho_status dho_decode_worker_view(dho_decode_worker *worker, const dho_draw *draw, float *out,
                                  dho_box *box, bool *flip);

#endif

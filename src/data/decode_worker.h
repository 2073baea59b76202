/* One thread's share of the loader: a draw becomes a row of numbers. Private to src/data. */
#ifndef DHO_DATA_DECODE_WORKER_H
#define DHO_DATA_DECODE_WORKER_H

#include "dho/loader.h"

/* How an image becomes a row: read-only, shared by all threads. */
typedef struct dho_view_plan {
    const dho_dataset *dataset; /* borrowed */
    int image_size;
    int resize_short; /* > 0: Resize + CenterCrop; 0: random crops */
    bool squash;      /* with resize_short 0: no crop, the whole image */
    double scale[2], ratio[2];
    bool flip;
    dho_filter filter;
    dho_normalise normalise;
    dho_pixel_type pixels;
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
    dho_image image;   /* the pixels of `held` */
    dho_image resized; /* of Resize + CenterCrop */
    dho_pixel_finish finish;
    dho_resample_scratch scratch;
    uint8_t *file_bytes; /* owned */
    size_t file_capacity, file_size;
    char *path; /* owned; of the open image, for messages */
    size_t path_capacity;
    dho_loader_stats stats;
    int64_t open_id;   /* whose file_bytes these are, -1: nobody's */
    int width, height; /* of that image */
    dho_box held;      /* the part of it that is decoded; width 0: none */
} dho_decode_worker;

/* plan is borrowed. */
void dho_decode_worker_init(dho_decode_worker *worker, const dho_view_plan *plan);
void dho_decode_worker_release(dho_decode_worker *worker);

/* Reads the sample's file and the image's size, unless it is the one at hand.
 * Errors: DHO_ERR_FORMAT and DHO_ERR_IO blame the file. */
dho_status dho_decode_worker_open(dho_decode_worker *worker, int64_t id);

/* The crop of a draw of the open image: *box all 0 for Resize + CenterCrop.
 * Errors: DHO_ERR_FORMAT (a dictated box is not inside of the image). */
dho_status dho_decode_worker_choose(const dho_decode_worker *worker, const dho_draw *draw,
                                    dho_box *box, bool *flip);

/* Decodes what the crop needs, unless it is at hand; `whole`: all of the image, for more crops of
 * it. Errors: those of dho_image_decode_box: DHO_ERR_FORMAT blames the file. */
dho_status dho_decode_worker_decode(dho_decode_worker *worker, dho_box box, bool whole);

/* Resizes, flips and normalises the decoded crop into out, [size][size][3] of plan->pixels.
 * Errors: DHO_ERR_MEMORY. */
dho_status dho_decode_worker_finish(dho_decode_worker *worker, dho_box box, bool flip, void *out);

#endif

/* One thread's share of the loader: a draw becomes a row of numbers. Private to src/data. */
#ifndef DHO_DATA_DECODE_WORKER_H
#define DHO_DATA_DECODE_WORKER_H

#include "dho/loader.h"

/* How an image becomes a row: read-only, shared by all threads. */
typedef struct dho_view_plan {
    dho_loader_options options;
    dho_rng_purpose purpose[2]; /* of random crops: [unlabelled, labelled] */
} dho_view_plan;

/* Errors: DHO_ERR_CONFIG for sizes or ranges that cannot be. */
dho_status dho_view_plan_check(const dho_loader_options *options);

/* Buffers, reused from row to row: nothing is allocated once the largest image has passed. */
typedef struct dho_decode_worker {
    const dho_view_plan *plan;
    dho_image image;   /* the pixels of `held` */
    dho_image resized; /* of Resize + CenterCrop; a crop that is augmented */
    dho_pixel_finish finish;
    dho_resample_scratch scratch;
    uint8_t *file_bytes; /* owned */
    size_t file_capacity, file_size;
    char *path; /* owned; of the open image, for messages */
    size_t path_capacity;
    dho_loader_stats stats;
    int64_t open_id;   /* whose file_bytes these are, or DHO_NO_ID */
    int width, height; /* of that image */
    dho_box held;      /* the part of it that is decoded, or none */
} dho_decode_worker;

/* plan is borrowed. */
void dho_decode_worker_init(dho_decode_worker *worker, const dho_view_plan *plan);
void dho_decode_worker_release(dho_decode_worker *worker);

/* Reads the sample's file and the image's size, unless it is the one at hand.
 * Errors: DHO_ERR_FORMAT and DHO_ERR_IO blame the file. */
dho_status dho_decode_worker_open(dho_decode_worker *worker, int64_t id);

/* The crop of a draw of the open image: *box is none for Resize + CenterCrop.
 * Errors: DHO_ERR_FORMAT (a dictated box is not inside of the image). */
dho_status dho_decode_worker_choose(const dho_decode_worker *worker, const dho_draw *draw,
                                    dho_box *box, bool *flip);

/* Decodes what the crop needs, unless it is at hand; `whole`: all of the image, for more crops of
 * it. Errors: those of dho_image_decode_box: DHO_ERR_FORMAT blames the file. */
dho_status dho_decode_worker_decode(dho_decode_worker *worker, dho_box box, bool whole);

/* Resizes, flips, augments (by the draw's key) and normalises the decoded crop into out,
 * [size][size][3] of options.pixels. Errors: DHO_ERR_MEMORY. */
dho_status dho_decode_worker_finish(dho_decode_worker *worker, const dho_draw *draw, dho_box box,
                                    bool flip, void *out);

#endif

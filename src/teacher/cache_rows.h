/* A teacher's outputs of images and views, one row after another: what building a cache stores and
 * what verifying one compares. Private to src/teacher. */
#ifndef DHO_TEACHER_CACHE_ROWS_H
#define DHO_TEACHER_CACHE_ROWS_H

#include "dho/cache_builder.h"
#include "dho/infer.h"

typedef struct cache_rows {
    const dho_config *config;         /* borrowed */
    const dho_cache_teacher *teacher; /* borrowed */
    dho_dataset dataset;              /* owned */
    dho_cache_payload payload;
    int dim; /* of a row */
    dho_cache_transform transform;
    dho_infer *infer;       /* owned */
    bool started;
    const dho_batch *batch; /* in hand, of the infer; NULL: none */
    int row;                /* next row of the batch */
} cache_rows;

/* Opens the dataset of data.*, checks that the teacher is of its classes, and prepares to run it.
 * free_crops: the evaluation transform; else boxes. Close it also on failure. Local.
 * Errors: DHO_ERR_CONFIG, and those of the dataset and of memory. */
dho_status cache_rows_open(cache_rows *rows, const dho_config *config,
                           const dho_cache_teacher *teacher, dho_cache_payload payload,
                           bool free_crops);
void cache_rows_close(cache_rows *rows);

/* Starts with images ids[count], borrowed, `views` of each; ends what was started before.
 * source (NULL: boxes are drawn by data.* and the seed): see dho_view_source. */
dho_status cache_rows_start(cache_rows *rows, const int64_t *ids, int64_t count, int views,
                            dho_view_source source, void *context);
void cache_rows_stop(cache_rows *rows);

/* The next row into out->payload [dim], with its box and flip; *out_id: whose it is.
 * Errors: those of the loader; DHO_ERR_INTERNAL behind the last row. */
dho_status cache_rows_next(cache_rows *rows, int64_t *out_id, dho_cache_record *out);

/* Is the stored embedding normalised, since a cosine head sees it so? */
bool cache_rows_are_normalised(const cache_rows *rows);

#endif

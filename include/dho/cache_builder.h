/* A teacher run over the training set by all ranks: to build a cache, and to compare one with what
 * the teacher says now. */
#ifndef DHO_CACHE_BUILDER_H
#define DHO_CACHE_BUILDER_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/student.h"
#include "dho/teacher_cache.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_cache_teacher {
    /* Borrowed; its features exposed; one head. Of a cosine head the normalised features are the
     * embedding. class_names NULL: only their number is compared with the dataset's. */
    const dho_model *model;
    const char *kind, *name;      /* "model" or a CLIP model's name; its file: for people */
    dho_eval_transform transform; /* its own, of whole images */
    bool headless;                /* no head was given: it has embeddings only */
} dho_cache_teacher;

typedef struct dho_cache_build_options {
    dho_cache_teacher teacher;
    const char *out; /* the cache's folder */
    int shards, views;
    bool center; /* the teacher's own transform, free crops, one view; otherwise random crops */
    dho_cache_payload payload;
    dho_cache_encoding encoding;
    int top; /* of DHO_CACHE_TOPK, at most the classes; otherwise 0 */
} dho_cache_build_options;

/* Every rank writes the cache shards s with s mod P == rank; whole shards of an earlier,
 * interrupted build are kept when they were made with the very same settings. data.* of the
 * configuration names the images, the crops' distribution and their interpolation; the crops are
 * keyed by (seed, view, image). Says the bytes of a view and of all before it starts.
 * Collective. */
dho_status dho_cache_build(const dho_config *config, dho_comm *comm,
                           const dho_cache_build_options *options);

typedef struct dho_cache_sample {
    int64_t size;  /* images, >= 1, one view of each; all images where there are no more */
    uint64_t seed; /* which */
} dho_cache_sample;

typedef struct dho_cache_agreement {
    int64_t views, equal; /* compared; equal bit for bit */
    double largest;       /* difference of a record (docs/teacher-cache.md, "Recomputing") */
    double tolerance;     /* what rounding may make of it */
} dho_cache_agreement;

/* Computes a sample of the records again, spread over the shards, from the images of data.* and the
 * stored boxes, and compares. The same on all ranks, and whatever their number chooses the same.
 * Collective. Errors: DHO_ERR_CONFIG when the cache's settings are not those that data.* and the
 * teacher give; DHO_ERR_FORMAT naming the image and the view that differs most. */
dho_status dho_cache_recompute(const dho_config *config, dho_comm *comm, dho_cache *cache,
                               const dho_cache_teacher *teacher, const dho_cache_sample *sample,
                               dho_cache_agreement *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

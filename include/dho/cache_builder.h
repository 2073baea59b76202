/* Building a teacher cache: a trained model is run over the training set by all ranks. */
#ifndef DHO_CACHE_BUILDER_H
#define DHO_CACHE_BUILDER_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/student.h"
#include "dho/teacher_cache.h"

typedef struct dho_cache_build_options {
    /* Borrowed; its features exposed; one head. Of a cosine head the normalised features are the
     * embedding. class_names NULL: only their number is compared with the dataset's. */
    const dho_model *teacher;
    const char *kind;         /* "model", "clip" */
    const char *teacher_name; /* for people: kept in the manifest */
    const char *out;          /* the cache's folder */
    int shards, views;
    bool center; /* the evaluation transform, free crops, one view; otherwise random crops */
    int resize;  /* of that transform: the short side; 0: eval.resize; negative: squashed */
    dho_cache_payload payload;
    dho_cache_encoding encoding;
    int top; /* of DHO_CACHE_TOPK, at most the classes; otherwise 0 */
} dho_cache_build_options;

/* Every rank writes the cache shards s with s mod P == rank; whole shards of an earlier,
 * interrupted build are kept. data.* of the configuration names the images and the crops'
 * distribution; the crops are keyed by (seed, view, image). Says bytes per image before it starts.
 * Collective. */
dho_status dho_cache_build(const dho_config *config, dho_comm *comm,
                           const dho_cache_build_options *options);

#endif

/* A model over images of a data set: decoding, forward and outputs, one batch after another on one
 * rank, or over the whole set on all ranks. What evaluation, teacher caches and embeddings share.
 */
#ifndef DHO_INFER_H
#define DHO_INFER_H

#include "dho/comm.h"
#include "dho/compute.h"
#include "dho/config.h"
#include "dho/dataset.h"
#include "dho/image.h"
#include "dho/loader.h"
#include "dho/student.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_infer dho_infer;

/* Prepares to run a model. config: compute.*, eval.batch, data.loader_threads, data.prefetch, and
 * for random views data.crop_*, data.flip and seed; both are borrowed. *out is owned
 * (dho_infer_close), NULL on error. Local. Errors: those of dho_compute_create and of memory. */
dho_status dho_infer_open(dho_infer **out, const dho_config *config, const dho_model *model);
/* The same with batch normalisations folded into convolutions: faster, other last bits. The model's
 * numbers must not change. */
dho_status dho_infer_open_folded(dho_infer **out, const dho_config *config, const dho_model *model);
void dho_infer_close(dho_infer **infer);
/* What computes. Borrowed. */
dho_compute *dho_infer_compute(const dho_infer *infer);
int dho_infer_batch(const dho_infer *infer);    /* images that are run together at most */
size_t dho_infer_bytes(const dho_infer *infer); /* of activations */
/* From now on dho_infer_next asks `stop` before each batch, and fails with DHO_PREEMPTED where it
 * says yes. NULL: it asks nobody. */
void dho_infer_stop_when(dho_infer *infer, bool (*stop)(void));

/* --- on one rank, batch by batch --- */

/* Which images, and how they are seen. All is borrowed, until dho_infer_stop. */
typedef struct dho_infer_images {
    const dho_dataset *dataset;
    const int64_t *ids; /* [count] */
    int64_t count;
    int views;        /* of each image, >= 1 */
    bool keep_broken; /* an image that cannot be read fails nothing: its batch says why */
    /* Neither resize_short nor squash: random views of data.*, or those of view_source. */
    dho_eval_transform transform;
    dho_view_source view_source; /* NULL: none */
    void *view_context;
} dho_infer_images;

/* Begins with these images; ends what was begun before. Errors: those of dho_eval_loader_create. */
dho_status dho_infer_start(dho_infer *infer, const dho_infer_images *images);
/* Runs the next batch. It and its outputs stay until the next call; count is 0 behind the last.
 * Errors: those of dho_eval_loader_next, DHO_ERR_MEMORY. */
dho_status dho_infer_next(dho_infer *infer, const dho_batch **out);
/* Output [count][width] of a node of the model's graph for the batch in hand. */
const float *dho_infer_output(const dho_infer *infer, int node);
void dho_infer_stop(dho_infer *infer);
/* From now on each batch shows its values (dho_executor_observe). */
void dho_infer_observe(dho_infer *infer, dho_value_observer see, void *context);

/* --- a list of images on all ranks --- */

/* How a list is dealt: batch b of it goes to rank b mod P, so what is computed of an image does not
 * depend on P. A place is an index into the list. Local. */
typedef struct dho_deal {
    int64_t total; /* images of the list */
    int batch, ranks;
} dho_deal;

dho_deal dho_infer_deal(const dho_infer *infer, const dho_comm *comm, int64_t total);
/* How many images a rank has, and the place of its i-th. */
int64_t dho_deal_count(const dho_deal *deal, int rank);
int64_t dho_deal_place(const dho_deal *deal, int rank, int64_t i);

/* One output of each image. */
typedef struct dho_infer_rows {
    int node;
    size_t width;
    const char *name; /* in messages: "the embedding" */
    float *rows;      /* [dataset.count][width] on rank 0, owned by the caller; NULL elsewhere */
} dho_infer_rows;

/* Takes the outputs of a batch: outputs[o] is [count][width], and valid until it returns; the first
 * image is the rank's i-th. */
typedef dho_status dho_infer_take(void *context, const float *const *outputs, int64_t i, int count);

/* Runs this rank's images of a list through the model and hands over at most
 * DHO_INFER_MAX_OUTPUTS outputs of each batch (`rows` is not used). ids: [total], or NULL: image i
 * of the data set is at place i. Local: callers agree.
 * Errors: those of dho_infer_next and of `take`; DHO_ERR_NUMERIC naming the image whose output is
 * not finite. */
enum { DHO_INFER_MAX_OUTPUTS = 4 };
typedef struct dho_infer_list {
    const dho_dataset *dataset;
    const int64_t *ids; /* [deal.total] or NULL; borrowed */
    dho_deal deal;
    int rank;
    dho_eval_transform transform;
    const dho_infer_rows *outputs; /* [count] */
    int count;
} dho_infer_list;
dho_status dho_infer_share(dho_infer *infer, const dho_infer_list *list, dho_infer_take *take,
                           void *context);

/* Runs all images through the model and fills `rows` of the outputs in the data set's order.
 * Collective. Errors: those of dho_infer_share. The outputs are released then. */
dho_status dho_infer_all(dho_infer *infer, dho_comm *comm, const dho_dataset *dataset,
                         dho_eval_transform transform, dho_infer_rows *outputs, int count);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

/* Tip-Adapter and Tip-Adapter-F (Zhang et al., ECCV 2022): a head with keys out of a few labelled
 * images, its training, and the choice of alpha and beta. docs/tip-adapter.md. */
#ifndef DHO_TIP_ADAPTER_H
#define DHO_TIP_ADAPTER_H

#include "dho/comm.h"
#include "dho/compute.h"
#include "dho/teacher_head.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Embeddings of labelled images: those that become keys, or a set to choose on or to test on. */
typedef struct dho_shots {
    int64_t count;
    int views, dim;
    float *features; /* owned, [views][count][dim], of length 1 */
    float *keys;     /* owned, [count][dim]: mean of an image's views before they got length 1, of
                        length 1; NULL with one view, whose features they are */
    int64_t *labels; /* owned, [count], 0 .. classes - 1 */
} dho_shots;

/* Writes view `view` of image `at` (0 .. count - 1) to row [dim]. */
typedef dho_status dho_shot_reader(void *context, int64_t at, int view, float *row);
/* Embeddings that `read` brings, one after the other; `name` stands in messages. labels [count] is
 * copied. Local. Errors: those of `read`; DHO_ERR_NUMERIC for an embedding that is 0;
 * DHO_ERR_MEMORY. */
dho_status dho_shots_read(dho_shots *out, int64_t count, int views, int dim, const int64_t *labels,
                          dho_shot_reader *read, void *context, const char *name);
/* From a safetensors file: "features" (or "cache_keys", or "keys") [N, D], and "labels" [N] or
 * one-hot "cache_values" (or "values") [N, C]. normalise: give the rows length 1. Local.
 * Errors: DHO_ERR_CONFIG (another width than dim), DHO_ERR_FORMAT (missing, not one-hot, a label
 * out of range, not finite), DHO_ERR_NUMERIC (a row of zeros), DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_shots_load(dho_shots *out, const char *path, int dim, int classes, bool normalise);
/* From the two files of Tip-Adapter's public code, torch.save of one tensor each: keys [D, N] (its
 * keys_16shots.pt; its adapter.weight [N, D] too, where N is not D) and one-hot values [N, C].
 * Errors: as of dho_shots_load. */
dho_status dho_shots_load_torch(dho_shots *out, const char *keys_path, const char *values_path,
                                int dim, int classes, bool normalise);
/* Copies the last `held` images of each class into *out_held, the others into *out_rest. Local.
 * Errors: DHO_ERR_CONFIG when a class that has images has none left. */
dho_status dho_shots_split(const dho_shots *shots, int classes, int held, dho_shots *out_rest,
                           dho_shots *out_held);
void dho_shots_free(dho_shots *shots);

typedef struct dho_tip_training {
    int epochs, batch;
    double lr, eps, weight_decay; /* AdamW with betas .9, .999; cosine to 0 over all steps */
    uint64_t seed;
    /* May be NULL; after each epoch, with the mean loss and the part that was right. */
    void (*on_epoch)(void *context, int epoch, double loss, double accuracy);
    void *context;
} dho_tip_training;

/* Tip-Adapter-F: trains head->keys with the cross-entropy of the head's logits on the shots (epoch
 * e sees view e mod views), nothing else of the head. An epoch's order is 0 .. count-1 shuffled by
 * (seed, DHO_RNG_TIP_ADAPTER, e); its last batch may be short. The gradient of key k, of class c,
 * over a batch of B rows f_b with softmax p_b is
 *   sum over b of alpha beta E_bk (p_bc - [y_b = c]) / B f_b,   E_bk = exp(-beta (1 - f_b k)).
 * Local. Errors: DHO_ERR_NUMERIC when the loss is not finite, DHO_ERR_MEMORY. */
dho_status dho_tip_fine_tune(dho_compute *compute, dho_teacher_head *head, const dho_shots *shots,
                             const dho_tip_training *training);

/* Which rows of a set count: those with row mod every == 0, or (rest) the others. All views do. */
typedef struct dho_tip_rows {
    int every; /* >= 1 */
    bool rest;
} dho_tip_rows;

int64_t dho_tip_row_count(const dho_shots *set, dho_tip_rows rows);

/* For each beta and alpha the rows of the set that the head, with these instead of its own, has
 * right (a tie is wrong): correct[beta_count][alpha_count]. Blocks of rows are shared out to the
 * ranks; the result is the same on all and does not depend on their number. Collective. */
dho_status dho_tip_count(dho_compute *compute, dho_comm *comm, const dho_teacher_head *head,
                         const dho_shots *set, dho_tip_rows rows, const float *betas,
                         int beta_count, const float *alphas, int alpha_count, int64_t *correct);

#ifdef __cplusplus
}
#endif

#endif

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
#pragma GCC visibility push(default)

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
 * one-hot "cache_values" (or "values") [N, C]. normalise: give the rows length 1. dim, classes:
 * what they must be; 0: any. Local. Errors: DHO_ERR_CONFIG (another width than dim), DHO_ERR_FORMAT
 * (missing, not one-hot, a label out of range, not finite), DHO_ERR_NUMERIC (a row of zeros),
 * DHO_ERR_IO, DHO_ERR_MEMORY. */
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

/* Values that are tried, each beta with each alpha; borrowed. */
typedef struct dho_tip_values {
    const float *betas, *alphas;
    int beta_count, alpha_count;
} dho_tip_values;

/* For each beta and alpha the rows of the set that the head, with these instead of its own, has
 * right (a tie is wrong): correct[beta_count][alpha_count]. Blocks of rows are shared out to the
 * ranks; the result is the same on all and does not depend on their number. Collective. */
dho_status dho_tip_count(dho_compute *compute, dho_comm *comm, const dho_teacher_head *head,
                         const dho_shots *set, dho_tip_rows rows, const dho_tip_values *values,
                         int64_t *correct);

/* --- the whole of it --- */

/* Values i (scale - 0.1) / steps + 0.1, i = 0 .. steps - 1; [0]: of beta, [1]: of alpha
 * (Tip-Adapter's search_scale and search_step). */
typedef struct dho_tip_grid {
    double scale[2];
    int steps[2];
} dho_tip_grid;

/* What a head with keys is made of, and measured on; owned. */
typedef struct dho_tip_inputs {
    dho_teacher_head base;         /* without keys */
    dho_shots shots, search, test; /* the last two: count 0 for none */
    char name[64];                 /* of the shots, for messages */
} dho_tip_inputs;

void dho_tip_inputs_free(dho_tip_inputs *inputs);

typedef struct dho_tip_options {
    double alpha, beta; /* of the training, and of the result unless a search chooses others */
    int every;          /* alpha and beta are chosen on every n-th row of the search set ... */
    int hold_out;       /* ... or on so many shots of each class; 0: not */
    bool fine_tune;
    dho_tip_grid grid;
    dho_tip_training training;
} dho_tip_options;

enum { DHO_TIP_COLUMNS = 3, DHO_TIP_LINES = 5 };

typedef struct dho_tip_column {
    const char *name;
    int64_t rows; /* 0: not measured */
} dho_tip_column;

typedef struct dho_tip_line {
    const char *name;
    bool has_keys; /* alpha and beta mean something */
    float alpha, beta;
    int64_t right[DHO_TIP_COLUMNS]; /* of the column's rows */
} dho_tip_line;

typedef struct dho_tip_result {
    dho_teacher_head head;           /* owned, with the chosen alpha and beta */
    const char *kind;                /* "Tip-Adapter" or "Tip-Adapter-F" */
    char training[256], chosen[160]; /* for people */
    dho_tip_column columns[DHO_TIP_COLUMNS];
    dho_tip_line lines[DHO_TIP_LINES]; /* the head alone, then with keys */
    int line_count;                    /* 0: there is no set to measure on */
} dho_tip_result;

/* Builds the head of all shots, trains its keys where that is asked for, chooses alpha and beta,
 * and measures. Rank 0 trains and logs each epoch. The same on all ranks. Collective. */
dho_status dho_tip_run(dho_compute *compute, dho_comm *comm, const dho_tip_inputs *inputs,
                       const dho_tip_options *options, dho_tip_result *out);
/* The head as a file (dho/teacher_head.h). Local. Errors: DHO_ERR_NUMERIC for a number that is not
 * finite; those of writing. */
dho_status dho_tip_save(const dho_tip_result *result, const char *path);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

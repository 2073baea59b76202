/* Evaluation: head outputs of test sets, accuracy of the combined prediction, choice of alpha and
 * beta. */
#ifndef DHO_EVALUATE_H
#define DHO_EVALUATE_H

#include "dho/checkpoint.h"
#include "dho/comm.h"
#include "dho/config.h"
#include "dho/status.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What a student said of a set: enough to sweep alpha and beta without running it again. */
typedef struct dho_head_outputs {
    int64_t count;
    int classes;
    float *logits[2]; /* owned, [count][classes]; [1] NULL for one head */
    int32_t *labels;  /* owned, [count] */
    bool *mask;       /* owned, [classes]: classes that take part; NULL: all */
    /* Paths of the images in row order and names of the classes, each with its NUL behind it;
     * owned; NULL in files of older versions. */
    char *image_names, *class_names;
    size_t image_name_bytes, class_name_bytes;
} dho_head_outputs;

void dho_head_outputs_free(dho_head_outputs *outputs);

/* Whose outputs a file OUT/eval/<set>.safetensors holds. */
typedef struct dho_outputs_origin {
    const char *method, *checkpoint; /* borrowed */
    int64_t step;
    bool ema; /* of the average of the weights */
} dho_outputs_origin;

/* Reads such a file. Errors: DHO_ERR_CONFIG when it is of another origin; DHO_ERR_IO,
 * DHO_ERR_FORMAT, DHO_ERR_MEMORY. Local. */
dho_status dho_outputs_load(const char *path, const dho_outputs_origin *origin,
                            dho_head_outputs *out);

/* A count of hits with its uncertainty. */
typedef struct dho_accuracy {
    int64_t count, top1, top5;
} dho_accuracy;

/* 95 % interval of a proportion k/n (Wilson 1927), in 0..1. */
void dho_wilson_interval(int64_t k, int64_t n, double *low, double *high);

/* p = alpha ce + (1 - alpha) kd; kd NULL: ce. In double, so that an alpha beside a breakpoint
 * (dho/plateau.h) is on its own side. */
static inline void dho_combine(int classes, double alpha, const float *ce, const float *kd,
                               double *p)
{
    const double rest = 1 - alpha;
    for (int c = 0; c < classes; c++) p[c] = kd != NULL ? alpha * ce[c] + rest * kd[c] : ce[c];
}

/* How many other classes are at least as probable as the label: a tie counts against it, and what
 * is not a number is a miss. */
static inline int dho_rank_of(int classes, const double *p, int32_t label)
{
    int above = -1; /* the label itself is counted, too */
    if (!(p[label] >= 0)) return INT_MAX;
    for (int c = 0; c < classes; c++) above += !(p[c] < p[label]);
    return above;
}

/* Top-1 and top-5 of p = alpha softmax(ce) + (1 - alpha) softmax(kd / beta) for every pair of the
 * grid, masked classes left out before the softmax; out[alpha_count][beta_count]. With one head,
 * and for alpha = 1, that is the supervised head alone; alpha = 0 is the distillation head alone.
 * A tie counts against the label: its rank is the number of other classes that are at least as
 * probable. Local; threads: OpenMP. */
dho_status dho_outputs_sweep(const dho_head_outputs *outputs, const double *alphas,
                             size_t alpha_count, const double *betas, size_t beta_count,
                             int threads, dho_accuracy *out);

/* Top-1 and top-5 of p as above with an alpha of each image by its heads' entropies H (the paper's
 * equation 42): exp(-H(ce)) / (exp(-H(ce)) + exp(-H(kd))), kd at temperature beta. Outputs of two
 * heads. Does not depend on `threads`. Errors: DHO_ERR_MEMORY. Local. */
dho_status dho_outputs_by_entropy(const dho_head_outputs *outputs, double beta, int threads,
                                  dho_accuracy *out);

/* What is predicted for an image: the first class and its probability. A tie counts against the
 * label: `top` is the label only where it is more probable than every other class. top -1: no
 * probability is a number. */
typedef struct dho_prediction {
    int32_t top;
    double probability;
} dho_prediction;

/* Of each row by p as above, out[outputs->count]. Errors: DHO_ERR_MEMORY. Local. */
dho_status dho_outputs_predict(const dho_head_outputs *outputs, double alpha, double beta,
                               int threads, dho_prediction *out);

/* A class in a set: its images, how many of them are predicted right, and how many images of any
 * class are taken for it. Recall: right / images. Precision: right / predicted. */
typedef struct dho_class_count {
    int64_t images, right, predicted;
} dho_class_count;

/* predictions: [outputs->count]; out: [outputs->classes]. Local. */
void dho_outputs_count_classes(const dho_head_outputs *outputs, const dho_prediction *predictions,
                               dho_class_count *out);
/* The mean recall of the classes that have images, in 0..1: each class counts alike, however many
 * images it has. 0 without images. Local. */
double dho_macro_accuracy(const dho_class_count *counts, int classes);

/* Index a * beta_count + b of the pair with the best top-1. Ties: middle: to the alpha nearest 0.5,
 * then the beta nearest 1, then the first alpha; first: to the first beta, then the first alpha, as
 * the method's public code goes through the grid. Local. */
size_t dho_sweep_best(const dho_accuracy *grid, const double *alphas, size_t alpha_count,
                      const double *betas, size_t beta_count, dho_ties ties);

/* Evaluates a chosen checkpoint (its path NULL: of config->out) on every set of
 * config->eval: all ranks compute, rank 0 gathers, chooses alpha and beta on eval.select_on, prints
 * a table to standard output and writes OUT/eval.json, OUT/eval/<set>.safetensors and
 * OUT/eval/config.yaml.
 * stored: take the head outputs from OUT/eval/ instead of running the student. Collective. */
dho_status dho_evaluate(const dho_config *config, dho_comm *comm,
                        const dho_checkpoint_choice *choice, bool stored);

/* The same of a file of weights, without a run: one that `dho export` wrote, or any that
 * student.init and student.init_head can read (docs/weights.md); the classes are then data.root's.
 * Errors: DHO_ERR_CONFIG, also where config->out is the folder of a run. Collective. */
dho_status dho_evaluate_weights(const dho_config *config, dho_comm *comm, const char *path);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

/* A trained student with everything that makes its prediction: from a run's folder, a checkpoint or
 * an export. docs/predict.md
 *
 *     p = alpha softmax(ce) + (1 - alpha) softmax(kd / beta)
 *
 * of a student with two heads; of one head p = softmax(logits). With a temperature T from an
 * evaluation, q = softmax(log(p) / T) takes its place. */
#ifndef DHO_CLASSIFIER_H
#define DHO_CLASSIFIER_H

#include "dho/checkpoint.h"
#include "dho/comm.h"
#include "dho/config.h"
#include "dho/image.h"
#include "dho/student.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_classifier {
    dho_model model;              /* owned: weights, normalisation, names of the classes */
    dho_eval_transform transform; /* how a whole image becomes its input */
    double alpha, beta;           /* of two heads; 0.5 and 1 where nothing says them */
    bool chosen; /* alpha and beta are those of an evaluation of these very weights */
    /* T of the prediction, and of each head alone (docs/method.md); 1 where none was chosen. */
    double temperature, head_temperatures[2];
    char *source; /* owned: the folder of the checkpoint, or the file of the export */
    dho_method method;
    int64_t step;                   /* optimiser steps that the weights have seen */
    bool ema;                       /* they are the average over the steps (train.ema) */
    struct dho_classifier_run *run; /* owned; of dho_classifier_predict_file, NULL before it */
} dho_classifier;

/* choice->path: a run's folder (its newest checkpoint, or its best), a checkpoint, or a file that
 * `dho export` wrote
 * with the head "both" or one head. Of a checkpoint alpha, beta, T, eval.resize and
 * eval.interpolation are those of the run's evaluation, if that is of this checkpoint; else the
 * last two are those of the run's config.yaml. Every rank reads; all must find the same weights.
 * Collective. *out is owned (dho_classifier_close), all zero on error. Errors: DHO_ERR_CONFIG (no
 * such file or folder, a file that is no such export, weights that differ between the ranks),
 * DHO_ERR_MEMORY. */
dho_status dho_classifier_open(dho_comm *comm, const dho_checkpoint_choice *choice,
                               dho_classifier *out);
/* The same of a checkpoint or a run's folder only. */
dho_status dho_classifier_open_checkpoint(dho_comm *comm, const dho_checkpoint_choice *choice,
                                          dho_classifier *out);
void dho_classifier_close(dho_classifier *classifier);

/* Another temperature, of the prediction and of each head; 0: they stay. Local. */
void dho_classifier_set_temperature(dho_classifier *classifier, double temperature);

/* What people call class c: data.class_names, or else the name that it has in the data set. */
const char *dho_classifier_title(const dho_classifier *classifier, int c);

/* Decodes an image file and predicts it: p [classes] of the combination, by compute's defaults.
 * What it makes at the first image stays for the next ones; not for two threads at once. Local.
 * Errors: those of reading and decoding, and of dho_infer_open. */
dho_status dho_classifier_predict_file(dho_classifier *classifier, const char *path, double *p);

/* The prediction of one image from the logits of its heads; heads[1] is not read of one head.
 * ce = softmax(heads[0]), kd = softmax(heads[1] / beta) (two heads), p, at the temperature:
 * [classes]. Local. */
void dho_classifier_combine(const dho_classifier *classifier, const float *const heads[2],
                            float *ce, float *kd, double *p);

/* --- "none of these": images that are of no class --- */

typedef enum dho_reject {
    DHO_REJECT_NEVER,
    DHO_REJECT_ENERGY, /* -T logsumexp(logits / T), Liu et al. 2020 (arXiv 2010.03759), T = 1; of
                          two heads alpha E(ce; T = 1) + (1 - alpha) E(kd; T = beta) */
    DHO_REJECT_PROBABILITY /* 1 - the largest p */
} dho_reject;

/* The score of one image: the larger, the less it is one of the classes. Local. */
double dho_classifier_score(const dho_classifier *classifier, dho_reject kind,
                            const float *const heads[2], const double *p);

/* The score that `accept` (0 .. 1) of a set's images do not exceed, from the outputs that an
 * evaluation of this checkpoint has stored: of the set on which alpha and beta were chosen, or else
 * of the first one. *out_set: its name, owned by the caller. Local. Errors: DHO_ERR_CONFIG (an
 * export, no evaluation of this checkpoint), DHO_ERR_FORMAT, DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_classifier_find_threshold(const dho_classifier *classifier, dho_reject kind,
                                         double accept, double *out, char **out_set);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

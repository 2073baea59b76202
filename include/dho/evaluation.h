/* The record of an evaluation, RUN/eval.json: what `dho eval` found, for tables, reports and
 * exports. Local. */
#ifndef DHO_EVALUATION_H
#define DHO_EVALUATION_H

#include "dho/calibration.h"
#include "dho/evaluate.h"
#include "dho/plateau.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Which accuracy of a set. */
typedef enum dho_score_kind {
    DHO_SCORE_COMBINED,
    DHO_SCORE_CE_HEAD,
    DHO_SCORE_KD_HEAD,
    DHO_SCORE_EXACT,   /* at the best plateau's alpha and beta */
    DHO_SCORE_FIXED,   /* at the configuration's alpha and beta, where others were chosen */
    DHO_SCORE_ENTROPY, /* an alpha for each image, by its heads' entropies (dho_outputs_by_entropy)
                        */
    DHO_SCORE_KINDS
} dho_score_kind;
extern const char *const dho_score_names[DHO_SCORE_KINDS + 1]; /* eval.json's keys; then NULL */

/* One accuracy, in percent; low, high: Wilson's 95 % interval of top1. NAN: a file does not have
 * it, as those of older versions. */
typedef struct dho_score {
    bool present;
    double top1, low, high, top5;
    double macro;           /* mean recall of the classes, percent; of the first three kinds */
    dho_calibration plain;  /* of the probabilities as they are; of the first three kinds */
    dho_calibration scaled; /* at the evaluation's temperature; NAN where none was chosen */
} dho_score;

/* Its accuracies; the rest is NAN. */
dho_score dho_score_of(const dho_accuracy *accuracy);

typedef struct dho_evaluated_set {
    char *name; /* owned; unique, can be a file's */
    int64_t images;
    int64_t classes;                   /* that take part */
    bool chosen_here;                  /* alpha and beta were chosen on this very set */
    dho_score scores[DHO_SCORE_KINDS]; /* combined is always present; each head's: of two heads */
    /* Of the combined prediction, owned, [the student's classes]. They are written to a file of
     * their own: NULL after a load. */
    dho_class_count *counts;
} dho_evaluated_set;

typedef struct dho_evaluation {
    char *checkpoint, *method; /* owned; NULL: not said */
    int64_t step;
    bool ema;           /* of the average of the weights (train.ema) */
    bool dual;          /* two heads, combined with alpha and beta */
    double alpha, beta; /* 0.5, 1 where they are not said */
    char *
        chosen_on; /* owned: a set, or "": alpha and beta are the configuration's; NULL: not said */
    double fixed_alpha, fixed_beta; /* the configuration's; alpha, beta where nothing was chosen */
    /* The temperatures with the least nll on the set `scaled_on` (owned; NULL: none were chosen):
     * of the combined prediction and of each head that is scored; the others 1. */
    char *scaled_on;
    double temperatures[DHO_SCORE_KINDS];
    char *holdout; /* owned: what the set DHO_HOLDOUT_NAME is, as a phrase; NULL: there is none */
    dho_evaluated_set *sets; /* owned, [set_count] */
    size_t set_count;
    /* The best plateau on `chosen_on` at each of eval.betas, owned, [plateau_count]. They are
     * written for people; nobody reads them back: NULL after a load, and where nothing was chosen.
     */
    dho_plateau *plateaus;
    size_t plateau_count;
} dho_evaluation;

/* Writes `path`, atomically. Errors: DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_evaluation_save(const dho_evaluation *evaluation, const char *path);
/* Errors: DHO_ERR_CONFIG when RUN has no eval.json; DHO_ERR_IO, DHO_ERR_FORMAT, DHO_ERR_MEMORY.
 * Zeroed on error. */
dho_status dho_evaluation_load(dho_evaluation *out, const char *run_folder);
void dho_evaluation_free(dho_evaluation *evaluation);

/* How the scores of a kind are made of the heads' logits, without a temperature. */
dho_combination dho_evaluation_combination(const dho_evaluation *evaluation, dho_score_kind kind);

/* Reads RUN/eval/<set>.safetensors of an evaluation that names its method and checkpoint, as the
 * set was scored: mask NULL where all classes took part. Owned: dho_head_outputs_free. Errors:
 * those of dho_outputs_load; DHO_ERR_FORMAT when it has not the record's number of images. */
dho_status dho_evaluation_load_outputs(const dho_evaluation *evaluation, const char *run_folder,
                                       const dho_evaluated_set *set, dho_head_outputs *out);

/* A set by its name, or NULL. */
const dho_evaluated_set *dho_evaluation_find(const dho_evaluation *evaluation, const char *name);

/* *out: "evaluated at step 2, its newest checkpoint is of step 4: dho eval RUN renews it"; NULL
 * when the evaluation is of the newest checkpoint or of the best, or the run keeps none. Owned by
 * the caller. Errors: DHO_ERR_MEMORY. */
dho_status dho_evaluation_age(const dho_evaluation *evaluation, const char *run_folder, char **out);

/* The command that evaluates a run, with the settings of its last evaluation: "dho eval RUN" where
 * they are the training's. Owned by the caller. Errors: DHO_ERR_MEMORY. */
dho_status dho_evaluation_command(const char *run_folder, char **out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

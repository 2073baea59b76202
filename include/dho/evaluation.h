/* The record of an evaluation, RUN/eval.json: what `dho eval` found, for tables, reports and
 * exports. Local. */
#ifndef DHO_EVALUATION_H
#define DHO_EVALUATION_H

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
    DHO_SCORE_EXACT, /* at the best plateau's alpha and beta */
    DHO_SCORE_KINDS
} dho_score_kind;
extern const char *const dho_score_names[DHO_SCORE_KINDS + 1]; /* eval.json's keys; then NULL */

/* One accuracy, in percent; low, high: Wilson's 95 % interval of top1. */
typedef struct dho_score {
    bool present;
    double top1, low, high, top5; /* top5: NAN where a file does not have it */
} dho_score;

dho_score dho_score_of(const dho_accuracy *accuracy);

typedef struct dho_evaluated_set {
    char *name; /* owned; unique, can be a file's */
    int64_t images;
    int64_t classes;                   /* that take part */
    bool chosen_here;                  /* alpha and beta were chosen on this very set */
    dho_score scores[DHO_SCORE_KINDS]; /* combined is always present; each head's: of two heads */
} dho_evaluated_set;

typedef struct dho_evaluation {
    char *checkpoint, *method; /* owned; NULL: not said */
    int64_t step;
    bool dual;          /* two heads, combined with alpha and beta */
    double alpha, beta; /* 0.5, 1 where they are not said */
    char *
        chosen_on; /* owned: a set, or "": alpha and beta are the configuration's; NULL: not said */
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

/* A set by its name, or NULL. */
const dho_evaluated_set *dho_evaluation_find(const dho_evaluation *evaluation, const char *name);

/* *out: "evaluated at step 2, its newest checkpoint is of step 4: dho eval RUN renews it"; NULL
 * when the evaluation is of the newest checkpoint, or the run keeps none. Owned by the caller.
 * Errors: DHO_ERR_MEMORY. */
dho_status dho_evaluation_age(const dho_evaluation *evaluation, const char *run_folder, char **out);

/* The command that evaluates a run, with the settings of its last evaluation: "dho eval RUN" where
 * they are the training's. Owned by the caller. Errors: DHO_ERR_MEMORY. */
dho_status dho_evaluation_command(const char *run_folder, char **out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

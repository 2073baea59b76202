/* RUN/eval.json, read: what report_table.c wrote. Private to src/eval and src/cli. Local. */
#ifndef DHO_EVAL_STORED_EVALUATION_H
#define DHO_EVAL_STORED_EVALUATION_H

#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which accuracy of a set. */
typedef enum dho_score_kind {
    DHO_SCORE_COMBINED,
    DHO_SCORE_CE_HEAD,
    DHO_SCORE_KD_HEAD,
    DHO_SCORE_EXACT, /* at the best plateau's alpha and beta */
    DHO_SCORE_KINDS
} dho_score_kind;
extern const char *const dho_score_names[DHO_SCORE_KINDS + 1]; /* eval.json's keys; then NULL */

/* One accuracy, in percent; low, high: Wilson's 95 % interval. */
typedef struct dho_score {
    bool present;
    double top1, low, high, top5; /* top5: NAN where it is not there */
} dho_score;

typedef struct dho_stored_set {
    char *name; /* owned; unique, can be a file's */
    int64_t images, classes;
    bool chosen_here;                  /* alpha and beta were chosen on this very set */
    dho_score scores[DHO_SCORE_KINDS]; /* combined is always present */
} dho_stored_set;

typedef struct dho_stored_evaluation {
    char *method, *checkpoint, *chosen_on; /* owned; NULL: not said */
    int64_t step;
    double alpha, beta;   /* 0.5, 1 where they are not said */
    dho_stored_set *sets; /* owned, [set_count] */
    size_t set_count;
} dho_stored_evaluation;

/* Errors: DHO_ERR_CONFIG when RUN has no eval.json; DHO_ERR_IO, DHO_ERR_FORMAT, DHO_ERR_MEMORY.
 * Zeroed on error. */
dho_status dho_stored_evaluation_load(dho_stored_evaluation *out, const char *run_folder);
void dho_stored_evaluation_free(dho_stored_evaluation *evaluation);
/* A set by its name, or NULL. */
const dho_stored_set *dho_stored_evaluation_find(const dho_stored_evaluation *evaluation,
                                                 const char *name);

#endif

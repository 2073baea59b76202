/* The result of an evaluation, as a table for people and as JSON. Private to src/eval. */
#ifndef DHO_EVAL_EVALUATION_PRINT_H
#define DHO_EVAL_EVALUATION_PRINT_H

#include "dho/evaluate.h"
#include "eval/plateau.h"

/* One test set. ce and kd equal combined where there is one head. */
typedef struct dho_set_result {
    const char *name; /* borrowed */
    int classes_used; /* classes that take part */
    bool selected_on; /* alpha and beta were chosen on this very set */
    dho_accuracy combined, ce, kd;
    dho_accuracy exact; /* at the best plateau's alpha and beta, if there are plateaus */
} dho_set_result;

typedef struct dho_evaluation {
    const char *checkpoint; /* borrowed */
    const char *method;
    int64_t step;
    bool dual;
    double alpha, beta;
    const char *select_on; /* "" : alpha and beta are the configuration's */
    dho_plateau *plateaus; /* [plateau_count], of select_on, one for each of eval.betas; owned by
                              the caller; NULL: nothing was chosen */
    size_t plateau_count;
    dho_set_result *sets; /* [set_count], owned by the caller */
    size_t set_count;
} dho_evaluation;

/* To standard output. */
void dho_evaluation_print(const dho_evaluation *evaluation);
dho_status dho_evaluation_save(const dho_evaluation *evaluation, const char *path);

#endif

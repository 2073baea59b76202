/* Is a run's evaluation of its newest checkpoint, and what renews it? Private to src/eval and
 * src/cli. Local. */
#ifndef DHO_EVAL_EVALUATION_AGE_H
#define DHO_EVAL_EVALUATION_AGE_H

#include "eval/stored_evaluation.h"

/* *out: "evaluated at step 2, its newest checkpoint is of step 4: dho eval RUN renews it"; NULL
 * when the evaluation is of the newest checkpoint, or the run keeps none. Owned by the caller.
 * Errors: DHO_ERR_MEMORY. */
dho_status dho_evaluation_age(const dho_stored_evaluation *evaluation, const char *run_folder,
                              char **out);

/* The command that evaluates a run, with the settings of its last evaluation: "dho eval RUN" where
 * they are the training's. Owned by the caller. Errors: DHO_ERR_MEMORY. */
dho_status dho_evaluation_command(const char *run_folder, char **out);

#endif

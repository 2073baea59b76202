/* An evaluation's accuracies for TensorBoard. Private to src/eval. */
#ifndef DHO_EVAL_EVALUATION_EVENTS_H
#define DHO_EVAL_EVALUATION_EVENTS_H

#include "dho/evaluation.h"

/* Writes RUN/eval/events.out.tfevents.STEP, atomically: evaluations of several checkpoints are
 * files of their own, and one that is made again takes the place of the former. What cannot be
 * written is said and is no failure. */
void dho_evaluation_save_events(const dho_evaluation *evaluation, const char *run_folder);

#endif

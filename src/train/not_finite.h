/* Whose fault it is that a step is not finite. Private to src/train. */
#ifndef DHO_TRAIN_NOT_FINITE_H
#define DHO_TRAIN_NOT_FINITE_H

#include "dho/microbatch.h"
#include "train/trainer_internal.h"

/* Warns of a microbatch whose loss is not finite, on the rank that has it, while its numbers are
 * still there: the first of the teacher's logits and features, the weights and the heads' outputs
 * that is not, with its image; else the samples. Local. lane: that has computed it. */
void dho_not_finite_warn(const dho_trainer *trainer, const dho_lane *lane, const dho_batch *batch,
                         double loss);

/* DHO_ERR_NUMERIC with what can be said of the whole step, the same on all ranks. gradient: the
 * sum's. */
dho_status dho_not_finite_fail(const dho_trainer *trainer, const dho_step_metrics *metrics,
                               const float *gradient);

#endif

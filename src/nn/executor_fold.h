/* Batch normalisations of a model whose numbers do not change, folded into the convolutions in
 * front of them. Private to src/nn. */
#ifndef DHO_NN_EXECUTOR_FOLD_H
#define DHO_NN_EXECUTOR_FOLD_H

#include "nn/executor_internal.h"

/* Finds the pairs that the backend can run as one, and computes executor->folded from the slabs.
 * Numbers that are not finite, or very large, fold nothing: a fused activation could hide what they
 * lead to. Errors: DHO_ERR_MEMORY. */
dho_status dho_executor_fold(dho_executor *executor, const float *parameters, const float *buffers);

/* Chooses executor->cut and keeps the weights in front of it as the kernels want them; after
 * folding, before the plan. Errors: DHO_ERR_MEMORY. */
dho_status dho_executor_part_batch(dho_executor *executor);

dho_status dho_executor_reserve_folded(const dho_executor *executor, int index, int batch);
void dho_executor_run_folded(const dho_executor *executor, int index);

#endif

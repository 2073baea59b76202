/* Batch normalisation as a part of the convolution in front of it, whose weights then have its
 * factors: for models whose numbers do not change. Private to src/nn. */
#ifndef DHO_NN_OPS_BATCH_NORM_H
#define DHO_NN_OPS_BATCH_NORM_H

#include "nn/operator.h"

extern const dho_operator dho_batch_norm_operator;

/* pass: of the normalisation; conv: of the convolution that makes its input 0, without a bias.
 * Fills weight, as large as the convolution's, and bias [channels]. */
void dho_batch_norm_fold(const dho_node_pass *pass, const dho_node_pass *conv, float *weight,
                         float *bias);
/* Both operators at once with what dho_batch_norm_fold has filled; first reserved, as they are. y
 * may be the residual. Errors of reserving: those of dho_compute_reserve_conv. */
dho_status dho_batch_norm_reserve_folded(const dho_node_pass *pass, const dho_node_pass *conv);
void dho_batch_norm_run_folded(const dho_node_pass *pass, const dho_node_pass *conv,
                               const float *weight, const float *bias);

#endif

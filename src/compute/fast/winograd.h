/* Private to src/compute: 3x3 convolutions with stride 1 by Winograd's minimal filtering
 * F(4x4, 3x3) (Lavin & Gray, CVPR 2016): 2.25 products for each output pixel instead of 9.
 *
 * Arguments as in the convolution slots; also in bf16 the products are fp32 ones. The bits depend
 * on the shape only, not on the number of threads. Error: about 1e-6 of the result's norm, twice
 * that of a direct sum in float. */
#ifndef DHO_COMPUTE_WINOGRAD_H
#define DHO_COMPUTE_WINOGRAD_H

#include "compute/core/context.h"

/* Which shapes can be done so: kernel 3x3, stride 1, padding 0 to 2, one group. */
bool dho_winograd_fits(const dho_conv_shape *shape);

/* Which are faster so than directly: the rule is at its definition, with the measurements. */
bool dho_winograd_pays(const dho_compute *compute, const dho_conv_shape *shape);

/* Bytes of scratch of all three for a shape that fits. Errors: DHO_ERR_CONFIG on overflow. */
dho_status dho_winograd_plan(const dho_compute *compute, const dho_conv_shape *shape,
                             size_t *bytes);
/* Its two halves, for sizes that it has checked: forward and backward data, backward weights. */
size_t dho_winograd_convolve_bytes(const dho_compute *compute, const dho_conv_shape *shape);
size_t dho_winograd_weights_bytes(const dho_compute *compute, const dho_conv_shape *shape);

/* Within the scratch of the plan, which is reserved. */
void dho_winograd_forward(dho_compute *compute, const dho_conv_shape *shape, const void *x,
                          const float *w, const float *bias, void *y);
void dho_winograd_fused(dho_compute *compute, const dho_conv_shape *shape, const void *x,
                        const float *w, const float *bias, void *y);
void dho_winograd_backward_data(dho_compute *compute, const dho_conv_shape *shape, const void *dy,
                                const float *w, bool accumulate, void *dx);
void dho_winograd_backward_weights(dho_compute *compute, const dho_conv_shape *shape, const void *x,
                                   const void *dy, float *dw, float *dbias);

#endif

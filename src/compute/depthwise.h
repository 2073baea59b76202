/* Private to src/compute: direct depthwise convolution (groups = in_c = out_c), vectorised over
 * channels. Arguments as in the convolution slots. */
#ifndef DHO_COMPUTE_DEPTHWISE_H
#define DHO_COMPUTE_DEPTHWISE_H

#include "compute/compute_context.h"

static inline bool dho_depthwise_fits(const dho_conv_shape *s)
{
    return s->groups == s->in_c && s->groups == s->out_c && s->groups > 1;
}

/* Bytes of scratch for all three. */
size_t dho_depthwise_scratch(const dho_compute *compute, const dho_conv_shape *shape);

void dho_depthwise_forward(dho_compute *compute, const dho_conv_shape *shape,
                           const float *restrict x, const float *restrict w,
                           const float *restrict bias, float *restrict y);
void dho_depthwise_backward_data(dho_compute *compute, const dho_conv_shape *shape,
                                 const float *restrict dy, const float *restrict w, bool accumulate,
                                 float *restrict dx);
void dho_depthwise_backward_weights(dho_compute *compute, const dho_conv_shape *shape,
                                    const float *restrict x, const float *restrict dy,
                                    float *restrict dw, float *restrict dbias);

#endif

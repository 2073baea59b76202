/* Private to src/compute: the products of the Winograd convolution, one point at a time.
 * Layouts in winograd_transform.h. */
#ifndef DHO_COMPUTE_WINOGRAD_GEMM_H
#define DHO_COMPUTE_WINOGRAD_GEMM_H

#include <stdbool.h>
#include <stdint.h>

/* For the first `count` tiles: out [panels][tiles][PANEL] = in [depth / LANES][tiles][LANES] x
 * weights [panels][depth][PANEL]. Each element is one sum in order of depth, however the tiles are
 * grouped. */
void dho_winograd_product(int64_t count, int64_t tiles, int64_t depth, int64_t panels,
                          const float *in, const float *weights, float *out);

/* out [rows / WEIGHT_ROWS][columns / PANEL][WEIGHT_ROWS][PANEL] (+)= sum over `count` tiles of
 * gradients x inputs, both [channels / LANES][tiles][LANES]; rows (output channels, begin .. end)
 * and columns (input channels) are multiples of LANES and PANEL. */
void dho_winograd_weight_product(int64_t count, int64_t tiles, int64_t begin, int64_t end,
                                 int64_t columns, const float *gradients, const float *inputs,
                                 bool accumulate, float *out);

#endif

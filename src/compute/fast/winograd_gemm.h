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

/* What is summed: rows (output channels) begin .. end and columns (input channels) are multiples of
 * LANES and PANEL; `count` of the `tiles` that a block has room for. */
typedef struct winograd_sums {
    int64_t count, tiles;
    int64_t begin, end, columns;
    bool accumulate;
} winograd_sums;

/* out [rows / WEIGHT_ROWS][columns / PANEL][WEIGHT_ROWS][PANEL] (+)= sum over the tiles of
 * gradients x inputs, both [channels / LANES][tiles][LANES]. */
void dho_winograd_weight_product(const winograd_sums *sums, const float *gradients,
                                 const float *inputs, float *out);

#endif

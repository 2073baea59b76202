/* Private to src/compute: rows of the im2col matrix of an NHWC convolution, and back. */
#ifndef DHO_COMPUTE_IM2COL_H
#define DHO_COMPUTE_IM2COL_H

#include "compute/core/context.h"

/* A convolution as a matrix: row = output pixel (b, oy, ox), column = (ky, kx, channel of one
 * group). */
typedef struct dho_im2col_view {
    int in_h, in_w, in_c; /* in_c: all channels, the distance from pixel to pixel */
    int out_h, out_w;
    int kernel_h, kernel_w, stride, padding_h, padding_w;
    int channels; /* of one group */
} dho_im2col_view;

/* col [end - begin][kernel_h * kernel_w * channels] = the rows begin .. end-1;
 * x: the first channel of the group in the first pixel of the batch. */
void dho_im2col(const dho_im2col_view *view, int64_t begin, int64_t end, const float *restrict x,
                float *restrict col);

/* The transpose: adds each element of col to the element of dx that dho_im2col took it from. */
void dho_col2im_add(const dho_im2col_view *view, int64_t begin, int64_t end,
                    const float *restrict col, float *restrict dx);

#endif

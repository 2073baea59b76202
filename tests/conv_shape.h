/* The shape of a convolution of a size. */
#ifndef DHO_TESTS_CONV_SHAPE_H
#define DHO_TESTS_CONV_SHAPE_H

#include "dho/compute.h"

/* c: batch, in_h, in_w, in_c, out_c, kernel_h, kernel_w, stride, padding, groups */
static inline dho_conv_shape conv_shape(const int c[10])
{
    return (dho_conv_shape){.batch = c[0],
                            .in_h = c[1],
                            .in_w = c[2],
                            .in_c = c[3],
                            .out_h = (c[1] + 2 * c[8] - c[5]) / c[7] + 1,
                            .out_w = (c[2] + 2 * c[8] - c[6]) / c[7] + 1,
                            .out_c = c[4],
                            .kernel_h = c[5],
                            .kernel_w = c[6],
                            .stride = c[7],
                            .padding = c[8],
                            .groups = c[9]};
}

#endif

/* Linear layers on rows (fp32) by the backend's own matrix product. */
#include "compute/ref/ref_tables.h"

#include <string.h>

static void linear_forward(dho_compute *compute, const dho_linear_shape *shape, const void *x,
                           const float *w, const float *bias, void *y)
{
    const int64_t rows = shape->rows;
    const int in = shape->in, out = shape->out;
    compute->kernels.gemm(
        compute, &(dho_gemm_shape){.transpose_b = true, .m = rows, .n = out, .k = in, .alpha = 1},
        x, w, y);
    if (bias != NULL) compute->kernels.add_bias(compute, &(dho_rows_shape){rows, out}, 1, bias, y);
}

static void linear_add_forward(dho_compute *compute, const dho_linear_shape *shape, const void *x,
                               const float *w, const float *bias, const float *residual, float *y)
{
    const int64_t rows = shape->rows;
    const int in = shape->in, out = shape->out;
    memcpy(y, residual, (size_t)rows * (size_t)out * sizeof *y);
    compute->kernels.gemm(
        compute,
        &(dho_gemm_shape){.transpose_b = true, .m = rows, .n = out, .k = in, .alpha = 1, .beta = 1},
        x, w, y);
    if (bias != NULL) compute->kernels.add_bias(compute, &(dho_rows_shape){rows, out}, 1, bias, y);
}

static void linear_backward_data(dho_compute *compute, const dho_linear_shape *shape,
                                 const void *dy, const float *w, bool accumulate, void *dx)
{
    const int64_t rows = shape->rows;
    const int in = shape->in, out = shape->out;
    compute->kernels.gemm(
        compute,
        &(dho_gemm_shape){.m = rows, .n = in, .k = out, .alpha = 1, .beta = accumulate ? 1 : 0}, dy,
        w, dx);
}

static void linear_backward_weights(dho_compute *compute, const dho_linear_shape *shape,
                                    const void *x, const void *dy, float *dw, float *dbias)
{
    const int64_t rows = shape->rows;
    const int in = shape->in, out = shape->out;
    compute->kernels.gemm(
        compute,
        &(dho_gemm_shape){.transpose_a = true, .m = out, .n = in, .k = rows, .alpha = 1, .beta = 1},
        dy, x, dw);
    if (dbias != NULL) compute->kernels.sum_rows(compute, &(dho_rows_shape){rows, out}, dy, dbias);
}

const dho_kernel_table dho_ref_linear = {
    .choice = "gemm",
    .kernels = {.linear_forward = linear_forward,
                .linear_add_forward = linear_add_forward,
                .linear_backward_data = linear_backward_data,
                .linear_backward_weights = linear_backward_weights},
};

/* Linear layers on rows (fp32) by the backend's own matrix product. */
#include "compute/ref/ref_tables.h"

#include <string.h>

static void linear_forward(dho_compute *compute, int64_t rows, int in, int out, const void *x,
                           const float *w, const float *bias, void *y)
{
    compute->kernels.gemm(compute, false, true, rows, out, in, 1, x, in, w, in, 0, y, out);
    if (bias != NULL) compute->kernels.add_bias(compute, rows, out, 1, bias, y);
}

static void linear_add_forward(dho_compute *compute, int64_t rows, int in, int out, const void *x,
                               const float *w, const float *bias, const float *residual, float *y)
{
    memcpy(y, residual, (size_t)rows * (size_t)out * sizeof *y);
    compute->kernels.gemm(compute, false, true, rows, out, in, 1, x, in, w, in, 1, y, out);
    if (bias != NULL) compute->kernels.add_bias(compute, rows, out, 1, bias, y);
}

static void linear_backward_data(dho_compute *compute, int64_t rows, int in, int out,
                                 const void *dy, const float *w, bool accumulate, void *dx)
{
    compute->kernels.gemm(compute, false, false, rows, in, out, 1, dy, out, w, in,
                          accumulate ? 1 : 0, dx, in);
}

static void linear_backward_weights(dho_compute *compute, int64_t rows, int in, int out,
                                    const void *x, const void *dy, float *dw, float *dbias)
{
    compute->kernels.gemm(compute, true, false, out, in, rows, 1, dy, out, x, in, 1, dw, in);
    if (dbias != NULL) compute->kernels.sum_rows(compute, rows, out, dy, dbias);
}

const dho_table dho_ref_linear = {
    .kernels = {.linear_forward = linear_forward,
                .linear_add_forward = linear_add_forward,
                .linear_backward_data = linear_backward_data,
                .linear_backward_weights = linear_backward_weights},
};

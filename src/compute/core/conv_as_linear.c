/* A convolution that looks at one pixel is a linear layer on the pixels. The rule never takes this
 * way; a tuning does where the backend's matrix product is faster than its convolution. */
#include "compute/core/context.h"

static bool fits(const dho_conv_shape *s)
{
    return s->kernel_h == 1 && s->kernel_w == 1 && s->stride == 1 && s->padding == 0 &&
           s->groups == 1;
}

static bool pays(const dho_compute *compute, const dho_conv_shape *s)
{
    (void)compute, (void)s;
    return false;
}

static dho_linear_shape rows_of(const dho_conv_shape *s)
{
    return (dho_linear_shape){(int64_t)s->batch * s->in_h * s->in_w, s->in_c, s->out_c};
}

static dho_status reserve(dho_compute *compute, const dho_conv_shape *s, unsigned *calls,
                          size_t *bytes)
{
    const dho_linear_shape rows = rows_of(s);
    *bytes = 0; /* the layer has its own */
    DHO_TRY(dho_compute_reserve_linear(compute, &rows, *calls));
    *calls = 0;
    return DHO_OK;
}

static void forward(dho_compute *compute, const dho_conv_shape *s, const void *x, const float *w,
                    const float *bias, void *y)
{
    const dho_linear_shape rows = rows_of(s);
    compute->kernels.linear_forward(compute, &rows, x, w, bias, y);
}

static void backward_data(dho_compute *compute, const dho_conv_shape *s, const void *dy,
                          const float *w, bool accumulate, void *dx)
{
    const dho_linear_shape rows = rows_of(s);
    compute->kernels.linear_backward_data(compute, &rows, dy, w, accumulate, dx);
}

static void backward_weights(dho_compute *compute, const dho_conv_shape *s, const void *x,
                             const void *dy, float *dw, float *dbias)
{
    const dho_linear_shape rows = rows_of(s);
    compute->kernels.linear_backward_weights(compute, &rows, x, dy, dw, dbias);
}

const dho_kernel_table dho_conv_as_linear = {
    .choice = "linear",
    .in_bf16 = true,
    .kernels = {.conv_forward = forward,
                .conv_backward_data = backward_data,
                .conv_backward_weights = backward_weights},
    .planning = {.conv_fits = fits, .conv_pays = pays, .conv_reserve = reserve},
};

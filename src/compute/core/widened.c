/* Convolutions and linear layers in bf16 where processor or build have no products of bf16: what
 * they read is widened to floats, the same backend's kernels of floats work on it, and activations
 * that they give are rounded. */
#include "compute/core/context.h"

static dho_status start(dho_compute *compute)
{
    return dho_compute_create(&compute->floats, compute->backend, DHO_DTYPE_FP32, compute->threads);
}

static void stop(dho_compute *compute)
{
    dho_compute_destroy(&compute->floats);
}

/* Two tensors of floats in scratch, the second at a multiple of 64 bytes. */
static size_t second_at(size_t first)
{
    enum { GRANULE = 16 };
    return (first + GRANULE - 1) / GRANULE * GRANULE;
}

static size_t bytes_of(size_t first, size_t second)
{
    return (second_at(first) + second) * sizeof(float);
}

typedef struct pair {
    float *first, *second;
} pair;

static pair pair_of(const dho_compute *compute, size_t first, size_t second)
{
    float *scratch = dho_compute_scratch_for(compute, bytes_of(first, second));
    return (pair){scratch, scratch + second_at(first)};
}

static void widen(dho_compute *compute, size_t count, const void *in, float *out)
{
    compute->kernels.load(compute, count, in, false, out);
}

static void narrow(dho_compute *compute, size_t count, const float *in, void *out)
{
    compute->kernels.store(compute, count, in, out);
}

/* --- convolutions --- */

static size_t conv_inputs(const dho_conv_shape *s)
{
    return (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w * (size_t)s->in_c;
}

static size_t conv_outputs(const dho_conv_shape *s)
{
    return (size_t)s->batch * (size_t)s->out_h * (size_t)s->out_w * (size_t)s->out_c;
}

static dho_status conv_reserve(dho_compute *compute, const dho_conv_shape *s, unsigned *calls,
                               size_t *bytes)
{
    DHO_TRY(dho_compute_reserve_conv(compute->floats, s, *calls));
    *bytes = bytes_of(conv_inputs(s), conv_outputs(s));
    *calls = 0;
    return DHO_OK;
}

static void conv_forward(dho_compute *compute, const dho_conv_shape *s, const void *x,
                         const float *w, const float *bias, void *y)
{
    dho_compute *floats = compute->floats;
    const pair p = pair_of(compute, conv_inputs(s), conv_outputs(s));
    widen(compute, conv_inputs(s), x, p.first);
    floats->kernels.conv_forward(floats, s, p.first, w, bias, p.second);
    narrow(compute, conv_outputs(s), p.second, y);
}

static void conv_fused(dho_compute *compute, const dho_conv_shape *s, const void *x, const float *w,
                       const float *bias, void *y)
{
    dho_compute *floats = compute->floats;
    const pair p = pair_of(compute, conv_inputs(s), conv_outputs(s));
    widen(compute, conv_inputs(s), x, p.first);
    if (s->adds) widen(compute, conv_outputs(s), y, p.second);
    floats->kernels.conv_fused(floats, s, p.first, w, bias, p.second);
    narrow(compute, conv_outputs(s), p.second, y);
}

static void conv_backward_data(dho_compute *compute, const dho_conv_shape *s, const void *dy,
                               const float *w, bool accumulate, void *dx)
{
    dho_compute *floats = compute->floats;
    const pair p = pair_of(compute, conv_inputs(s), conv_outputs(s));
    widen(compute, conv_outputs(s), dy, p.second);
    if (accumulate) widen(compute, conv_inputs(s), dx, p.first);
    floats->kernels.conv_backward_data(floats, s, p.second, w, accumulate, p.first);
    narrow(compute, conv_inputs(s), p.first, dx);
}

static void conv_backward_weights(dho_compute *compute, const dho_conv_shape *s, const void *x,
                                  const void *dy, float *dw, float *dbias)
{
    dho_compute *floats = compute->floats;
    const pair p = pair_of(compute, conv_inputs(s), conv_outputs(s));
    widen(compute, conv_inputs(s), x, p.first);
    widen(compute, conv_outputs(s), dy, p.second);
    floats->kernels.conv_backward_weights(floats, s, p.first, p.second, dw, dbias);
}

/* --- linear layers --- */

static size_t linear_inputs(const dho_linear_shape *s)
{
    return (size_t)s->rows * (size_t)s->in;
}

static size_t linear_outputs(const dho_linear_shape *s)
{
    return (size_t)s->rows * (size_t)s->out;
}

static dho_status linear_reserve(dho_compute *compute, const dho_linear_shape *s, unsigned calls,
                                 size_t *bytes)
{
    *bytes = bytes_of(linear_inputs(s), linear_outputs(s));
    return dho_compute_reserve_linear(compute->floats, s, calls);
}

static void linear_forward(dho_compute *compute, const dho_linear_shape *s, const void *x,
                           const float *w, const float *bias, void *y)
{
    dho_compute *floats = compute->floats;
    const pair p = pair_of(compute, linear_inputs(s), linear_outputs(s));
    widen(compute, linear_inputs(s), x, p.first);
    floats->kernels.linear_forward(floats, s, p.first, w, bias, p.second);
    narrow(compute, linear_outputs(s), p.second, y);
}

static void linear_add_forward(dho_compute *compute, const dho_linear_shape *s, const void *x,
                               const float *w, const float *bias, const float *residual, float *y)
{
    dho_compute *floats = compute->floats;
    const pair p = pair_of(compute, linear_inputs(s), linear_outputs(s));
    widen(compute, linear_inputs(s), x, p.first);
    floats->kernels.linear_add_forward(floats, s, p.first, w, bias, residual, y);
}

static void linear_backward_data(dho_compute *compute, const dho_linear_shape *s, const void *dy,
                                 const float *w, bool accumulate, void *dx)
{
    dho_compute *floats = compute->floats;
    const pair p = pair_of(compute, linear_inputs(s), linear_outputs(s));
    widen(compute, linear_outputs(s), dy, p.second);
    if (accumulate) widen(compute, linear_inputs(s), dx, p.first);
    floats->kernels.linear_backward_data(floats, s, p.second, w, accumulate, p.first);
    narrow(compute, linear_inputs(s), p.first, dx);
}

static void linear_backward_weights(dho_compute *compute, const dho_linear_shape *s, const void *x,
                                    const void *dy, float *dw, float *dbias)
{
    dho_compute *floats = compute->floats;
    const pair p = pair_of(compute, linear_inputs(s), linear_outputs(s));
    widen(compute, linear_inputs(s), x, p.first);
    widen(compute, linear_outputs(s), dy, p.second);
    floats->kernels.linear_backward_weights(floats, s, p.first, p.second, dw, dbias);
}

const dho_kernel_table dho_widened = {
    .choice = "widened",
    .in_bf16 = true,
    .kernels = {.conv_forward = conv_forward,
                .conv_fused = conv_fused,
                .conv_backward_data = conv_backward_data,
                .conv_backward_weights = conv_backward_weights,
                .linear_forward = linear_forward,
                .linear_add_forward = linear_add_forward,
                .linear_backward_data = linear_backward_data,
                .linear_backward_weights = linear_backward_weights},
    .planning = {.start = start,
                 .stop = stop,
                 .conv_reserve = conv_reserve,
                 .linear_reserve = linear_reserve},
};

/* Bias and GELU (Hendrycks & Gimpel 2016) in one pass over memory. */
#include "base/fast_math.h"
#include "compute/fast/channel_sums.h"
#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"

typedef struct gelu {
    const dho_compute *compute;
    int64_t rows;
    int channels, parts;
    int first, count; /* the block of channels */
    dho_gelu kind;
    const element *x, *dy;
    const float *bias;
    element *out; /* y or dx */
} gelu;

DHO_ALWAYS_INLINE float gelu_value(float x, dho_gelu kind)
{
    float density;
    if (kind == DHO_GELU_QUICK) return x * dho_fast_sigmoid(1.702f * x);
    return x * dho_fast_normal(x, &density);
}

/* erf: Phi(x) + x phi(x); quick, with s = sigmoid(1.702 x): s + 1.702 x s (1 - s). */
DHO_ALWAYS_INLINE float gelu_slope(float x, dho_gelu kind)
{
    float density;
    if (kind == DHO_GELU_QUICK) {
        const float s = dho_fast_sigmoid(1.702f * x);
        return s + 1.702f * x * s * (1 - s);
    }
    const float distribution = dho_fast_normal(x, &density);
    return distribution + x * density;
}

DHO_ALWAYS_INLINE void forward_rows(const gelu *g, dho_range rows, dho_gelu kind)
{
    const float *restrict bias = g->bias;
    for (int64_t r = rows.begin; r < rows.end; r++) {
        const element *restrict x = g->x + r * g->channels;
        element *restrict y = g->out + r * g->channels;
#pragma omp simd
        for (int c = 0; c < g->channels; c++) y[c] = STORE(gelu_value(LOAD(x[c]) + bias[c], kind));
    }
}

static void forward_part(void *context, int part)
{
    const gelu *g = context;
    const dho_range mine = dho_range_of(g->rows, 1, g->parts, part);
    if (g->kind == DHO_GELU_QUICK)
        forward_rows(g, mine, DHO_GELU_QUICK);
    else
        forward_rows(g, mine, DHO_GELU_ERF);
}

static void bias_gelu_forward(dho_compute *compute, const dho_gelu_shape *shape, const void *x,
                              const float *bias, void *y)
{
    gelu g = {.compute = compute,
              .rows = shape->rows,
              .channels = shape->channels,
              .parts = dho_compute_parts(compute, shape->rows * shape->channels),
              .kind = shape->kind,
              .x = x,
              .bias = bias,
              .out = y};
    dho_compute_parallel(compute, g.parts, forward_part, &g);
}

/* No restrict on dy and dx: they may be the same. */
DHO_ALWAYS_INLINE void backward_row(const gelu *g, int64_t r, dho_gelu kind, float *restrict dbias)
{
    const int64_t at = r * g->channels + g->first;
    const element *restrict x = g->x + at;
    const float *restrict bias = g->bias + g->first;
    const element *dy = g->dy + at;
    element *dx = g->out + at;
#pragma omp simd
    for (int c = 0; c < g->count; c++) {
        const float d = LOAD(dy[c]) * gelu_slope(LOAD(x[c]) + bias[c], kind);
        dbias[c] += d;
        dx[c] = STORE(d);
    }
}

static void backward_part(void *context, int part)
{
    const gelu *g = context;
    const dho_range mine = dho_range_of(g->rows, DHO_SUMS_FLUSH_ROWS, g->parts, part);
    dho_channel_sums sums;
    dho_channel_sums_start(&sums, g->compute, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        if (g->kind == DHO_GELU_QUICK)
            backward_row(g, r, DHO_GELU_QUICK, sums.block[0]);
        else
            backward_row(g, r, DHO_GELU_ERF, sums.block[0]);
        dho_channel_sums_row(&sums, 1, g->count, r, mine.end - 1);
    }
}

static void bias_gelu_backward(dho_compute *compute, const dho_gelu_shape *shape, const void *x,
                               const float *bias, const void *dy, void *dx, float *dbias)
{
    gelu g = {.compute = compute,
              .rows = shape->rows,
              .channels = shape->channels,
              .parts = dho_compute_parts(compute, shape->rows * shape->channels),
              .kind = shape->kind,
              .x = x,
              .dy = dy,
              .bias = bias,
              .out = dx};
    for (; g.first < shape->channels; g.first += DHO_REDUCTION_CHANNELS) {
        const int left = shape->channels - g.first;
        g.count = left < DHO_REDUCTION_CHANNELS ? left : DHO_REDUCTION_CHANNELS;
        dho_compute_parallel(compute, g.parts, backward_part, &g);
        dho_channel_sums_merge(compute, g.parts, 0, g.count, dbias + g.first);
    }
}

const dho_kernel_table TYPED(dho_fast_gelu) = {
    .kernels = {.bias_gelu_forward = bias_gelu_forward, .bias_gelu_backward = bias_gelu_backward},
};

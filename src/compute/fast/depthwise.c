/* Direct depthwise convolution (groups = in_c = out_c) in fp32, vectorised over channels. */
#include "compute/fast/fast_tables.h"

#include <string.h>

enum { TILE = 64 }; /* channels held in registers */

typedef struct depthwise {
    const dho_conv_shape *shape;
    int parts;
    const float *x, *dy, *w, *bias; /* w: [tap][channel] */
    float *y, *dx;
    bool accumulate;
    double *partials; /* [parts][tap][channel] */
} depthwise;

static int64_t taps_of(const dho_conv_shape *s)
{
    return (int64_t)s->kernel_h * s->kernel_w;
}

/* Of all three passes. */
static size_t scratch_bytes(const dho_compute *compute, const dho_conv_shape *s)
{
    return (size_t)taps_of(s) * (size_t)s->out_c * sizeof(double) * (size_t)compute->threads;
}

/* [tap][channel] from [channel][tap]. */
static void transpose_weights(const dho_conv_shape *s, const float *restrict w, float *restrict to)
{
    const int64_t taps = taps_of(s);
    for (int64_t tap = 0; tap < taps; tap++) {
        for (int64_t c = 0; c < s->out_c; c++) to[tap * s->out_c + c] = w[c * taps + tap];
    }
}

/* acc[c] += a[c] * b[c]. */
static inline void multiply_add(float *restrict acc, const float *restrict a,
                                const float *restrict b, int count)
{
#pragma omp simd
    for (int c = 0; c < count; c++) acc[c] += a[c] * b[c];
}

static void forward_pixel(const depthwise *d, int64_t b, int oy, int ox)
{
    const dho_conv_shape *s = d->shape;
    const int channels = s->out_c;
    float *restrict y = d->y + ((b * s->out_h + oy) * s->out_w + ox) * channels;
    for (int c = 0; c < channels; c += TILE) {
        const int count = channels - c < TILE ? channels - c : TILE;
        float acc[TILE] = {0};
        if (d->bias != NULL) memcpy(acc, d->bias + c, (size_t)count * sizeof *acc);
        for (int ky = 0; ky < s->kernel_h; ky++) {
            const int iy = oy * s->stride - s->padding + ky;
            if (iy < 0 || iy >= s->in_h) continue;
            for (int kx = 0; kx < s->kernel_w; kx++) {
                const int ix = ox * s->stride - s->padding + kx;
                if (ix < 0 || ix >= s->in_w) continue;
                multiply_add(acc, d->x + ((b * s->in_h + iy) * s->in_w + ix) * channels + c,
                             d->w + ((int64_t)ky * s->kernel_w + kx) * channels + c, count);
            }
        }
        memcpy(y + c, acc, (size_t)count * sizeof *acc);
    }
}

static void forward_part(void *context, int part)
{
    const depthwise *d = context;
    const dho_conv_shape *s = d->shape;
    const dho_range lines = dho_range_of((int64_t)s->batch * s->out_h, 1, d->parts, part);
    for (int64_t line = lines.begin; line < lines.end; line++) {
        for (int ox = 0; ox < s->out_w; ox++) {
            forward_pixel(d, line / s->out_h, (int)(line % s->out_h), ox);
        }
    }
}

static void forward(dho_compute *compute, const dho_conv_shape *s, const void *x, const float *w,
                    const float *bias, void *y)
{
    float *turned = dho_compute_scratch_for(compute, scratch_bytes(compute, s));
    transpose_weights(s, w, turned);
    const int64_t work = (int64_t)s->batch * s->out_h * s->out_w * s->out_c;
    depthwise d = {.shape = s,
                   .parts = dho_compute_parts(compute, work),
                   .x = x,
                   .w = turned,
                   .bias = bias,
                   .y = y};
    dho_compute_parallel(compute, d.parts, forward_part, &d);
}

static void backward_pixel(const depthwise *d, int64_t b, int iy, int ix)
{
    const dho_conv_shape *s = d->shape;
    const int channels = s->out_c;
    float *restrict dx = d->dx + ((b * s->in_h + iy) * s->in_w + ix) * channels;
    for (int c = 0; c < channels; c += TILE) {
        const int count = channels - c < TILE ? channels - c : TILE;
        float acc[TILE] = {0};
        if (d->accumulate) memcpy(acc, dx + c, (size_t)count * sizeof *acc);
        for (int ky = 0; ky < s->kernel_h; ky++) {
            const int ty = iy + s->padding - ky, oy = ty / s->stride;
            if (ty < 0 || ty % s->stride != 0 || oy >= s->out_h) continue;
            for (int kx = 0; kx < s->kernel_w; kx++) {
                const int tx = ix + s->padding - kx, ox = tx / s->stride;
                if (tx < 0 || tx % s->stride != 0 || ox >= s->out_w) continue;
                multiply_add(acc, d->dy + ((b * s->out_h + oy) * s->out_w + ox) * channels + c,
                             d->w + ((int64_t)ky * s->kernel_w + kx) * channels + c, count);
            }
        }
        memcpy(dx + c, acc, (size_t)count * sizeof *acc);
    }
}

static void backward_part(void *context, int part)
{
    const depthwise *d = context;
    const dho_conv_shape *s = d->shape;
    const dho_range lines = dho_range_of((int64_t)s->batch * s->in_h, 1, d->parts, part);
    for (int64_t line = lines.begin; line < lines.end; line++) {
        for (int ix = 0; ix < s->in_w; ix++) {
            backward_pixel(d, line / s->in_h, (int)(line % s->in_h), ix);
        }
    }
}

static void backward_data(dho_compute *compute, const dho_conv_shape *s, const void *dy,
                          const float *w, bool accumulate, void *dx)
{
    float *turned = dho_compute_scratch_for(compute, scratch_bytes(compute, s));
    transpose_weights(s, w, turned);
    const int64_t work = (int64_t)s->batch * s->in_h * s->in_w * s->in_c;
    depthwise d = {.shape = s,
                   .parts = dho_compute_parts(compute, work),
                   .dy = dy,
                   .w = turned,
                   .dx = dx,
                   .accumulate = accumulate};
    dho_compute_parallel(compute, d.parts, backward_part, &d);
}

/* One line of output pixels under one tap: sums in float, then into the double partial. */
static void weights_line(const depthwise *d, int64_t line, int ky, int kx, double *restrict sums)
{
    const dho_conv_shape *s = d->shape;
    const int64_t b = line / s->out_h;
    const int iy = (int)(line % s->out_h) * s->stride - s->padding + ky, channels = s->out_c;
    if (iy < 0 || iy >= s->in_h) return;
    const float *x = d->x + (b * s->in_h + iy) * s->in_w * channels;
    const float *dy = d->dy + line * s->out_w * channels;
    for (int c = 0; c < channels; c += TILE) {
        const int count = channels - c < TILE ? channels - c : TILE;
        float acc[TILE] = {0};
        for (int ox = 0; ox < s->out_w; ox++) {
            const int ix = ox * s->stride - s->padding + kx;
            if (ix < 0 || ix >= s->in_w) continue;
            multiply_add(acc, x + (int64_t)ix * channels + c, dy + (int64_t)ox * channels + c,
                         count);
        }
#pragma omp simd
        for (int i = 0; i < count; i++) sums[c + i] += (double)acc[i];
    }
}

static void weights_part(void *context, int part)
{
    const depthwise *d = context;
    const dho_conv_shape *s = d->shape;
    const size_t size = (size_t)taps_of(s) * (size_t)s->out_c;
    double *sums = d->partials + (size_t)part * size;
    memset(sums, 0, size * sizeof *sums);
    const dho_range lines = dho_range_of((int64_t)s->batch * s->out_h, 1, d->parts, part);
    for (int64_t line = lines.begin; line < lines.end; line++) {
        for (int ky = 0; ky < s->kernel_h; ky++) {
            for (int kx = 0; kx < s->kernel_w; kx++) {
                weights_line(d, line, ky, kx, sums + ((int64_t)ky * s->kernel_w + kx) * s->out_c);
            }
        }
    }
}

static void backward_weights(dho_compute *compute, const dho_conv_shape *s, const void *x,
                             const void *dy, float *dw, float *dbias)
{
    double *partials = dho_compute_scratch_for(compute, scratch_bytes(compute, s));
    const int64_t rows = (int64_t)s->batch * s->out_h * s->out_w, taps = taps_of(s);
    depthwise d = {.shape = s,
                   .parts = dho_compute_parts(compute, rows * s->out_c),
                   .x = x,
                   .dy = dy,
                   .partials = partials};
    dho_compute_parallel(compute, d.parts, weights_part, &d);
    for (int64_t c = 0; c < s->out_c; c++) {
        for (int64_t tap = 0; tap < taps; tap++) {
            double sum = 0;
            for (int p = 0; p < d.parts; p++) sum += partials[(p * taps + tap) * s->out_c + c];
            dw[c * taps + tap] += (float)sum;
        }
    }
    if (dbias != NULL)
        compute->kernels.sum_rows(compute, &(dho_rows_shape){rows, s->out_c}, dy, dbias);
}

static bool fits(const dho_conv_shape *s)
{
    return s->groups == s->in_c && s->groups == s->out_c && s->groups > 1;
}

static dho_status reserve(dho_compute *compute, const dho_conv_shape *s, unsigned *calls,
                          size_t *bytes)
{
    *calls = 0;
    *bytes = scratch_bytes(compute, s);
    return DHO_OK;
}

const dho_kernel_table dho_depthwise = {
    .choice = "depthwise",
    .kernels = {.conv_forward = forward,
                .conv_backward_data = backward_data,
                .conv_backward_weights = backward_weights},
    .planning = {.conv_fits = fits, .conv_reserve = reserve},
};

/* Pools, vectorised over channels, split over lines of pixels. */
#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"

#include <math.h>

enum { TILE = 64 }; /* channels at one time */

typedef struct max_pool {
    const dho_pool_shape *shape;
    const element *x, *dy;
    element *y, *dx;
    uint8_t *argmax_out;
    const uint8_t *argmax;
    int parts;
    bool accumulate;
} max_pool;

/* A NaN wins and stays, as in the reference. */
static inline void take_maximum(float *restrict best, int32_t *restrict index,
                                const element *restrict x, int32_t tap, int count)
{
#pragma omp simd
    for (int c = 0; c < count; c++) {
        const float v = LOAD(x[c]);
        const bool wins = (v > best[c]) | ((v != v) & (best[c] == best[c]));
        best[c] = wins ? v : best[c];
        index[c] = wins ? tap : index[c];
    }
}

static void max_pool_pixel(const max_pool *p, int64_t b, int oy, int ox)
{
    const dho_pool_shape *s = p->shape;
    const int64_t out = ((b * s->out_h + oy) * s->out_w + ox) * s->channels;
    const int top = oy * s->stride - s->padding, left = ox * s->stride - s->padding;
    for (int c = 0; c < s->channels; c += TILE) {
        const int count = s->channels - c < TILE ? s->channels - c : TILE;
        float best[TILE];
        int32_t index[TILE];
        bool found = false;
        for (int i = 0; i < TILE; i++) best[i] = -INFINITY, index[i] = 0;
        for (int ky = 0; ky < s->kernel; ky++) {
            if (top + ky < 0 || top + ky >= s->in_h) continue;
            for (int kx = 0; kx < s->kernel; kx++) {
                if (left + kx < 0 || left + kx >= s->in_w) continue;
                const int32_t tap = ky * s->kernel + kx;
                const int64_t pixel = (b * s->in_h + top + ky) * s->in_w + left + kx;
                /* The first tap inside the image wins against -infinity too. */
                for (int i = 0; !found && i < TILE; i++) index[i] = tap;
                found = true;
                take_maximum(best, index, p->x + pixel * s->channels + c, tap, count);
            }
        }
        for (int i = 0; i < count; i++) p->y[out + c + i] = STORE(best[i]);
        for (int i = 0; i < count; i++) p->argmax_out[out + c + i] = (uint8_t)index[i];
    }
}

static void max_pool_forward_part(void *context, int part)
{
    const max_pool *p = context;
    const dho_pool_shape *s = p->shape;
    const dho_range lines = dho_range_of((int64_t)s->batch * s->out_h, 1, p->parts, part);
    for (int64_t line = lines.begin; line < lines.end; line++) {
        for (int ox = 0; ox < s->out_w; ox++) {
            max_pool_pixel(p, line / s->out_h, (int)(line % s->out_h), ox);
        }
    }
}

static void max_pool_forward(dho_compute *compute, const dho_pool_shape *s, const void *x_data,
                             void *y_data, uint8_t *restrict argmax)
{
    const element *restrict x = x_data;
    element *restrict y = y_data;
    const int64_t work = (int64_t)s->batch * s->in_h * s->in_w * s->channels;
    max_pool p = {.shape = s,
                  .x = x,
                  .y = y,
                  .argmax_out = argmax,
                  .parts = dho_compute_parts(compute, work)};
    dho_compute_parallel(compute, p.parts, max_pool_forward_part, &p);
}

/* acc[c] += dy[c] where the window's maximum was at this tap. */
static inline void take_gradient(float *restrict acc, const element *restrict dy,
                                 const uint8_t *restrict argmax, uint8_t tap, int count)
{
#pragma omp simd
    for (int c = 0; c < count; c++) acc[c] += argmax[c] == tap ? LOAD(dy[c]) : 0.0f;
}

/* Gathers: each input pixel asks the windows that hold it, so that threads never meet. */
static void max_pool_input_pixel(const max_pool *p, int64_t b, int iy, int ix)
{
    const dho_pool_shape *s = p->shape;
    element *restrict dx = p->dx + ((b * s->in_h + iy) * s->in_w + ix) * s->channels;
    for (int c = 0; c < s->channels; c += TILE) {
        const int count = s->channels - c < TILE ? s->channels - c : TILE;
        float acc[TILE] = {0};
        for (int i = 0; p->accumulate && i < count; i++) acc[i] = LOAD(dx[c + i]);
        for (int ky = (iy + s->padding) % s->stride; ky < s->kernel; ky += s->stride) {
            const int oy = (iy + s->padding - ky) / s->stride;
            if (iy + s->padding < ky || oy >= s->out_h) continue;
            for (int kx = (ix + s->padding) % s->stride; kx < s->kernel; kx += s->stride) {
                const int ox = (ix + s->padding - kx) / s->stride;
                if (ix + s->padding < kx || ox >= s->out_w) continue;
                const int64_t out = ((b * s->out_h + oy) * s->out_w + ox) * s->channels + c;
                take_gradient(acc, p->dy + out, p->argmax + out, (uint8_t)(ky * s->kernel + kx),
                              count);
            }
        }
        for (int i = 0; i < count; i++) dx[c + i] = STORE(acc[i]);
    }
}

static void max_pool_backward_part(void *context, int part)
{
    const max_pool *p = context;
    const dho_pool_shape *s = p->shape;
    const dho_range lines = dho_range_of((int64_t)s->batch * s->in_h, 1, p->parts, part);
    for (int64_t line = lines.begin; line < lines.end; line++) {
        for (int ix = 0; ix < s->in_w; ix++) {
            max_pool_input_pixel(p, line / s->in_h, (int)(line % s->in_h), ix);
        }
    }
}

static void max_pool_backward(dho_compute *compute, const dho_pool_shape *s, const void *dy_data,
                              const uint8_t *restrict argmax, bool accumulate, void *dx_data)
{
    const element *restrict dy = dy_data;
    element *restrict dx = dx_data;
    const int64_t work = (int64_t)s->batch * s->in_h * s->in_w * s->channels;
    max_pool p = {.shape = s,
                  .dy = dy,
                  .argmax = argmax,
                  .accumulate = accumulate,
                  .dx = dx,
                  .parts = dho_compute_parts(compute, work)};
    dho_compute_parallel(compute, p.parts, max_pool_backward_part, &p);
}

typedef struct average_pool {
    int batch, positions, channels, parts;
    const element *x;
    float *y;
    const float *dy;
    element *dx;
    bool accumulate;
} average_pool;

static void average_forward_part(void *context, int part)
{
    const average_pool *p = context;
    const dho_range images = dho_range_of(p->batch, 1, p->parts, part);
    for (int64_t b = images.begin; b < images.end; b++) {
        for (int c = 0; c < p->channels; c += TILE) {
            const int count = p->channels - c < TILE ? p->channels - c : TILE;
            double sums[TILE] = {0};
            for (int i = 0; i < p->positions; i++) {
                const element *restrict x = p->x + (b * p->positions + i) * p->channels + c;
#pragma omp simd
                for (int k = 0; k < count; k++) sums[k] += (double)LOAD(x[k]);
            }
            float *restrict y = p->y + b * p->channels + c;
            for (int k = 0; k < count; k++) y[k] = (float)(sums[k] / p->positions);
        }
    }
}

static void average_pool_forward(dho_compute *compute, const dho_places_shape *shape,
                                 const void *x_data, float *restrict y)
{
    const element *restrict x = x_data;
    average_pool p = {.batch = shape->batch,
                      .positions = shape->positions,
                      .channels = shape->channels,
                      .parts = dho_compute_parts(compute, (int64_t)shape->batch * shape->positions *
                                                              shape->channels),
                      .x = x,
                      .y = y};
    dho_compute_parallel(compute, p.parts, average_forward_part, &p);
}

static void average_backward_part(void *context, int part)
{
    const average_pool *p = context;
    const float share = 1.0f / (float)p->positions;
    const dho_range rows = dho_range_of((int64_t)p->batch * p->positions, 1, p->parts, part);
    for (int64_t r = rows.begin; r < rows.end; r++) {
        const float *restrict dy = p->dy + r / p->positions * p->channels;
        element *restrict dx = p->dx + r * p->channels;
        if (p->accumulate) {
#pragma omp simd
            for (int c = 0; c < p->channels; c++) dx[c] = STORE(LOAD(dx[c]) + dy[c] * share);
        } else {
#pragma omp simd
            for (int c = 0; c < p->channels; c++) dx[c] = STORE(dy[c] * share);
        }
    }
}

static void average_pool_backward(dho_compute *compute, const dho_places_shape *shape,
                                  const float *restrict dy, bool accumulate, void *dx_data)
{
    element *restrict dx = dx_data;
    average_pool p = {.batch = shape->batch,
                      .positions = shape->positions,
                      .channels = shape->channels,
                      .parts = dho_compute_parts(compute, (int64_t)shape->batch * shape->positions *
                                                              shape->channels),
                      .dy = dy,
                      .dx = dx,
                      .accumulate = accumulate};
    dho_compute_parallel(compute, p.parts, average_backward_part, &p);
}

const dho_kernel_table TYPED(dho_fast_pool) = {
    .kernels = {.max_pool_forward = max_pool_forward,
                .max_pool_backward = max_pool_backward,
                .average_pool_forward = average_pool_forward,
                .average_pool_backward = average_pool_backward},
};

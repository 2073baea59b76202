/* A scale for each channel, or for each image, added to the float residual stream. */
#include "compute/fast/channel_sums.h"
#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"

typedef struct layer_scale {
    dho_compute *compute;
    int64_t rows;
    int channels, first, count, parts;
    const element *x;
    const float *gamma, *residual, *dy;
    float *y;
    element *dx;
} layer_scale;

static void forward_part(void *context, int part)
{
    const layer_scale *s = context;
    const dho_range mine = dho_range_of(s->rows, 1, s->parts, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        const element *restrict x = s->x + r * s->channels;
        const float *restrict gamma = s->gamma, *restrict residual = s->residual + r * s->channels;
        float *restrict y = s->y + r * s->channels;
#pragma omp simd
        for (int c = 0; c < s->channels; c++) y[c] = residual[c] + gamma[c] * LOAD(x[c]);
    }
}

static void layer_scale_forward(dho_compute *compute, const dho_rows_shape *shape, const void *x,
                                const float *gamma, const float *residual, float *y)
{
    layer_scale s = {.rows = shape->rows,
                     .channels = shape->channels,
                     .parts = dho_compute_parts(compute, shape->rows * shape->channels),
                     .x = x,
                     .gamma = gamma,
                     .residual = residual,
                     .y = y};
    dho_compute_parallel(compute, s.parts, forward_part, &s);
}

static void backward_part(void *context, int part)
{
    const layer_scale *s = context;
    const dho_range mine = dho_range_of(s->rows, DHO_SUMS_FLUSH_ROWS, s->parts, part);
    dho_channel_sums sums;
    dho_channel_sums_start(&sums, s->compute, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        const int64_t at = r * s->channels + s->first;
        const element *restrict x = s->x + at;
        const float *restrict gamma = s->gamma + s->first, *restrict dy = s->dy + at;
        float *restrict dgamma = sums.block[0];
        element *restrict dx = s->dx + at;
#pragma omp simd
        for (int c = 0; c < s->count; c++) {
            dgamma[c] += dy[c] * LOAD(x[c]);
            dx[c] = STORE(dy[c] * gamma[c]);
        }
        dho_channel_sums_row(&sums, 1, s->count, r, mine.end - 1);
    }
}

static void layer_scale_backward(dho_compute *compute, const dho_rows_shape *shape, const void *x,
                                 const float *gamma, const float *dy, void *dx, float *dgamma)
{
    layer_scale s = {.compute = compute,
                     .rows = shape->rows,
                     .channels = shape->channels,
                     .parts = dho_compute_parts(compute, shape->rows * shape->channels),
                     .x = x,
                     .gamma = gamma,
                     .dy = dy,
                     .dx = dx};
    for (; s.first < shape->channels; s.first += DHO_REDUCTION_CHANNELS) {
        const int left = shape->channels - s.first;
        s.count = left < DHO_REDUCTION_CHANNELS ? left : DHO_REDUCTION_CHANNELS;
        dho_compute_parallel(compute, s.parts, backward_part, &s);
        dho_channel_sums_merge(compute, s.parts, 0, s.count, dgamma + s.first);
    }
}

typedef struct image_scale {
    int64_t rows; /* images */
    int channels, parts;
    const float *scales, *residual, *dy;
    const element *x;
    float *y;
    element *dx;
} image_scale;

static void image_forward_part(void *context, int part)
{
    const image_scale *s = context;
    const dho_range mine = dho_range_of(s->rows, 1, s->parts, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        const element *restrict x = s->x + r * s->channels;
        const float *restrict residual = s->residual + r * s->channels;
        float *restrict y = s->y + r * s->channels;
        const float scale = s->scales[r];
#pragma omp simd
        for (int c = 0; c < s->channels; c++) y[c] = residual[c] + scale * LOAD(x[c]);
    }
}

static void image_scale_forward(dho_compute *compute, const dho_rows_shape *shape, const void *x,
                                const float *scales, const float *residual, float *y)
{
    image_scale s = {.rows = shape->rows,
                     .channels = shape->channels,
                     .parts = dho_compute_parts(compute, shape->rows * shape->channels),
                     .scales = scales,
                     .x = x,
                     .residual = residual,
                     .y = y};
    dho_compute_parallel(compute, s.parts, image_forward_part, &s);
}

static void image_backward_part(void *context, int part)
{
    const image_scale *s = context;
    const dho_range mine = dho_range_of(s->rows, 1, s->parts, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        const float *restrict dy = s->dy + r * s->channels;
        element *restrict dx = s->dx + r * s->channels;
        const float scale = s->scales[r];
#pragma omp simd
        for (int c = 0; c < s->channels; c++) dx[c] = STORE(scale * dy[c]);
    }
}

static void image_scale_backward(dho_compute *compute, const dho_rows_shape *shape,
                                 const float *scales, const float *dy, void *dx)
{
    image_scale s = {.rows = shape->rows,
                     .channels = shape->channels,
                     .parts = dho_compute_parts(compute, shape->rows * shape->channels),
                     .scales = scales,
                     .dy = dy,
                     .dx = dx};
    dho_compute_parallel(compute, s.parts, image_backward_part, &s);
}

const dho_kernel_table TYPED(dho_fast_layer_scale) = {
    .kernels = {.layer_scale_forward = layer_scale_forward,
                .layer_scale_backward = layer_scale_backward,
                .image_scale_forward = image_scale_forward,
                .image_scale_backward = image_scale_backward},
};

/* Reference pools. A NaN wins a maximum, so that it cannot hide from the check of the loss. */
#include "compute/ref/ref_tables.h"

#include <math.h>
#include <string.h>

static int64_t pool_input(const dho_pool_shape *s, int b, int oy, int ox, int tap)
{
    const int y = oy * s->stride - s->padding + tap / s->kernel;
    const int x = ox * s->stride - s->padding + tap % s->kernel;
    if (y < 0 || y >= s->in_h || x < 0 || x >= s->in_w) return -1;
    return (((int64_t)b * s->in_h + y) * s->in_w + x) * s->channels;
}

static void max_pool_at(const dho_pool_shape *s, const float *x, int b, int oy, int ox, int c,
                        float *y, uint8_t *argmax)
{
    bool found = false;
    *y = -INFINITY;
    *argmax = 0;
    for (int tap = 0; tap < s->kernel * s->kernel; tap++) {
        const int64_t pixel = pool_input(s, b, oy, ox, tap);
        if (pixel < 0) continue;
        const float v = x[pixel + c];
        if (!found || v > *y || (isnan(v) && !isnan(*y))) {
            *y = v;
            *argmax = (uint8_t)tap;
        }
        found = true;
    }
}

static void max_pool_forward(dho_compute *compute, const dho_pool_shape *s, const void *x_data,
                             void *y_data, uint8_t *restrict argmax)
{
    const float *restrict x = x_data;
    float *restrict y = y_data;
    (void)compute;
    for (int b = 0; b < s->batch; b++) {
        for (int oy = 0; oy < s->out_h; oy++) {
            for (int ox = 0; ox < s->out_w; ox++) {
                for (int c = 0; c < s->channels; c++) {
                    max_pool_at(s, x, b, oy, ox, c, y++, argmax++);
                }
            }
        }
    }
}

static void max_pool_backward(dho_compute *compute, const dho_pool_shape *s, const void *dy_data,
                              const uint8_t *restrict argmax, bool accumulate, void *dx_data)
{
    const float *restrict dy = dy_data;
    float *restrict dx = dx_data;
    (void)compute;
    const size_t count = (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w * (size_t)s->channels;
    if (!accumulate) memset(dx, 0, count * sizeof *dx);
    for (int b = 0; b < s->batch; b++) {
        for (int oy = 0; oy < s->out_h; oy++) {
            for (int ox = 0; ox < s->out_w; ox++) {
                for (int c = 0; c < s->channels; c++, dy++, argmax++) {
                    const int64_t pixel = pool_input(s, b, oy, ox, *argmax);
                    if (pixel >= 0) dx[pixel + c] += *dy;
                }
            }
        }
    }
}

static void average_pool_forward(dho_compute *compute, const dho_places_shape *shape,
                                 const void *x_data, float *restrict y)
{
    const int batch = shape->batch, positions = shape->positions, channels = shape->channels;
    const float *restrict x = x_data;
    (void)compute;
    for (int b = 0; b < batch; b++) {
        for (int c = 0; c < channels; c++) {
            double sum = 0;
            for (int p = 0; p < positions; p++) {
                sum += (double)x[((int64_t)b * positions + p) * channels + c];
            }
            y[(int64_t)b * channels + c] = (float)(sum / positions);
        }
    }
}

static void average_pool_backward(dho_compute *compute, const dho_places_shape *shape,
                                  const float *restrict dy, bool accumulate, void *dx_data)
{
    const int batch = shape->batch, positions = shape->positions, channels = shape->channels;
    float *restrict dx = dx_data;
    (void)compute;
    for (int b = 0; b < batch; b++) {
        for (int p = 0; p < positions; p++) {
            for (int c = 0; c < channels; c++, dx++) {
                const double d = (double)dy[(int64_t)b * channels + c] / positions;
                *dx = (float)(accumulate ? (double)*dx + d : d);
            }
        }
    }
}

const dho_kernel_table dho_ref_pool = {
    .kernels = {.max_pool_forward = max_pool_forward,
                .max_pool_backward = max_pool_backward,
                .average_pool_forward = average_pool_forward,
                .average_pool_backward = average_pool_backward},
};

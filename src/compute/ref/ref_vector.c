/* Reference sums and optimiser steps. */
#include "compute/ref/ref_tables.h"

#include <math.h>
#include <string.h>

static void add_bias(dho_compute *compute, const dho_rows_shape *shape, float scale,
                     const float *restrict bias, float *restrict y)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    (void)compute;
    for (int64_t r = 0; r < rows; r++) {
        for (int c = 0; c < channels; c++) y[r * channels + c] += scale * bias[c];
    }
}

static void sum_float_rows(dho_compute *compute, const dho_rows_shape *shape, float scale,
                           const float *restrict dy, float *restrict dbias)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    (void)compute;
    for (int c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t r = 0; r < rows; r++) sum += (double)dy[r * channels + c];
        dbias[c] = (float)((double)dbias[c] + (double)scale * sum);
    }
}

static void sum_rows(dho_compute *compute, const dho_rows_shape *shape, const void *dy,
                     float *restrict dbias)
{
    sum_float_rows(compute, shape, 1, dy, dbias);
}

static void add(dho_compute *compute, size_t count, const float *a, const float *b, float *out)
{
    (void)compute;
    for (size_t i = 0; i < count; i++) out[i] = a[i] + b[i];
}

static void accumulate(dho_compute *compute, size_t count, const void *in_data, void *out_data)
{
    const float *in = in_data;
    float *out = out_data;
    (void)compute;
    for (size_t i = 0; i < count; i++) out[i] += in[i];
}

static void store(dho_compute *compute, size_t count, const float *in, void *out)
{
    (void)compute;
    memcpy(out, in, count * sizeof *in);
}

static void adamw(dho_compute *compute, size_t count, const dho_adamw_step *s,
                  const float *restrict gradient, float *restrict parameters,
                  float *restrict moment1, float *restrict moment2)
{
    (void)compute;
    const double correction1 = 1 - pow(s->beta1, (double)s->step);
    const double correction2 = 1 - pow(s->beta2, (double)s->step);
    for (size_t i = 0; i < count; i++) {
        const double g = (double)gradient[i] * (double)s->gradient_scale;
        const double p = (double)parameters[i] * (1 - s->lr * s->weight_decay);
        const double m = s->beta1 * (double)moment1[i] + (1 - s->beta1) * g;
        const double v = s->beta2 * (double)moment2[i] + (1 - s->beta2) * g * g;
        moment1[i] = (float)m;
        moment2[i] = (float)v;
        parameters[i] = (float)(p - s->lr * (m / correction1) / (sqrt(v / correction2) + s->eps));
    }
}

static void sgd(dho_compute *compute, size_t count, const dho_sgd_step *s,
                const float *restrict gradient, float *restrict parameters, float *restrict buffer)
{
    (void)compute;
    for (size_t i = 0; i < count; i++) {
        const double p = (double)parameters[i];
        const double g = (double)gradient[i] * (double)s->gradient_scale + s->weight_decay * p;
        const double b = s->step == 1 ? g : s->momentum * (double)buffer[i] + g;
        buffer[i] = (float)b;
        parameters[i] = (float)(p - s->lr * b);
    }
}

const dho_kernel_table dho_ref_vector = {
    .kernels = {.add_bias = add_bias,
                .sum_rows = sum_rows,
                .sum_float_rows = sum_float_rows,
                .accumulate = accumulate,
                .store = store,
                .add = add,
                .adamw = adamw,
                .sgd = sgd},
};

/* Reference sums and optimiser steps. */
#include "compute/ref/ref_tables.h"

#include <math.h>
#include <string.h>

static void add_bias(dho_compute *compute, int64_t rows, int channels, float scale,
                     const float *restrict bias, float *restrict y)
{
    (void)compute;
    for (int64_t r = 0; r < rows; r++) {
        for (int c = 0; c < channels; c++) y[r * channels + c] += scale * bias[c];
    }
}

static void sum_float_rows(dho_compute *compute, int64_t rows, int channels, float scale,
                           const float *restrict dy, float *restrict dbias)
{
    (void)compute;
    for (int c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t r = 0; r < rows; r++) sum += (double)dy[r * channels + c];
        dbias[c] = (float)((double)dbias[c] + (double)scale * sum);
    }
}

static void sum_rows(dho_compute *compute, int64_t rows, int channels, const void *dy,
                     float *restrict dbias)
{
    sum_float_rows(compute, rows, channels, 1, dy, dbias);
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

static void adamw(dho_compute *compute, size_t count, float *restrict parameters,
                  const float *restrict gradient, float *restrict moment1, float *restrict moment2,
                  float gradient_scale, double lr, double beta1, double beta2, double eps,
                  double weight_decay, int64_t step)
{
    (void)compute;
    const double correction1 = 1 - pow(beta1, (double)step);
    const double correction2 = 1 - pow(beta2, (double)step);
    for (size_t i = 0; i < count; i++) {
        const double g = (double)gradient[i] * (double)gradient_scale;
        const double p = (double)parameters[i] * (1 - lr * weight_decay);
        const double m = beta1 * (double)moment1[i] + (1 - beta1) * g;
        const double v = beta2 * (double)moment2[i] + (1 - beta2) * g * g;
        moment1[i] = (float)m;
        moment2[i] = (float)v;
        parameters[i] = (float)(p - lr * (m / correction1) / (sqrt(v / correction2) + eps));
    }
}

static void sgd(dho_compute *compute, size_t count, float *restrict parameters,
                const float *restrict gradient, float *restrict buffer, float gradient_scale,
                double lr, double momentum, double weight_decay, int64_t step)
{
    (void)compute;
    for (size_t i = 0; i < count; i++) {
        const double p = (double)parameters[i];
        const double g = (double)gradient[i] * (double)gradient_scale + weight_decay * p;
        const double b = step == 1 ? g : momentum * (double)buffer[i] + g;
        buffer[i] = (float)b;
        parameters[i] = (float)(p - lr * b);
    }
}

const dho_table dho_ref_vector = {
    .kernels = {.add_bias = add_bias,
                .sum_rows = sum_rows,
                .sum_float_rows = sum_float_rows,
                .accumulate = accumulate,
                .store = store,
                .add = add,
                .adamw = adamw,
                .sgd = sgd},
};

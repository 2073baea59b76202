/* Vectors of one image and slabs (always float): L2 normalisation, sums, optimiser steps. */
#include "compute/fast/fast_tables.h"

#include <math.h>

enum { GRANULE = 16, LANES = 16 };

typedef struct matrix {
    int64_t rows;
    int channels, parts;
    float scale;
    const float *in;
    float *out;
} matrix;

static void add_bias_part(void *context, int part)
{
    const matrix *m = context;
    const float *restrict bias = m->in;
    const dho_range mine = dho_range_of(m->rows, 1, m->parts, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        float *restrict y = m->out + r * m->channels;
#pragma omp simd
        for (int c = 0; c < m->channels; c++) y[c] += m->scale * bias[c];
    }
}

static void add_bias(dho_compute *compute, int64_t rows, int channels, float scale,
                     const float *restrict bias, float *restrict y)
{
    matrix m = {.rows = rows,
                .channels = channels,
                .scale = scale,
                .in = bias,
                .out = y,
                .parts = dho_compute_parts(compute, rows * channels)};
    dho_compute_parallel(compute, m.parts, add_bias_part, &m);
}

/* <a, b> with a fixed order of summation: LANES sums side by side, then those in double. */
static double dot(const float *restrict a, const float *restrict b, int count)
{
    float lanes[LANES] = {0};
    int c = 0;
    for (; c + LANES <= count; c += LANES) {
#pragma omp simd
        for (int i = 0; i < LANES; i++) lanes[i] += a[c + i] * b[c + i];
    }
    double sum = 0;
    for (int i = 0; i < LANES; i++) sum += (double)lanes[i];
    for (; c < count; c++) sum += (double)a[c] * (double)b[c];
    return sum;
}

typedef struct l2 {
    int64_t rows;
    int channels, parts;
    const float *x, *y, *dy, *norms;
    float *out, *norms_out;
    bool accumulate;
} l2;

static void l2_forward_part(void *context, int part)
{
    const l2 *n = context;
    const dho_range mine = dho_range_of(n->rows, 1, n->parts, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        const float *restrict x = n->x + r * n->channels;
        float *restrict y = n->out + r * n->channels;
        double squares = dot(x, x, n->channels);
        if (!(squares > 1e-30 && squares < 1e30)) { /* floats under- or overflowed on the way */
            squares = 0;
            for (int c = 0; c < n->channels; c++) squares += (double)x[c] * (double)x[c];
        }
        const double norm = sqrt(squares), floor = norm < 1e-12 ? 1e-12 : norm;
        /* 1 / floor may be beyond float; a division never is where the result is not. */
        const float divisor = (float)floor;
#pragma omp simd
        for (int c = 0; c < n->channels; c++) y[c] = x[c] / divisor;
        if (n->norms_out != NULL) n->norms_out[r] = (float)norm;
    }
}

static void l2_normalise_forward(dho_compute *compute, int64_t rows, int channels,
                                 const float *restrict x, float *restrict y, float *restrict norms)
{
    l2 n = {.rows = rows,
            .channels = channels,
            .x = x,
            .out = y,
            .norms_out = norms,
            .parts = dho_compute_parts(compute, rows * channels)};
    dho_compute_parallel(compute, n.parts, l2_forward_part, &n);
}

static void l2_backward_part(void *context, int part)
{
    const l2 *n = context;
    const dho_range mine = dho_range_of(n->rows, 1, n->parts, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        const float *restrict y = n->y + r * n->channels, *restrict dy = n->dy + r * n->channels;
        float *restrict dx = n->out + r * n->channels;
        const bool below = n->norms[r] < 1e-12f; /* there the divisor is constant */
        const float divisor = below ? 1e-12f : n->norms[r];
        const float along = below ? 0 : (float)dot(y, dy, n->channels);
        if (n->accumulate) {
#pragma omp simd
            for (int c = 0; c < n->channels; c++) dx[c] += (dy[c] - y[c] * along) / divisor;
        } else {
#pragma omp simd
            for (int c = 0; c < n->channels; c++) dx[c] = (dy[c] - y[c] * along) / divisor;
        }
    }
}

static void l2_normalise_backward(dho_compute *compute, int64_t rows, int channels,
                                  const float *restrict y, const float *restrict norms,
                                  const float *restrict dy, bool accumulate, float *restrict dx)
{
    l2 n = {.rows = rows,
            .channels = channels,
            .y = y,
            .norms = norms,
            .dy = dy,
            .out = dx,
            .accumulate = accumulate,
            .parts = dho_compute_parts(compute, rows * channels)};
    dho_compute_parallel(compute, n.parts, l2_backward_part, &n);
}

typedef struct sum {
    size_t count;
    int parts;
    const float *a, *b;
    float *out;
} sum;

static void add_part(void *context, int part)
{
    const sum *s = context;
    const dho_range r = dho_range_of((int64_t)s->count, GRANULE, s->parts, part);
    const float *a = s->a, *b = s->b; /* out may be either */
    float *out = s->out;
#pragma omp simd
    for (int64_t i = r.begin; i < r.end; i++) out[i] = a[i] + b[i];
}

static void add(dho_compute *compute, size_t count, const float *a, const float *b, float *out)
{
    sum s = {count, dho_compute_parts(compute, (int64_t)count), a, b, out};
    dho_compute_parallel(compute, s.parts, add_part, &s);
}

typedef struct step {
    size_t count;
    int parts;
    float *parameters, *moment1, *moment2;
    const float *gradient;
    float scale, decay, beta1, one_beta1, beta2, one_beta2, step_size, inverse_root, eps;
    float lr, momentum;
} step;

static void adamw_part(void *context, int part)
{
    const step *s = context;
    const dho_range r = dho_range_of((int64_t)s->count, GRANULE, s->parts, part);
    float *restrict p = s->parameters, *restrict m = s->moment1, *restrict v = s->moment2;
    const float *restrict gradient = s->gradient;
#pragma omp simd
    for (int64_t i = r.begin; i < r.end; i++) {
        const float g = gradient[i] * s->scale;
        m[i] = s->beta1 * m[i] + s->one_beta1 * g;
        v[i] = s->beta2 * v[i] + s->one_beta2 * g * g;
        const float root = sqrtf(v[i]) * s->inverse_root + s->eps;
        p[i] = p[i] * s->decay - s->step_size * m[i] / root;
    }
}

static void adamw(dho_compute *compute, size_t count, float *restrict parameters,
                  const float *restrict gradient, float *restrict moment1, float *restrict moment2,
                  float gradient_scale, double lr, double beta1, double beta2, double eps,
                  double weight_decay, int64_t step_number)
{
    const double correction1 = 1 - pow(beta1, (double)step_number);
    const double correction2 = 1 - pow(beta2, (double)step_number);
    step s = {.count = count,
              .parts = dho_compute_parts(compute, (int64_t)count),
              .parameters = parameters,
              .moment1 = moment1,
              .moment2 = moment2,
              .gradient = gradient,
              .scale = gradient_scale,
              .decay = (float)(1 - lr * weight_decay),
              .beta1 = (float)beta1,
              .one_beta1 = (float)(1 - beta1),
              .beta2 = (float)beta2,
              .one_beta2 = (float)(1 - beta2),
              .step_size = (float)(lr / correction1),
              .inverse_root = (float)(1 / sqrt(correction2)),
              .eps = (float)eps};
    dho_compute_parallel(compute, s.parts, adamw_part, &s);
}

static void sgd_part(void *context, int part)
{
    const step *s = context;
    const dho_range r = dho_range_of((int64_t)s->count, GRANULE, s->parts, part);
    float *restrict p = s->parameters, *restrict buffer = s->moment1;
    const float *restrict gradient = s->gradient;
    if (s->momentum == 0) { /* also the first step: the old buffer is not read */
#pragma omp simd
        for (int64_t i = r.begin; i < r.end; i++) {
            buffer[i] = gradient[i] * s->scale + s->decay * p[i];
            p[i] -= s->lr * buffer[i];
        }
        return;
    }
#pragma omp simd
    for (int64_t i = r.begin; i < r.end; i++) {
        const float g = gradient[i] * s->scale + s->decay * p[i];
        buffer[i] = s->momentum * buffer[i] + g;
        p[i] -= s->lr * buffer[i];
    }
}

static void sgd(dho_compute *compute, size_t count, float *restrict parameters,
                const float *restrict gradient, float *restrict buffer, float gradient_scale,
                double lr, double momentum, double weight_decay, int64_t step_number)
{
    step s = {.count = count,
              .parts = dho_compute_parts(compute, (int64_t)count),
              .parameters = parameters,
              .moment1 = buffer,
              .gradient = gradient,
              .scale = gradient_scale,
              .decay = (float)weight_decay,
              .lr = (float)lr,
              .momentum = step_number == 1 ? 0 : (float)momentum};
    dho_compute_parallel(compute, s.parts, sgd_part, &s);
}

const dho_table dho_fast_vectors = {
    .kernels = {.add_bias = add_bias,
                .add = add,
                .l2_normalise_forward = l2_normalise_forward,
                .l2_normalise_backward = l2_normalise_backward,
                .adamw = adamw,
                .sgd = sgd},
};

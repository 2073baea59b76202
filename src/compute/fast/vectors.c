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

static void add_bias(dho_compute *compute, const dho_rows_shape *shape, float scale,
                     const float *restrict bias, float *restrict y)
{
    matrix m = {.rows = shape->rows,
                .channels = shape->channels,
                .scale = scale,
                .in = bias,
                .out = y,
                .parts = dho_compute_parts(compute, shape->rows * shape->channels)};
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

static void l2_normalise_forward(dho_compute *compute, const dho_rows_shape *shape,
                                 const float *restrict x, float *restrict y, float *restrict norms)
{
    l2 n = {.rows = shape->rows,
            .channels = shape->channels,
            .x = x,
            .out = y,
            .norms_out = norms,
            .parts = dho_compute_parts(compute, shape->rows * shape->channels)};
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

static void l2_normalise_backward(dho_compute *compute, const dho_rows_shape *shape,
                                  const float *restrict y, const float *restrict norms,
                                  const float *restrict dy, bool accumulate, float *restrict dx)
{
    l2 n = {.rows = shape->rows,
            .channels = shape->channels,
            .y = y,
            .norms = norms,
            .dy = dy,
            .out = dx,
            .accumulate = accumulate,
            .parts = dho_compute_parts(compute, shape->rows * shape->channels)};
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

typedef struct update {
    size_t count;
    int parts;
    float *parameters, *moment1, *moment2;
    const float *gradient;
    float scale, decay, beta1, one_beta1, beta2, one_beta2, step_size, inverse_root, eps;
    float lr, momentum;
} update;

static void adamw_part(void *context, int part)
{
    const update *u = context;
    const dho_range r = dho_range_of((int64_t)u->count, GRANULE, u->parts, part);
    float *restrict p = u->parameters, *restrict m = u->moment1, *restrict v = u->moment2;
    const float *restrict gradient = u->gradient;
#pragma omp simd
    for (int64_t i = r.begin; i < r.end; i++) {
        const float g = gradient[i] * u->scale;
        m[i] = u->beta1 * m[i] + u->one_beta1 * g;
        v[i] = u->beta2 * v[i] + u->one_beta2 * g * g;
        const float root = sqrtf(v[i]) * u->inverse_root + u->eps;
        p[i] = p[i] * u->decay - u->step_size * m[i] / root;
    }
}

static void adamw(dho_compute *compute, size_t count, const dho_adamw_step *step,
                  const float *restrict gradient, float *restrict parameters,
                  float *restrict moment1, float *restrict moment2)
{
    const double correction1 = 1 - pow(step->beta1, (double)step->step);
    const double correction2 = 1 - pow(step->beta2, (double)step->step);
    update u = {.count = count,
                .parts = dho_compute_parts(compute, (int64_t)count),
                .parameters = parameters,
                .moment1 = moment1,
                .moment2 = moment2,
                .gradient = gradient,
                .scale = step->gradient_scale,
                .decay = (float)(1 - step->lr * step->weight_decay),
                .beta1 = (float)step->beta1,
                .one_beta1 = (float)(1 - step->beta1),
                .beta2 = (float)step->beta2,
                .one_beta2 = (float)(1 - step->beta2),
                .step_size = (float)(step->lr / correction1),
                .inverse_root = (float)(1 / sqrt(correction2)),
                .eps = (float)step->eps};
    dho_compute_parallel(compute, u.parts, adamw_part, &u);
}

static void sgd_part(void *context, int part)
{
    const update *u = context;
    const dho_range r = dho_range_of((int64_t)u->count, GRANULE, u->parts, part);
    float *restrict p = u->parameters, *restrict buffer = u->moment1;
    const float *restrict gradient = u->gradient;
    if (u->momentum == 0) { /* also the first step: the old buffer is not read */
#pragma omp simd
        for (int64_t i = r.begin; i < r.end; i++) {
            buffer[i] = gradient[i] * u->scale + u->decay * p[i];
            p[i] -= u->lr * buffer[i];
        }
        return;
    }
#pragma omp simd
    for (int64_t i = r.begin; i < r.end; i++) {
        const float g = gradient[i] * u->scale + u->decay * p[i];
        buffer[i] = u->momentum * buffer[i] + g;
        p[i] -= u->lr * buffer[i];
    }
}

static void sgd(dho_compute *compute, size_t count, const dho_sgd_step *step,
                const float *restrict gradient, float *restrict parameters, float *restrict buffer)
{
    update u = {.count = count,
                .parts = dho_compute_parts(compute, (int64_t)count),
                .parameters = parameters,
                .moment1 = buffer,
                .gradient = gradient,
                .scale = step->gradient_scale,
                .decay = (float)step->weight_decay,
                .lr = (float)step->lr,
                .momentum = step->step == 1 ? 0 : (float)step->momentum};
    dho_compute_parallel(compute, u.parts, sgd_part, &u);
}

const dho_kernel_table dho_fast_vectors = {
    .kernels = {.add_bias = add_bias,
                .add = add,
                .l2_normalise_forward = l2_normalise_forward,
                .l2_normalise_backward = l2_normalise_backward,
                .adamw = adamw,
                .sgd = sgd},
};

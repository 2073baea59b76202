/* Activations as plain rows or vectors: column sums, sums, rounding. */
#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"

#include <string.h>

enum { GRANULE = 16, FLUSH_ROWS = 32 };

typedef struct matrix {
    int64_t rows;
    int channels, first, count, parts;
    const element *in;
    double *reduction;
} matrix;

/* Float over FLUSH_ROWS rows, double beyond. */
static void sum_rows_part(void *context, int part)
{
    const matrix *m = context;
    double *restrict total = m->reduction + (size_t)part * DHO_REDUCTION_CHANNELS;
    float sum[DHO_REDUCTION_CHANNELS] = {0};
    memset(total, 0, (size_t)m->count * sizeof *total);
    const dho_range mine = dho_range_of(m->rows, FLUSH_ROWS, m->parts, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        const element *restrict in = m->in + r * m->channels + m->first;
#pragma omp simd
        for (int c = 0; c < m->count; c++) sum[c] += LOAD(in[c]);
        if ((r + 1) % FLUSH_ROWS != 0 && r + 1 < mine.end) continue;
#pragma omp simd
        for (int c = 0; c < m->count; c++) {
            total[c] += (double)sum[c];
            sum[c] = 0;
        }
    }
}

static void add_row_sums(dho_compute *compute, const dho_rows_shape *shape, float scale,
                         const element *dy, float *restrict dbias)
{
    matrix m = {.rows = shape->rows,
                .channels = shape->channels,
                .in = dy,
                .reduction = compute->reduction,
                .parts = dho_compute_parts(compute, shape->rows * shape->channels)};
    for (; m.first < shape->channels; m.first += DHO_REDUCTION_CHANNELS) {
        const int left = shape->channels - m.first;
        m.count = left < DHO_REDUCTION_CHANNELS ? left : DHO_REDUCTION_CHANNELS;
        dho_compute_parallel(compute, m.parts, sum_rows_part, &m);
        for (int c = 0; c < m.count; c++) {
            double sum = 0;
            for (int part = 0; part < m.parts; part++) {
                sum += m.reduction[(size_t)part * DHO_REDUCTION_CHANNELS + (size_t)c];
            }
            dbias[m.first + c] += (float)((double)scale * sum);
        }
    }
}

static void sum_rows(dho_compute *compute, const dho_rows_shape *shape, const void *dy,
                     float *restrict dbias)
{
    add_row_sums(compute, shape, 1, dy, dbias);
}

#ifndef DHO_ELEMENT_BF16
static void sum_float_rows(dho_compute *compute, const dho_rows_shape *shape, float scale,
                           const float *restrict dy, float *restrict dbias)
{
    add_row_sums(compute, shape, scale, dy, dbias);
}
#endif

typedef struct vector {
    size_t count;
    int parts;
    const element *in;
    const float *floats;
    element *out;
} vector;

static void accumulate_part(void *context, int part)
{
    const vector *v = context;
    const dho_range r = dho_range_of((int64_t)v->count, GRANULE, v->parts, part);
    const element *restrict in = v->in;
    element *restrict out = v->out;
#pragma omp simd
    for (int64_t i = r.begin; i < r.end; i++) out[i] = STORE(LOAD(out[i]) + LOAD(in[i]));
}

static void accumulate(dho_compute *compute, size_t count, const void *in, void *out)
{
    vector v = {
        .count = count, .parts = dho_compute_parts(compute, (int64_t)count), .in = in, .out = out};
    dho_compute_parallel(compute, v.parts, accumulate_part, &v);
}

static void store_part(void *context, int part)
{
    const vector *v = context;
    const dho_range r = dho_range_of((int64_t)v->count, GRANULE, v->parts, part);
    const float *restrict in = v->floats;
    element *restrict out = v->out;
#pragma omp simd
    for (int64_t i = r.begin; i < r.end; i++) out[i] = STORE(in[i]);
}

static void store(dho_compute *compute, size_t count, const float *in, void *out)
{
    vector v = {.count = count,
                .parts = dho_compute_parts(compute, (int64_t)count),
                .floats = in,
                .out = out};
    dho_compute_parallel(compute, v.parts, store_part, &v);
}

typedef struct widening {
    size_t count;
    int parts;
    bool accumulate;
    const element *in;
    float *out;
} widening;

static void load_part(void *context, int part)
{
    const widening *w = context;
    const dho_range r = dho_range_of((int64_t)w->count, GRANULE, w->parts, part);
    const element *restrict in = w->in;
    float *restrict out = w->out;
    if (w->accumulate) {
#pragma omp simd
        for (int64_t i = r.begin; i < r.end; i++) out[i] += LOAD(in[i]);
    } else {
#pragma omp simd
        for (int64_t i = r.begin; i < r.end; i++) out[i] = LOAD(in[i]);
    }
}

static void load(dho_compute *compute, size_t count, const void *in, bool accumulate, float *out)
{
    widening w = {.count = count,
                  .parts = dho_compute_parts(compute, (int64_t)count),
                  .accumulate = accumulate,
                  .in = in,
                  .out = out};
    dho_compute_parallel(compute, w.parts, load_part, &w);
}

const dho_kernel_table TYPED(dho_fast_rows) = {
    .kernels = {.sum_rows = sum_rows,
#ifndef DHO_ELEMENT_BF16
                .sum_float_rows = sum_float_rows,
#endif
                .accumulate = accumulate,
                .store = store,
                .load = load},
};

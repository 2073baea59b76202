/* Batch normalisation forward: reads x twice and writes y once. */
#include "compute/fast/typed/batch_norm.h"

#include <math.h>
#include <string.h>

/* Sums of d = x - shift and of d squared, shift = a rough mean, so that no variance is lost to
 * cancellation when the mean is far from zero. `next` is one row further. */
ALWAYS_INLINE void add_moments(const norm *n, int64_t r, bool two, float *restrict sum,
                               float *restrict squares)
{
    const float *restrict shift = n->shift;
    const element *restrict x = n->x + r * n->stride + n->first;
    const element *restrict next = x + (two ? n->stride : 0);
#pragma omp simd
    for (int c = 0; c < n->count; c++) {
        const float d = LOAD(x[c]) - shift[c], e = two ? LOAD(next[c]) - shift[c] : 0;
        sum[c] += d + e;
        squares[c] += d * d + e * e;
    }
}

/* The mean of a few rows from all over the tensor. */
static void rough_mean(const norm *n, float *restrict shift)
{
    enum { SAMPLES = 8 };
    memset(shift, 0, (size_t)n->count * sizeof *shift);
    for (int i = 0; i < SAMPLES; i++) {
        const element *restrict x = n->x + n->rows * i / SAMPLES * n->stride + n->first;
#pragma omp simd
        for (int c = 0; c < n->count; c++) shift[c] += LOAD(x[c]) * (1.0f / SAMPLES);
    }
}

static void moments_part(void *context, int part)
{
    const norm *n = context;
    double *total = partial_of(n, part, 0), *total_squares = partial_of(n, part, 1);
    float sum[DHO_REDUCTION_CHANNELS] = {0}, squares[DHO_REDUCTION_CHANNELS] = {0};
    memset(total, 0, (size_t)n->count * sizeof *total);
    memset(total_squares, 0, (size_t)n->count * sizeof *total_squares);
    const dho_range mine = dho_range_of(n->rows, FLUSH_ROWS, n->parts, part);
    for (int64_t begin = mine.begin; begin < mine.end; begin += FLUSH_ROWS) {
        const int64_t end = begin + FLUSH_ROWS < mine.end ? begin + FLUSH_ROWS : mine.end;
        int64_t r = begin;
        for (; r + 1 < end; r += 2) add_moments(n, r, true, sum, squares);
        if (r < end) add_moments(n, r, false, sum, squares);
        flush(total, sum, n->count);
        flush(total_squares, squares, n->count);
    }
}

/* NaN stays NaN. `activation` is a constant to the inlining caller. */
ALWAYS_INLINE float activate(float v, dho_activation activation)
{
    if (activation == DHO_ACTIVATION_NONE) return v;
    const float positive = v < 0 ? 0 : v;
    return activation == DHO_ACTIVATION_RELU6 && positive > 6 ? 6 : positive;
}

/* y = (x - mean) scale + beta (+ residual), activated. x and residual may be y. */
ALWAYS_INLINE void apply_row(const norm *n, int64_t r, bool residual, dho_activation activation)
{
    const int64_t at = r * n->stride + n->first;
    const element *x = n->x + at, *extra = residual ? n->residual + at : NULL;
    const float *restrict mean = n->mean, *restrict scale = n->scale, *restrict beta = n->beta;
    element *y = n->out + at;
#pragma omp simd
    for (int c = 0; c < n->count; c++) {
        float v = (LOAD(x[c]) - mean[c]) * scale[c] + beta[c];
        if (residual) v += LOAD(extra[c]);
        y[c] = STORE(activate(v, activation));
    }
}

ALWAYS_INLINE void apply_rows(const norm *n, dho_range rows, dho_activation activation)
{
    const bool residual = n->residual != NULL;
    for (int64_t r = rows.begin; r < rows.end; r++) {
        if (residual)
            apply_row(n, r, true, activation);
        else
            apply_row(n, r, false, activation);
    }
}

static void apply_part(void *context, int part)
{
    const norm *n = context;
    const dho_range mine = dho_range_of(n->rows, 1, n->parts, part);
    WITH_ACTIVATION(n->activation, apply_rows, n, mine);
}

/* y of the block, once its scale is known. */
static void apply_block(const dho_compute *compute, norm *n, const float *mean, const float *beta)
{
    n->mean = mean + n->first;
    n->beta = beta + n->first;
    dho_compute_parallel(compute, n->parts, apply_part, n);
}

static norm norm_of(const dho_compute *compute, const dho_batch_norm_shape *shape,
                    const dho_batch_norm_tensors *t)
{
    return (norm){.rows = shape->rows,
                  .stride = shape->channels,
                  .activation = shape->activation,
                  .x = t->x,
                  .residual = t->residual,
                  .out = t->y,
                  .reduction = compute->reduction,
                  .parts = dho_compute_parts(compute, shape->rows * shape->channels)};
}

static void batch_norm_forward(dho_compute *compute, const dho_batch_norm_shape *shape,
                               const dho_batch_norm_tensors *t, float *restrict mean,
                               float *restrict inv_std, float *restrict batch_variance)
{
    float scale[DHO_REDUCTION_CHANNELS], shift[DHO_REDUCTION_CHANNELS];
    const double rows = (double)shape->rows;
    norm n = norm_of(compute, shape, t);
    n.scale = scale;
    n.shift = shift;
    while (next_block(&n)) {
        rough_mean(&n, shift);
        dho_compute_parallel(compute, n.parts, moments_part, &n);
        for (int i = 0; i < n.count; i++) {
            const int c = n.first + i;
            const double offset = merged(&n, 0, i) / rows;
            const double central = merged(&n, 1, i) - offset * offset * rows;
            /* fmax would hide a NaN */
            const double squares = central < 0 ? 0 : central;
            const double inverse = 1 / sqrt(squares / rows + (double)shape->eps);
            mean[c] = (float)((double)shift[i] + offset);
            inv_std[c] = (float)inverse;
            batch_variance[c] = (float)(squares / (shape->rows > 1 ? rows - 1 : 1));
            /* From the rounded one, so that whoever has it can have the same output again. */
            scale[i] = (float)((double)t->gamma[c] * (double)inv_std[c]);
        }
        apply_block(compute, &n, mean, t->beta);
    }
}

static void batch_norm_again(dho_compute *compute, const dho_batch_norm_shape *shape,
                             const dho_batch_norm_tensors *t, const float *restrict mean,
                             const float *restrict inv_std)
{
    float scale[DHO_REDUCTION_CHANNELS];
    norm n = norm_of(compute, shape, t);
    n.scale = scale;
    while (next_block(&n)) {
        for (int i = 0; i < n.count; i++)
            scale[i] = (float)((double)t->gamma[n.first + i] * (double)inv_std[n.first + i]);
        apply_block(compute, &n, mean, t->beta);
    }
}

static void batch_norm_inference(dho_compute *compute, const dho_batch_norm_shape *shape,
                                 const dho_batch_norm_tensors *t,
                                 const float *restrict running_mean,
                                 const float *restrict running_var)
{
    float scale[DHO_REDUCTION_CHANNELS];
    norm n = norm_of(compute, shape, t);
    n.scale = scale;
    while (next_block(&n)) {
        for (int i = 0; i < n.count; i++) {
            const int c = n.first + i;
            scale[i] =
                (float)((double)t->gamma[c] / sqrt((double)running_var[c] + (double)shape->eps));
        }
        apply_block(compute, &n, running_mean, t->beta);
    }
}

const dho_kernel_table TYPED(dho_fast_batch_norm_forward) = {
    .kernels = {.batch_norm_forward = batch_norm_forward,
                .batch_norm_again = batch_norm_again,
                .batch_norm_inference = batch_norm_inference},
};

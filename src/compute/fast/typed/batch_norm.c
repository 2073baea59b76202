/* Batch normalisation fused with residual and activation.
 *
 * Bound by memory: forward reads x twice and writes y once; backward reads x, y and dy for the
 * sums; where it has a residual to hand g = masked dy to, it writes g there in the same pass and
 * the second pass reads x and g only. Sums are taken in float over a few rows, then in double.
 * Everything goes by blocks of up to DHO_REDUCTION_CHANNELS channels. */
#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { FLUSH_ROWS = 32 }; /* rows summed in float before they go into the double sums */

typedef struct norm {
    int64_t rows;
    int stride;       /* channels: the distance from row to row */
    int first, count; /* the block of channels */
    int parts;
    dho_activation activation;
    bool accumulate_dx, accumulate_dresidual, stores_g;
    const element *x, *y, *dy, *residual; /* whole tensors */
    element *out, *dx, *dresidual;
    /* Per channel of the block, [count]. */
    const float *mean, *scale, *beta;
    const float *shift;
    const float *mean_g, *slope; /* dx = scale (g - mean_g - (x - mean) slope) */
    double *reduction;           /* [parts][2][DHO_REDUCTION_CHANNELS] */
} norm;

static double *partial_of(const norm *n, int part, int which)
{
    return n->reduction + ((size_t)part * 2 + (size_t)which) * DHO_REDUCTION_CHANNELS;
}

static double merged(const norm *n, int which, int c)
{
    double sum = 0;
    for (int part = 0; part < n->parts; part++) sum += partial_of(n, part, which)[c];
    return sum;
}

static void flush(double *restrict sums, float *restrict block, int count)
{
#pragma omp simd
    for (int c = 0; c < count; c++) {
        sums[c] += (double)block[c];
        block[c] = 0;
    }
}

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

/* NaN stays NaN. As everywhere here, `activation` is a constant to the inlining caller. */
ALWAYS_INLINE float activate(float v, dho_activation activation)
{
    if (activation == DHO_ACTIVATION_NONE) return v;
    const float positive = v < 0 ? 0 : v;
    return activation == DHO_ACTIVATION_RELU6 && positive > 6 ? 6 : positive;
}

/* dy where the activation lets it through. No short cut in the test: it would not vectorise. */
ALWAYS_INLINE float masked(float dy, float y, dho_activation activation)
{
    if (activation == DHO_ACTIVATION_NONE) return dy;
    if (activation == DHO_ACTIVATION_RELU) return y > 0 ? dy : 0;
    return (y > 0) & (y < 6) ? dy : 0;
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
    switch (n->activation) {
    case DHO_ACTIVATION_NONE:
        apply_rows(n, mine, DHO_ACTIVATION_NONE);
        break;
    case DHO_ACTIVATION_RELU:
        apply_rows(n, mine, DHO_ACTIVATION_RELU);
        break;
    case DHO_ACTIVATION_RELU6:
        apply_rows(n, mine, DHO_ACTIVATION_RELU6);
        break;
    }
}

/* The next block of channels; false after the last. */
static bool next_block(norm *n)
{
    n->first += n->count;
    const int left = n->stride - n->first;
    n->count = left < DHO_REDUCTION_CHANNELS ? left : DHO_REDUCTION_CHANNELS;
    return left > 0;
}

static void batch_norm_forward(dho_compute *compute, int64_t rows, int channels, float eps,
                               dho_activation activation, const void *x_data,
                               const float *restrict gamma, const float *restrict beta,
                               const void *residual_data, void *y_data, float *restrict mean,
                               float *restrict inv_std, float *restrict batch_variance)
{
    const element *restrict x = x_data;
    const element *restrict residual = residual_data;
    element *restrict y = y_data;
    float scale[DHO_REDUCTION_CHANNELS], shift[DHO_REDUCTION_CHANNELS];
    norm n = {.rows = rows,
              .stride = channels,
              .activation = activation,
              .x = x,
              .residual = residual,
              .out = y,
              .scale = scale,
              .shift = shift,
              .reduction = compute->reduction,
              .parts = dho_compute_parts(compute, rows * channels)};
    while (next_block(&n)) {
        rough_mean(&n, shift);
        dho_compute_parallel(compute, n.parts, moments_part, &n);
        for (int i = 0; i < n.count; i++) {
            const int c = n.first + i;
            const double offset = merged(&n, 0, i) / (double)rows;
            const double central = merged(&n, 1, i) - offset * offset * (double)rows;
            /* fmax would hide a NaN */
            const double squares = central < 0 ? 0 : central;
            const double inverse = 1 / sqrt(squares / (double)rows + (double)eps);
            mean[c] = (float)((double)shift[i] + offset);
            inv_std[c] = (float)inverse;
            batch_variance[c] = (float)(squares / (double)(rows > 1 ? rows - 1 : 1));
            /* From the rounded one, so that whoever has it can have the same output again. */
            scale[i] = (float)((double)gamma[c] * (double)inv_std[c]);
        }
        n.mean = mean + n.first;
        n.beta = beta + n.first;
        dho_compute_parallel(compute, n.parts, apply_part, &n);
    }
}

static void batch_norm_again(dho_compute *compute, int64_t rows, int channels,
                             dho_activation activation, const void *x, const float *restrict gamma,
                             const float *restrict beta, const float *restrict mean,
                             const float *restrict inv_std, const void *residual, void *y)
{
    float scale[DHO_REDUCTION_CHANNELS];
    norm n = {.rows = rows,
              .stride = channels,
              .activation = activation,
              .x = x,
              .residual = residual,
              .out = y,
              .scale = scale,
              .parts = dho_compute_parts(compute, rows * channels)};
    while (next_block(&n)) {
        for (int i = 0; i < n.count; i++) {
            const int c = n.first + i;
            scale[i] = (float)((double)gamma[c] * (double)inv_std[c]);
        }
        n.mean = mean + n.first;
        n.beta = beta + n.first;
        dho_compute_parallel(compute, n.parts, apply_part, &n);
    }
}

static void batch_norm_inference(dho_compute *compute, int64_t rows, int channels, float eps,
                                 dho_activation activation, const void *x_data,
                                 const float *restrict gamma, const float *restrict beta,
                                 const float *restrict running_mean,
                                 const float *restrict running_var, const void *residual_data,
                                 void *y_data)
{
    const element *x = x_data;
    const element *residual = residual_data;
    element *y = y_data;
    float scale[DHO_REDUCTION_CHANNELS];
    norm n = {.rows = rows,
              .stride = channels,
              .activation = activation,
              .x = x,
              .residual = residual,
              .out = y,
              .scale = scale,
              .parts = dho_compute_parts(compute, rows * channels)};
    while (next_block(&n)) {
        for (int i = 0; i < n.count; i++) {
            const int c = n.first + i;
            scale[i] = (float)((double)gamma[c] / sqrt((double)running_var[c] + (double)eps));
        }
        n.mean = running_mean + n.first;
        n.beta = beta + n.first;
        dho_compute_parallel(compute, n.parts, apply_part, &n);
    }
}

/* What the activation let through at c: the output, or where it is not kept (y is NULL) the same
 * number again from x. */
ALWAYS_INLINE float output_at(const norm *n, const element *restrict y, float x, int c, bool kept,
                              dho_activation activation)
{
    if (activation == DHO_ACTIVATION_NONE) return 0;
    return kept ? LOAD(y[c]) : (x - n->mean[c]) * n->scale[c] + n->beta[c];
}

/* Sums of g and of g (x - mean); stores g into dresidual when asked. */
ALWAYS_INLINE void add_gradient_sums(const norm *n, int64_t r, dho_activation activation, bool kept,
                                     bool stores, float *restrict sum, float *restrict sum_x)
{
    const int64_t at = r * n->stride + n->first;
    const element *restrict x = n->x + at, *restrict y = kept ? n->y + at : NULL;
    const element *restrict dy = n->dy + at;
    const float *restrict mean = n->mean;
    element *restrict g_out = stores ? n->dresidual + at : NULL;
#pragma omp simd
    for (int c = 0; c < n->count; c++) {
        const float v = LOAD(x[c]);
        const float g = masked(LOAD(dy[c]), output_at(n, y, v, c, kept, activation), activation);
        if (stores) g_out[c] = STORE(g);
        sum[c] += g;
        sum_x[c] += g * (v - mean[c]);
    }
}

ALWAYS_INLINE void sum_gradient_rows(const norm *n, int part, dho_activation activation)
{
    double *total = partial_of(n, part, 0), *total_x = partial_of(n, part, 1);
    float sum[DHO_REDUCTION_CHANNELS] = {0}, sum_x[DHO_REDUCTION_CHANNELS] = {0};
    memset(total, 0, (size_t)n->count * sizeof *total);
    memset(total_x, 0, (size_t)n->count * sizeof *total_x);
    const dho_range mine = dho_range_of(n->rows, FLUSH_ROWS, n->parts, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        if (n->stores_g)
            add_gradient_sums(n, r, activation, true, true, sum, sum_x);
        else if (n->y != NULL)
            add_gradient_sums(n, r, activation, true, false, sum, sum_x);
        else
            add_gradient_sums(n, r, activation, false, false, sum, sum_x);
        if ((r + 1) % FLUSH_ROWS != 0 && r + 1 < mine.end) continue;
        flush(total, sum, n->count);
        flush(total_x, sum_x, n->count);
    }
}

static void gradient_sums_part(void *context, int part)
{
    const norm *n = context;
    switch (n->activation) {
    case DHO_ACTIVATION_NONE:
        sum_gradient_rows(n, part, DHO_ACTIVATION_NONE);
        break;
    case DHO_ACTIVATION_RELU:
        sum_gradient_rows(n, part, DHO_ACTIVATION_RELU);
        break;
    case DHO_ACTIVATION_RELU6:
        sum_gradient_rows(n, part, DHO_ACTIVATION_RELU6);
        break;
    }
}

/* dx (+)= scale (g - mean_g - (x - mean) slope); dresidual += g when `adds`. */
ALWAYS_INLINE void gradient_row(const norm *n, int64_t r, dho_activation activation, bool kept,
                                bool accumulate, bool adds)
{
    const int64_t at = r * n->stride + n->first;
    const element *restrict x = n->x + at, *restrict y = kept ? n->y + at : NULL;
    const element *restrict dy = n->dy + at;
    const float *restrict mean = n->mean, *restrict scale = n->scale;
    const float *restrict mean_g = n->mean_g, *restrict slope = n->slope;
    element *restrict dx = n->dx + at, *restrict dresidual = adds ? n->dresidual + at : NULL;
#pragma omp simd
    for (int c = 0; c < n->count; c++) {
        const float v = LOAD(x[c]);
        const float g = masked(LOAD(dy[c]), output_at(n, y, v, c, kept, activation), activation);
        const float d = scale[c] * (g - mean_g[c] - (v - mean[c]) * slope[c]);
        dx[c] = STORE(accumulate ? LOAD(dx[c]) + d : d);
        if (adds) dresidual[c] = STORE(LOAD(dresidual[c]) + g);
    }
}

ALWAYS_INLINE void gradient_rows(const norm *n, dho_range rows, dho_activation activation)
{
    const bool adds = n->dresidual != NULL && n->accumulate_dresidual;
    /* Without y there is no residual: no 5, no 7. */
    const int variant = (n->y == NULL ? 4 : 0) + (n->accumulate_dx ? 2 : 0) + (adds ? 1 : 0);
    for (int64_t r = rows.begin; r < rows.end; r++) {
        switch (variant) {
        case 0:
            gradient_row(n, r, activation, true, false, false);
            break;
        case 1:
            gradient_row(n, r, activation, true, false, true);
            break;
        case 2:
            gradient_row(n, r, activation, true, true, false);
            break;
        case 3:
            gradient_row(n, r, activation, true, true, true);
            break;
        case 4:
            gradient_row(n, r, activation, false, false, false);
            break;
        default:
            gradient_row(n, r, activation, false, true, false);
        }
    }
}

static void gradient_part(void *context, int part)
{
    const norm *n = context;
    const dho_range mine = dho_range_of(n->rows, FLUSH_ROWS, n->parts, part);
    switch (n->activation) {
    case DHO_ACTIVATION_NONE:
        gradient_rows(n, mine, DHO_ACTIVATION_NONE);
        break;
    case DHO_ACTIVATION_RELU:
        gradient_rows(n, mine, DHO_ACTIVATION_RELU);
        break;
    case DHO_ACTIVATION_RELU6:
        gradient_rows(n, mine, DHO_ACTIVATION_RELU6);
        break;
    }
}

static void batch_norm_backward(dho_compute *compute, int64_t rows, int channels,
                                dho_activation activation, const void *x_data, const void *y_data,
                                const void *dy_data, const float *restrict gamma,
                                const float *restrict beta, const float *restrict mean,
                                const float *restrict inv_std, bool accumulate_dx, void *dx_data,
                                bool accumulate_dresidual, void *dresidual_data,
                                float *restrict dgamma, float *restrict dbeta)
{
    const element *restrict x = x_data;
    const element *restrict y = y_data;
    const element *restrict dy = dy_data;
    element *restrict dx = dx_data;
    element *restrict dresidual = dresidual_data;
    float scale[DHO_REDUCTION_CHANNELS], mean_g[DHO_REDUCTION_CHANNELS];
    float slope[DHO_REDUCTION_CHANNELS];
    assert(y != NULL || dresidual == NULL);
    norm sums = {.rows = rows,
                 .stride = channels,
                 .activation = activation,
                 .accumulate_dx = accumulate_dx,
                 .accumulate_dresidual = accumulate_dresidual,
                 .stores_g = dresidual != NULL && !accumulate_dresidual,
                 .x = x,
                 .y = y,
                 .dy = dy,
                 .dx = dx,
                 .dresidual = dresidual,
                 .scale = scale,
                 .mean_g = mean_g,
                 .slope = slope,
                 .reduction = compute->reduction,
                 .parts = dho_compute_parts(compute, rows * channels)};
    while (next_block(&sums)) {
        sums.mean = mean + sums.first;
        sums.beta = beta + sums.first;
        for (int i = 0; i < sums.count; i++) {
            const int c = sums.first + i;
            scale[i] = (float)((double)gamma[c] * (double)inv_std[c]);
        }
        dho_compute_parallel(compute, sums.parts, gradient_sums_part, &sums);
        for (int i = 0; i < sums.count; i++) {
            const int c = sums.first + i;
            const double inverse = (double)inv_std[c], sum = merged(&sums, 0, i);
            const double sum_xhat = merged(&sums, 1, i) * inverse;
            mean_g[i] = (float)(sum / (double)rows);
            slope[i] = (float)(sum_xhat * inverse / (double)rows);
            dgamma[c] += (float)sum_xhat;
            dbeta[c] += (float)sum;
        }
        norm gradients = sums;
        if (sums.stores_g) gradients.dy = dresidual, gradients.activation = DHO_ACTIVATION_NONE;
        dho_compute_parallel(compute, sums.parts, gradient_part, &gradients);
    }
}

const dho_table TYPED(dho_fast_batch_norm) = {
    .kernels = {.batch_norm_forward = batch_norm_forward,
                .batch_norm_again = batch_norm_again,
                .batch_norm_backward = batch_norm_backward,
                .batch_norm_inference = batch_norm_inference},
};

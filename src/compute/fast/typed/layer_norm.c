/* Layer normalisation (Ba et al. 2016) of the float residual stream.
 *
 * A row fits the first-level cache, so that x is read from memory once in each direction. */
#include "base/fast_math.h"
#include "compute/fast/channel_sums.h"
#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"

#include <math.h>

typedef struct layer_norm {
    const dho_compute *compute;
    int64_t rows;
    int channels, parts;
    int first, count; /* backward: the block of channels whose sums are taken */
    float eps;
    bool wide, accumulate;
    const float *x, *gamma, *beta;
    float *mean, *inv_std;
    void *y; /* float when wide, element otherwise; so is dy */
    const void *dy;
    float *dx;
} layer_norm;

/* Sums along a row are taken in float over so many channels, in double beyond: as exact where the
 * compiler does not make lanes of them. */
enum { CHUNK = 128 };

static inline int chunk_end(int begin, int channels)
{
    return channels - begin < CHUNK ? channels : begin + CHUNK;
}

DHO_ALWAYS_INLINE void forward_row(const layer_norm *n, int64_t r, bool wide)
{
    const int channels = n->channels;
    const float *restrict x = n->x + r * channels;
    const float *restrict gamma = n->gamma, *restrict beta = n->beta;
    double total = 0, total_squares = 0;
    for (int begin = 0; begin < channels; begin += CHUNK) {
        const int end = chunk_end(begin, channels);
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int c = begin; c < end; c++) sum += x[c];
        total += (double)sum;
    }
    const float mean = (float)(total / channels);
    for (int begin = 0; begin < channels; begin += CHUNK) {
        const int end = chunk_end(begin, channels);
        float squares = 0;
#pragma omp simd reduction(+ : squares)
        for (int c = begin; c < end; c++) squares += (x[c] - mean) * (x[c] - mean);
        total_squares += (double)squares;
    }
    const float inv_std = (float)(1 / sqrt(total_squares / channels + (double)n->eps));
    n->mean[r] = mean;
    n->inv_std[r] = inv_std;
    float *restrict y = (float *)n->y + r * channels;
    element *restrict narrow = (element *)n->y + r * channels;
#pragma omp simd
    for (int c = 0; c < channels; c++) {
        const float v = (x[c] - mean) * inv_std * gamma[c] + beta[c];
        if (wide)
            y[c] = v;
        else
            narrow[c] = STORE(v);
    }
}

static void forward_part(void *context, int part)
{
    const layer_norm *n = context;
    const dho_range mine = dho_range_of(n->rows, 1, n->parts, part);
    if (n->wide)
        for (int64_t r = mine.begin; r < mine.end; r++) forward_row(n, r, true);
    else
        for (int64_t r = mine.begin; r < mine.end; r++) forward_row(n, r, false);
}

static void layer_norm_forward(dho_compute *compute, const dho_layer_norm_shape *shape,
                               const float *x, const float *gamma, const float *beta, void *y,
                               float *mean, float *inv_std)
{
    layer_norm n = {.compute = compute,
                    .rows = shape->rows,
                    .channels = shape->channels,
                    .parts = dho_compute_parts(compute, shape->rows * shape->channels),
                    .eps = shape->eps,
                    .wide = shape->wide,
                    .x = x,
                    .gamma = gamma,
                    .beta = beta,
                    .mean = mean,
                    .inv_std = inv_std,
                    .y = y};
    dho_compute_parallel(compute, n.parts, forward_part, &n);
}

/* With g = gamma dy and xhat = (x - mean) inv_std: dx = inv_std (g - mean(g) - xhat mean(g xhat)),
 * means over the channels. */
DHO_ALWAYS_INLINE void gradient_row(const layer_norm *n, int64_t r, bool wide, bool accumulate)
{
    const int channels = n->channels;
    const float *restrict x = n->x + r * channels, *restrict gamma = n->gamma;
    const float *restrict dy = (const float *)n->dy + r * channels;
    const element *restrict narrow = (const element *)n->dy + r * channels;
    const float mean = n->mean[r], inv_std = n->inv_std[r];
    double total = 0, total_x = 0;
    for (int begin = 0; begin < channels; begin += CHUNK) {
        const int end = chunk_end(begin, channels);
        float sum = 0, sum_x = 0;
#pragma omp simd reduction(+ : sum, sum_x)
        for (int c = begin; c < end; c++) {
            const float g = (wide ? dy[c] : LOAD(narrow[c])) * gamma[c];
            sum += g;
            sum_x += g * (x[c] - mean);
        }
        total += (double)sum;
        total_x += (double)sum_x;
    }
    const float mean_g = (float)(total / channels);
    const float slope = (float)(total_x * (double)inv_std * (double)inv_std / channels);
    float *restrict dx = n->dx + r * channels;
#pragma omp simd
    for (int c = 0; c < channels; c++) {
        const float g = (wide ? dy[c] : LOAD(narrow[c])) * gamma[c];
        const float d = inv_std * (g - mean_g - (x[c] - mean) * slope);
        dx[c] = accumulate ? dx[c] + d : d;
    }
}

/* dgamma and dbeta of one block of channels. */
DHO_ALWAYS_INLINE void sums_row(const layer_norm *n, int64_t r, bool wide, dho_channel_sums *sums)
{
    const int64_t at = r * n->channels + n->first;
    const float *restrict x = n->x + at, *restrict dy = (const float *)n->dy + at;
    const element *restrict narrow = (const element *)n->dy + at;
    const float mean = n->mean[r], inv_std = n->inv_std[r];
    float *restrict dgamma = sums->block[0], *restrict dbeta = sums->block[1];
#pragma omp simd
    for (int c = 0; c < n->count; c++) {
        const float d = wide ? dy[c] : LOAD(narrow[c]);
        dgamma[c] += d * ((x[c] - mean) * inv_std);
        dbeta[c] += d;
    }
}

/* The data's gradient goes along with the first block of channels, which is nearly always all. */
DHO_ALWAYS_INLINE void backward_rows(const layer_norm *n, int part, bool wide, bool accumulate)
{
    const dho_range mine = dho_range_of(n->rows, DHO_SUMS_FLUSH_ROWS, n->parts, part);
    dho_channel_sums sums;
    dho_channel_sums_start(&sums, n->compute, part);
    for (int64_t r = mine.begin; r < mine.end; r++) {
        if (n->first == 0) gradient_row(n, r, wide, accumulate);
        sums_row(n, r, wide, &sums);
        dho_channel_sums_row(&sums, 2, n->count, r, mine.end - 1);
    }
}

static void backward_part(void *context, int part)
{
    const layer_norm *n = context;
    switch ((n->wide ? 2 : 0) + (n->accumulate ? 1 : 0)) {
    case 0:
        backward_rows(n, part, false, false);
        break;
    case 1:
        backward_rows(n, part, false, true);
        break;
    case 2:
        backward_rows(n, part, true, false);
        break;
    default:
        backward_rows(n, part, true, true);
    }
}

static void layer_norm_backward(dho_compute *compute, const dho_layer_norm_shape *shape,
                                const float *x, const float *gamma, const float *mean,
                                const float *inv_std, const dho_layer_norm_gradients *t)
{
    layer_norm n = {.compute = compute,
                    .rows = shape->rows,
                    .channels = shape->channels,
                    .parts = dho_compute_parts(compute, shape->rows * shape->channels),
                    .wide = shape->wide,
                    .accumulate = t->accumulate,
                    .x = x,
                    .gamma = gamma,
                    .mean = (float *)(uintptr_t)mean, /* only forward writes these two */
                    .inv_std = (float *)(uintptr_t)inv_std,
                    .dy = t->dy,
                    .dx = t->dx};
    for (; n.first < shape->channels; n.first += DHO_REDUCTION_CHANNELS) {
        const int left = shape->channels - n.first;
        n.count = left < DHO_REDUCTION_CHANNELS ? left : DHO_REDUCTION_CHANNELS;
        dho_compute_parallel(compute, n.parts, backward_part, &n);
        dho_channel_sums_merge(compute, n.parts, 0, n.count, t->dgamma + n.first);
        dho_channel_sums_merge(compute, n.parts, 1, n.count, t->dbeta + n.first);
    }
}

const dho_kernel_table TYPED(dho_fast_layer_norm) = {
    .kernels = {.layer_norm_forward = layer_norm_forward,
                .layer_norm_backward = layer_norm_backward},
};

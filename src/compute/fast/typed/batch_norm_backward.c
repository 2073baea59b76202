/* Batch normalisation backward: reads x, y and dy for the sums; where it has a residual to hand
 * g = masked dy to, it writes g there in the same pass and the second pass reads x and g only. */
#include "compute/fast/typed/batch_norm.h"

#include <assert.h>
#include <string.h>

/* dy where the activation lets it through. `activation` is a constant to
 * the inlining caller. No short cut in the test: it would not vectorise. */
ALWAYS_INLINE float masked(float dy, float y, dho_activation activation)
{
    if (activation == DHO_ACTIVATION_NONE) return dy;
    if (activation == DHO_ACTIVATION_RELU) return y > 0 ? dy : 0;
    return ((y > 0) & (y < 6)) ? dy : 0;
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
    WITH_ACTIVATION(n->activation, sum_gradient_rows, n, part);
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
    WITH_ACTIVATION(n->activation, gradient_rows, n, mine);
}

static void batch_norm_backward(dho_compute *compute, const dho_batch_norm_shape *shape,
                                const dho_batch_norm_gradients *t, const float *restrict mean,
                                const float *restrict inv_std)
{
    float scale[DHO_REDUCTION_CHANNELS], mean_g[DHO_REDUCTION_CHANNELS];
    float slope[DHO_REDUCTION_CHANNELS];
    const double rows = (double)shape->rows;
    assert(t->y != NULL || t->dresidual == NULL);
    norm sums = {.rows = shape->rows,
                 .stride = shape->channels,
                 .activation = shape->activation,
                 .accumulate_dx = t->accumulate_dx,
                 .accumulate_dresidual = t->accumulate_dresidual,
                 .stores_g = t->dresidual != NULL && !t->accumulate_dresidual,
                 .x = t->x,
                 .y = t->y,
                 .dy = t->dy,
                 .dx = t->dx,
                 .dresidual = t->dresidual,
                 .scale = scale,
                 .mean_g = mean_g,
                 .slope = slope,
                 .reduction = compute->reduction,
                 .parts = dho_compute_parts(compute, shape->rows * shape->channels)};
    while (next_block(&sums)) {
        sums.mean = mean + sums.first;
        sums.beta = t->beta + sums.first;
        for (int i = 0; i < sums.count; i++)
            scale[i] = (float)((double)t->gamma[sums.first + i] * (double)inv_std[sums.first + i]);
        dho_compute_parallel(compute, sums.parts, gradient_sums_part, &sums);
        for (int i = 0; i < sums.count; i++) {
            const int c = sums.first + i;
            const double inverse = (double)inv_std[c], sum = merged(&sums, 0, i);
            const double sum_xhat = merged(&sums, 1, i) * inverse;
            mean_g[i] = shape->frozen ? 0 : (float)(sum / rows);
            slope[i] = shape->frozen ? 0 : (float)(sum_xhat * inverse / rows);
            t->dgamma[c] += (float)sum_xhat;
            t->dbeta[c] += (float)sum;
        }
        norm gradients = sums;
        if (sums.stores_g) gradients.dy = t->dresidual, gradients.activation = DHO_ACTIVATION_NONE;
        dho_compute_parallel(compute, sums.parts, gradient_part, &gradients);
    }
}

const dho_kernel_table TYPED(dho_fast_batch_norm_backward) = {
    .kernels = {.batch_norm_backward = batch_norm_backward},
};

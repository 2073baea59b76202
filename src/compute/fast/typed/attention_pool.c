/* What CLIP's modified ResNet has of its own: 2x2 average pools, and attention of one query. */
#include "base/fast_math.h"
#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"

#include <string.h>

typedef struct halving {
    int batch, in_h, in_w, out_h, out_w, channels, parts;
    bool accumulate;
    const element *x, *dy;
    element *y, *dx;
} halving;

static halving halving_of(const dho_compute *compute, const dho_pool_shape *s)
{
    return (halving){
        .batch = s->batch,
        .in_h = s->in_h,
        .in_w = s->in_w,
        .out_h = s->in_h / 2,
        .out_w = s->in_w / 2,
        .channels = s->channels,
        .parts = dho_compute_parts(compute, (int64_t)s->batch * s->in_h * s->in_w * s->channels)};
}

/* Parts are ranges of rows of the output. */
static void halve_part(void *context, int part)
{
    const halving *h = context;
    const int channels = h->channels;
    const dho_range mine = dho_range_of((int64_t)h->batch * h->out_h, 1, h->parts, part);
    for (int64_t row = mine.begin; row < mine.end; row++) {
        const int64_t in_row = row / h->out_h * h->in_h + row % h->out_h * 2;
        for (int64_t ox = 0; ox < h->out_w; ox++) {
            const element *restrict x = h->x + (in_row * h->in_w + 2 * ox) * channels;
            const element *restrict below = x + (int64_t)h->in_w * channels;
            element *restrict y = h->y + (row * h->out_w + ox) * channels;
#pragma omp simd
            for (int c = 0; c < channels; c++)
                y[c] = STORE(0.25f * ((LOAD(x[c]) + LOAD(x[channels + c])) +
                                      (LOAD(below[c]) + LOAD(below[channels + c]))));
        }
    }
}

static void average_pool_2x2_forward(dho_compute *compute, const dho_pool_shape *shape,
                                     const void *x, void *y)
{
    halving h = halving_of(compute, shape);
    h.x = x, h.y = y;
    dho_compute_parallel(compute, h.parts, halve_part, &h);
}

/* Parts are ranges of rows of the input; an odd last row or column is under no window. */
static void halve_backward_part(void *context, int part)
{
    const halving *h = context;
    const int channels = h->channels;
    const dho_range mine = dho_range_of((int64_t)h->batch * h->in_h, 1, h->parts, part);
    for (int64_t row = mine.begin; row < mine.end; row++) {
        const int64_t oy = row % h->in_h / 2, out_row = row / h->in_h * h->out_h + oy;
        for (int64_t ix = 0; ix < h->in_w; ix++) {
            element *restrict dx = h->dx + (row * h->in_w + ix) * channels;
            if (oy >= h->out_h || ix / 2 >= h->out_w) {
                if (!h->accumulate) memset(dx, 0, (size_t)channels * sizeof *dx);
                continue;
            }
            const element *restrict dy = h->dy + (out_row * h->out_w + ix / 2) * channels;
            if (h->accumulate) {
#pragma omp simd
                for (int c = 0; c < channels; c++) dx[c] = STORE(LOAD(dx[c]) + 0.25f * LOAD(dy[c]));
            } else {
#pragma omp simd
                for (int c = 0; c < channels; c++) dx[c] = STORE(0.25f * LOAD(dy[c]));
            }
        }
    }
}

static void average_pool_2x2_backward(dho_compute *compute, const dho_pool_shape *shape,
                                      const void *dy, bool accumulate, void *dx)
{
    halving h = halving_of(compute, shape);
    h.dy = dy, h.dx = dx, h.accumulate = accumulate;
    dho_compute_parallel(compute, h.parts, halve_backward_part, &h);
}

typedef struct query {
    dho_attention_shape shape;
    int parts;
    float scale;
    const float *q, *dy;
    const element *k, *v;
    float *y, *p, *dq;
    element *dk, *dv;
} query;

static float dot(int count, const float *restrict a, const element *restrict b)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++) sum += a[i] * LOAD(b[i]);
    return sum;
}

/* One (image, head): y = softmax(q k' scale) v. */
static void query_forward(const query *a, int64_t index)
{
    const dho_attention_shape *s = &a->shape;
    const int64_t width = (int64_t)s->heads * s->head_dim;
    const int64_t image = index / s->heads, column = index % s->heads * s->head_dim;
    const element *k = a->k + image * s->tokens * width + column;
    const element *v = a->v + image * s->tokens * width + column;
    const float *q = a->q + image * width + column;
    float *restrict y = a->y + image * width + column, *p = a->p + index * s->tokens;
    float largest = -INFINITY, sum = 0;
    for (int t = 0; t < s->tokens; t++) {
        p[t] = a->scale * dot(s->head_dim, q, k + t * width);
        largest = p[t] > largest ? p[t] : largest;
    }
    for (int t = 0; t < s->tokens; t++) {
        p[t] = dho_fast_exp(p[t] - largest);
        sum += p[t];
    }
    for (int i = 0; i < s->head_dim; i++) y[i] = 0;
    for (int t = 0; t < s->tokens; t++) {
        p[t] /= sum;
        for (int i = 0; i < s->head_dim; i++) y[i] += p[t] * LOAD(v[t * width + i]);
    }
}

/* dp = v dy, ds = p (dp - sum p dp) scale, dq = ds k, dk = q ds, dv = p dy. */
static void query_backward(const query *a, int64_t index)
{
    const dho_attention_shape *s = &a->shape;
    const int64_t width = (int64_t)s->heads * s->head_dim;
    const int64_t image = index / s->heads, column = index % s->heads * s->head_dim;
    const int64_t tokens = image * s->tokens * width + column;
    const float *q = a->q + image * width + column, *dy = a->dy + image * width + column;
    const float *p = a->p + index * s->tokens;
    float *restrict dq = a->dq + image * width + column;
    float mean = 0;
    for (int t = 0; t < s->tokens; t++)
        mean += p[t] * dot(s->head_dim, dy, a->v + tokens + t * width);
    for (int i = 0; i < s->head_dim; i++) dq[i] = 0;
    for (int t = 0; t < s->tokens; t++) {
        const int64_t at = tokens + t * width;
        const float ds = p[t] * (dot(s->head_dim, dy, a->v + at) - mean) * a->scale;
        for (int i = 0; i < s->head_dim; i++) {
            dq[i] += ds * LOAD(a->k[at + i]);
            a->dk[at + i] = STORE(ds * q[i]);
            a->dv[at + i] = STORE(p[t] * dy[i]);
        }
    }
}

static void query_forward_part(void *context, int part)
{
    const query *a = context;
    const int64_t heads = (int64_t)a->shape.batch * a->shape.heads;
    const dho_range mine = dho_range_of(heads, 1, a->parts, part);
    for (int64_t i = mine.begin; i < mine.end; i++) query_forward(a, i);
}

static void query_backward_part(void *context, int part)
{
    const query *a = context;
    const int64_t heads = (int64_t)a->shape.batch * a->shape.heads;
    const dho_range mine = dho_range_of(heads, 1, a->parts, part);
    for (int64_t i = mine.begin; i < mine.end; i++) query_backward(a, i);
}

static query query_of(const dho_compute *compute, const dho_attention_shape *s)
{
    const int64_t work = (int64_t)s->batch * s->heads * s->tokens * s->head_dim;
    return (query){.shape = *s,
                   .parts = dho_compute_parts(compute, work),
                   .scale = 1 / sqrtf((float)s->head_dim)};
}

static void attention_pool_forward(dho_compute *compute, const dho_attention_shape *shape,
                                   const float *q, const void *k, const void *v, float *y,
                                   float *probabilities)
{
    query a = query_of(compute, shape);
    a.q = q, a.k = k, a.v = v, a.y = y, a.p = probabilities;
    dho_compute_parallel(compute, a.parts, query_forward_part, &a);
}

static void attention_pool_backward(dho_compute *compute, const dho_attention_shape *shape,
                                    const float *q, const void *k, const void *v,
                                    const float *probabilities,
                                    const dho_attention_pool_gradients *g)
{
    query a = query_of(compute, shape);
    a.q = q, a.k = k, a.v = v, a.dy = g->dy, a.dq = g->dq, a.dk = g->dk, a.dv = g->dv;
    a.p = (float *)(uintptr_t)probabilities; /* only forward writes it */
    dho_compute_parallel(compute, a.parts, query_backward_part, &a);
}

const dho_kernel_table TYPED(dho_fast_attention_pool) = {
    .kernels = {.average_pool_2x2_forward = average_pool_2x2_forward,
                .average_pool_2x2_backward = average_pool_2x2_backward,
                .attention_pool_forward = attention_pool_forward,
                .attention_pool_backward = attention_pool_backward},
};

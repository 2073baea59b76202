/* Attention (Vaswani et al. 2017), one (image, head) at a time on one thread: no more than a block
 * of one head's probabilities is ever in memory, in the second-level cache. Backward makes them
 * again from the saved logarithms of the softmax's denominators, with the formulas of
 * FlashAttention-2 (Dao 2023, section 3): with P the probabilities, dV = P' dY, dP = dY V', dS = P
 * (dP - D), D the row sums of dY Y, dQ = dS K and dK = dS' Q, these two times the scale. */
#include "compute/blis_gemm.h"
#include "compute/compute_context.h"
#include "compute/element.h"
#include "compute/fast_math.h"

#include <assert.h>

enum { BLOCK_FLOATS = 64 * 1024 }; /* of probabilities: 256 KiB */

typedef struct attention {
    dho_attention_shape shape;
    int parts;
    float scale;
    const element *qkv, *dy;
    element *y, *dqkv;
    float *lse;
    float *scratch; /* [parts][part_floats] */
    size_t part_floats;
} attention;

/* One thread's matrices in float, of one head; each [tokens][head_dim] unless said. */
typedef struct head {
    float *q, *k, *v, *y, *dy, *dq, *dk, *dv;
    float *d;      /* [tokens]: row sums of dy y */
    float *p, *dp; /* [block_rows][tokens] */
} head;

/* Blocks of query rows as equal as can be. */
static int block_rows_of(const dho_attention_shape *s)
{
    const int64_t area = (int64_t)s->tokens * s->tokens;
    const int64_t blocks = (area + BLOCK_FLOATS - 1) / BLOCK_FLOATS;
    return (int)((s->tokens + blocks - 1) / blocks);
}

static size_t padded(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

static size_t part_floats_of(const dho_attention_shape *s)
{
    const size_t matrix = padded((size_t)s->tokens * (size_t)s->head_dim);
    const size_t block = padded((size_t)block_rows_of(s) * (size_t)s->tokens);
    return 8 * matrix + padded((size_t)s->tokens) + 2 * block;
}

static head head_of(const attention *a, int part)
{
    const dho_attention_shape *s = &a->shape;
    const size_t matrix = padded((size_t)s->tokens * (size_t)s->head_dim);
    float *at = a->scratch + (size_t)part * a->part_floats;
    head h;
    float **const matrices[] = {&h.q, &h.k, &h.v, &h.y, &h.dy, &h.dq, &h.dk, &h.dv};
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        *matrices[i] = at;
        at += matrix;
    }
    h.d = at;
    h.p = h.d + padded((size_t)s->tokens);
    h.dp = h.p + padded((size_t)block_rows_of(s) * (size_t)s->tokens);
    return h;
}

/* [tokens][head_dim] out of, or into, rows of `stride` elements. */
static void gather(const dho_attention_shape *s, int64_t stride, const element *restrict from,
                   float *restrict to)
{
    for (int t = 0; t < s->tokens; t++, from += stride, to += s->head_dim) {
#pragma omp simd
        for (int i = 0; i < s->head_dim; i++) to[i] = LOAD(from[i]);
    }
}

static void scatter(const dho_attention_shape *s, int64_t stride, const float *restrict from,
                    element *restrict to)
{
    for (int t = 0; t < s->tokens; t++, to += stride, from += s->head_dim) {
#pragma omp simd
        for (int i = 0; i < s->head_dim; i++) to[i] = STORE(from[i]);
    }
}

static dho_matrix plain(const float *data, int64_t stride)
{
    return (dho_matrix){data, stride, false};
}

static dho_matrix transposed(const float *data, int64_t stride)
{
    return (dho_matrix){data, stride, true};
}

/* Keys that the query rows up to `end` may see. */
static int visible(const dho_attention_shape *s, int end)
{
    return s->causal && end < s->tokens ? end : s->tokens;
}

/* p [rows][tokens] = the scaled products of query rows from `begin` with the keys. */
static void scores(const attention *a, const head *h, int begin, int rows, int keys)
{
    const int d = a->shape.head_dim;
    dho_blis_sgemm(1, rows, keys, d, a->scale, plain(h->q + (int64_t)begin * d, d),
                   transposed(h->k, d), 0, h->p, a->shape.tokens);
}

/* p[0 .. count-1] to e^(p - max) / sum; the logarithm of the sum, plus max. */
static float softmax_row(float *restrict p, int count)
{
    float largest = p[0], sum = 0;
#pragma omp simd reduction(max : largest)
    for (int i = 0; i < count; i++) largest = p[i] > largest ? p[i] : largest;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++) {
        p[i] = dho_fast_exp(p[i] - largest);
        sum += p[i];
    }
    const float inverse = 1 / sum;
#pragma omp simd
    for (int i = 0; i < count; i++) p[i] *= inverse;
    return largest + logf(sum);
}

static void clear_hidden(float *p, int from, int keys)
{
    for (int i = from; i < keys; i++) p[i] = 0;
}

static void head_forward(const attention *a, const head *h, float *lse)
{
    const dho_attention_shape *s = &a->shape;
    const int block = block_rows_of(s), d = s->head_dim;
    for (int begin = 0; begin < s->tokens; begin += block) {
        const int rows = s->tokens - begin < block ? s->tokens - begin : block;
        const int keys = visible(s, begin + rows);
        scores(a, h, begin, rows, keys);
        for (int r = 0; r < rows; r++) {
            float *p = h->p + (int64_t)r * s->tokens;
            const int seen = visible(s, begin + r + 1);
            lse[begin + r] = softmax_row(p, seen);
            clear_hidden(p, seen, keys);
        }
        dho_blis_sgemm(1, rows, d, keys, 1, plain(h->p, s->tokens), plain(h->v, d), 0,
                       h->y + (int64_t)begin * d, d);
    }
}

static void forward_part(void *context, int part)
{
    const attention *a = context;
    const dho_attention_shape *s = &a->shape;
    const head h = head_of(a, part);
    const int64_t width = (int64_t)s->heads * s->head_dim;
    const dho_range mine = dho_range_of((int64_t)s->batch * s->heads, 1, a->parts, part);
    for (int64_t i = mine.begin; i < mine.end; i++) {
        const int64_t image = i / s->heads, column = i % s->heads * s->head_dim;
        const element *qkv = a->qkv + image * s->tokens * 3 * width + column;
        gather(s, 3 * width, qkv, h.q);
        gather(s, 3 * width, qkv + width, h.k);
        gather(s, 3 * width, qkv + 2 * width, h.v);
        head_forward(a, &h, a->lse + i * s->tokens);
        scatter(s, width, h.y, a->y + image * s->tokens * width + column);
    }
}

/* p from the scores and the saved logarithms, dp to dS. */
static void softmax_backward_row(float *restrict p, float *restrict dp, int count, float lse,
                                 float d)
{
#pragma omp simd
    for (int i = 0; i < count; i++) {
        p[i] = dho_fast_exp(p[i] - lse);
        dp[i] = p[i] * (dp[i] - d);
    }
}

static void head_backward(const attention *a, const head *h, const float *lse)
{
    const dho_attention_shape *s = &a->shape;
    const int block = block_rows_of(s), d = s->head_dim;
    for (int begin = 0; begin < s->tokens; begin += block) {
        const int rows = s->tokens - begin < block ? s->tokens - begin : block;
        const int keys = visible(s, begin + rows);
        const float beta = begin == 0 ? 0.0f : 1.0f;
        const float *dy = h->dy + (int64_t)begin * d, *q = h->q + (int64_t)begin * d;
        scores(a, h, begin, rows, keys);
        dho_blis_sgemm(1, rows, keys, d, 1, plain(dy, d), transposed(h->v, d), 0, h->dp, s->tokens);
        for (int r = 0; r < rows; r++) {
            float *p = h->p + (int64_t)r * s->tokens, *dp = h->dp + (int64_t)r * s->tokens;
            const int seen = visible(s, begin + r + 1);
            softmax_backward_row(p, dp, seen, lse[begin + r], h->d[begin + r]);
            clear_hidden(p, seen, keys);
            clear_hidden(dp, seen, keys);
        }
        dho_blis_sgemm(1, keys, d, rows, 1, transposed(h->p, s->tokens), plain(dy, d), beta, h->dv,
                       d);
        dho_blis_sgemm(1, rows, d, keys, a->scale, plain(h->dp, s->tokens), plain(h->k, d), 0,
                       h->dq + (int64_t)begin * d, d);
        dho_blis_sgemm(1, keys, d, rows, a->scale, transposed(h->dp, s->tokens), plain(q, d), beta,
                       h->dk, d);
    }
}

/* dk and dv of the keys that the first block does not see start at zero. */
static void clear_unseen(const dho_attention_shape *s, const head *h)
{
    const int64_t seen = visible(s, block_rows_of(s));
    const size_t bytes = (size_t)((s->tokens - seen) * s->head_dim) * sizeof(float);
    memset(h->dk + seen * s->head_dim, 0, bytes);
    memset(h->dv + seen * s->head_dim, 0, bytes);
}

static void dot_rows(const dho_attention_shape *s, const head *h)
{
    for (int t = 0; t < s->tokens; t++) {
        const float *restrict y = h->y + (int64_t)t * s->head_dim;
        const float *restrict dy = h->dy + (int64_t)t * s->head_dim;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < s->head_dim; i++) sum += y[i] * dy[i];
        h->d[t] = sum;
    }
}

static void backward_part(void *context, int part)
{
    const attention *a = context;
    const dho_attention_shape *s = &a->shape;
    const head h = head_of(a, part);
    const int64_t width = (int64_t)s->heads * s->head_dim;
    const dho_range mine = dho_range_of((int64_t)s->batch * s->heads, 1, a->parts, part);
    for (int64_t i = mine.begin; i < mine.end; i++) {
        const int64_t image = i / s->heads, column = i % s->heads * s->head_dim;
        const int64_t wide = image * s->tokens * 3 * width + column;
        const int64_t narrow = image * s->tokens * width + column;
        gather(s, 3 * width, a->qkv + wide, h.q);
        gather(s, 3 * width, a->qkv + wide + width, h.k);
        gather(s, 3 * width, a->qkv + wide + 2 * width, h.v);
        gather(s, width, a->y + narrow, h.y);
        gather(s, width, a->dy + narrow, h.dy);
        dot_rows(s, &h);
        clear_unseen(s, &h);
        head_backward(a, &h, a->lse + i * s->tokens);
        scatter(s, 3 * width, h.dq, a->dqkv + wide);
        scatter(s, 3 * width, h.dk, a->dqkv + wide + width);
        scatter(s, 3 * width, h.dv, a->dqkv + wide + 2 * width);
    }
}

static attention attention_of(dho_compute *compute, const dho_attention_shape *s)
{
    attention a = {
        .shape = *s,
        .parts = dho_compute_parts(compute, (int64_t)s->batch * s->heads * s->tokens * s->tokens),
        .scale = 1 / sqrtf((float)s->head_dim),
        .part_floats = part_floats_of(s)};
    a.scratch = dho_compute_scratch_for(compute, (size_t)a.parts * a.part_floats * sizeof(float));
    assert(a.scratch != NULL); /* dho_compute_reserve_attention */
    return a;
}

static void attention_forward(dho_compute *compute, const dho_attention_shape *shape,
                              const void *qkv, void *y, float *lse)
{
    attention a = attention_of(compute, shape);
    a.qkv = qkv, a.y = y, a.lse = lse;
    dho_compute_parallel(compute, a.parts, forward_part, &a);
}

static void attention_backward(dho_compute *compute, const dho_attention_shape *shape,
                               const void *qkv, const void *y, const float *lse, const void *dy,
                               void *dqkv)
{
    attention a = attention_of(compute, shape);
    a.qkv = qkv, a.dy = dy, a.dqkv = dqkv;
    a.y = (element *)(uintptr_t)y; /* only forward writes these two */
    a.lse = (float *)(uintptr_t)lse;
    dho_compute_parallel(compute, a.parts, backward_part, &a);
}

#ifndef DHO_ELEMENT_BF16 /* the same for both */
size_t dho_attention_scratch(const dho_compute *compute, const dho_attention_shape *shape)
{
    return (size_t)compute->threads * part_floats_of(shape) * sizeof(float);
}
#endif

const dho_kernels TYPED(dho_fast_attention) = {
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
};

/* Attention (Vaswani et al. 2017), one (image, head) at a time on one thread: no more than a block
 * of one head's probabilities is ever in memory, in the second-level cache. Backward makes them
 * again from the saved logarithms of the softmax's denominators, with the formulas of
 * FlashAttention-2 (Dao 2023, section 3): with P the probabilities, dV = P' dY, dP = dY V', dS = P
 * (dP - D), D the row sums of dY Y, dQ = dS K and dK = dS' Q, these two times the scale (Q has it
 * already, dQ gets it at the end). */
#include "compute/compute_context.h"
#include "compute/element.h"
#include "compute/fast_math.h"
#include "compute/small_gemm.h"

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

/* One thread's matrices in float, of one head; each [tokens][columns] unless said, columns =
 * head_dim padded. q is scaled. The transposed ones are [head_dim][keys], keys = tokens padded. */
typedef struct head {
    float *q, *k, *v, *y, *dy, *dq, *dk, *dv;
    float *kt, *vt;
    float *d;      /* [tokens]: row sums of dy y */
    float *p, *dp; /* [block_rows][keys] */
    int64_t columns, keys;
} head;

/* Blocks of query rows as equal as can be. */
static int block_rows_of(const dho_attention_shape *s)
{
    const int64_t area = (int64_t)s->tokens * s->tokens;
    const int64_t blocks = (area + BLOCK_FLOATS - 1) / BLOCK_FLOATS;
    return (int)((s->tokens + blocks - 1) / blocks);
}

static size_t padded(int floats)
{
    return ((size_t)floats + DHO_SMALL_GEMM_COLUMNS - 1) / DHO_SMALL_GEMM_COLUMNS *
           DHO_SMALL_GEMM_COLUMNS;
}

static size_t part_floats_of(const dho_attention_shape *s)
{
    const size_t matrix = (size_t)s->tokens * padded(s->head_dim);
    const size_t turned = (size_t)s->head_dim * padded(s->tokens);
    const size_t block = (size_t)block_rows_of(s) * padded(s->tokens);
    return 8 * matrix + 2 * turned + padded(s->tokens) + 2 * block;
}

static head head_of(const attention *a, int part)
{
    const dho_attention_shape *s = &a->shape;
    const size_t columns = padded(s->head_dim), keys = padded(s->tokens);
    float *at = a->scratch + (size_t)part * a->part_floats;
    head h = {.columns = (int64_t)columns, .keys = (int64_t)keys};
    float **const matrices[] = {&h.q, &h.k, &h.v, &h.y, &h.dy, &h.dq, &h.dk, &h.dv};
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        *matrices[i] = at;
        at += (size_t)s->tokens * columns;
    }
    h.kt = at;
    h.vt = h.kt + (size_t)s->head_dim * keys;
    h.d = h.vt + (size_t)s->head_dim * keys;
    h.p = h.d + keys;
    h.dp = h.p + (size_t)block_rows_of(s) * keys;
    return h;
}

/* [tokens][columns] out of rows of `stride` elements, scaled. */
static void gather(const dho_attention_shape *s, int64_t stride, float scale,
                   const element *restrict from, int64_t columns, float *restrict to)
{
    for (int t = 0; t < s->tokens; t++, from += stride, to += columns) {
#pragma omp simd
        for (int i = 0; i < s->head_dim; i++) to[i] = LOAD(from[i]) * scale;
        for (int64_t i = s->head_dim; i < columns; i++) to[i] = 0;
    }
}

static void scatter(const dho_attention_shape *s, int64_t stride, float scale, int64_t columns,
                    const float *restrict from, element *restrict to)
{
    for (int t = 0; t < s->tokens; t++, to += stride, from += columns) {
#pragma omp simd
        for (int i = 0; i < s->head_dim; i++) to[i] = STORE(from[i] * scale);
    }
}

/* [head_dim][keys] out of [tokens][columns]. */
static void turn(const dho_attention_shape *s, const head *h, const float *restrict from,
                 float *restrict to)
{
    for (int64_t t = 0; t < h->keys; t += DHO_SMALL_GEMM_COLUMNS) {
        const int count =
            s->tokens - t < DHO_SMALL_GEMM_COLUMNS ? (int)(s->tokens - t) : DHO_SMALL_GEMM_COLUMNS;
        for (int64_t i = 0; i < s->head_dim; i++) {
            const float *restrict in = from + t * h->columns + i;
            float *restrict out = to + i * h->keys + t;
            if (count < DHO_SMALL_GEMM_COLUMNS)
                memset(out, 0, DHO_SMALL_GEMM_COLUMNS * sizeof *out);
#pragma omp simd
            for (int j = 0; j < count; j++) out[j] = in[j * h->columns];
        }
    }
}

/* Keys that the query rows up to `end` may see. */
static int visible(const dho_attention_shape *s, int end)
{
    return s->causal && end < s->tokens ? end : s->tokens;
}

/* out [rows][keys] = rows of left from `begin` times turned [head_dim][keys], up to key `keys`. */
static void against_keys(const dho_attention_shape *s, const head *h, const float *left, int begin,
                         int rows, int keys, const float *turned, float *out)
{
    dho_small_gemm(rows, (int64_t)padded(keys), s->head_dim, left + begin * h->columns, h->columns,
                   1, turned, h->keys, false, out, h->keys);
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
    const int block = block_rows_of(s);
    for (int begin = 0; begin < s->tokens; begin += block) {
        const int rows = s->tokens - begin < block ? s->tokens - begin : block;
        const int keys = visible(s, begin + rows);
        against_keys(s, h, h->q, begin, rows, keys, h->kt, h->p);
        for (int r = 0; r < rows; r++) {
            float *p = h->p + r * h->keys;
            const int seen = visible(s, begin + r + 1);
            lse[begin + r] = softmax_row(p, seen);
            clear_hidden(p, seen, keys);
        }
        dho_small_gemm(rows, h->columns, keys, h->p, h->keys, 1, h->v, h->columns, false,
                       h->y + begin * h->columns, h->columns);
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
        gather(s, 3 * width, a->scale, qkv, h.columns, h.q);
        gather(s, 3 * width, 1, qkv + width, h.columns, h.k);
        gather(s, 3 * width, 1, qkv + 2 * width, h.columns, h.v);
        turn(s, &h, h.k, h.kt);
        head_forward(a, &h, a->lse + i * s->tokens);
        scatter(s, width, 1, h.columns, h.y, a->y + image * s->tokens * width + column);
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
    const int block = block_rows_of(s);
    for (int begin = 0; begin < s->tokens; begin += block) {
        const int rows = s->tokens - begin < block ? s->tokens - begin : block;
        const int keys = visible(s, begin + rows);
        const int64_t c = h->columns, first = begin * c;
        against_keys(s, h, h->q, begin, rows, keys, h->kt, h->p);
        against_keys(s, h, h->dy, begin, rows, keys, h->vt, h->dp);
        for (int r = 0; r < rows; r++) {
            float *p = h->p + r * h->keys, *dp = h->dp + r * h->keys;
            const int seen = visible(s, begin + r + 1);
            softmax_backward_row(p, dp, seen, lse[begin + r], h->d[begin + r]);
            clear_hidden(p, seen, keys);
            clear_hidden(dp, seen, keys);
        }
        dho_small_gemm(keys, c, rows, h->p, 1, h->keys, h->dy + first, c, begin > 0, h->dv, c);
        dho_small_gemm(rows, c, keys, h->dp, h->keys, 1, h->k, c, false, h->dq + first, c);
        dho_small_gemm(keys, c, rows, h->dp, 1, h->keys, h->q + first, c, begin > 0, h->dk, c);
    }
}

/* dk and dv of the keys that the first block does not see start at zero. */
static void clear_unseen(const dho_attention_shape *s, const head *h)
{
    const int64_t seen = visible(s, block_rows_of(s));
    const size_t bytes = (size_t)((s->tokens - seen) * h->columns) * sizeof(float);
    memset(h->dk + seen * h->columns, 0, bytes);
    memset(h->dv + seen * h->columns, 0, bytes);
}

static void dot_rows(const dho_attention_shape *s, const head *h)
{
    for (int t = 0; t < s->tokens; t++) {
        const float *restrict y = h->y + t * h->columns;
        const float *restrict dy = h->dy + t * h->columns;
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
        gather(s, 3 * width, a->scale, a->qkv + wide, h.columns, h.q);
        gather(s, 3 * width, 1, a->qkv + wide + width, h.columns, h.k);
        gather(s, 3 * width, 1, a->qkv + wide + 2 * width, h.columns, h.v);
        gather(s, width, 1, a->y + narrow, h.columns, h.y);
        gather(s, width, 1, a->dy + narrow, h.columns, h.dy);
        turn(s, &h, h.k, h.kt);
        turn(s, &h, h.v, h.vt);
        dot_rows(s, &h);
        clear_unseen(s, &h);
        head_backward(a, &h, a->lse + i * s->tokens);
        scatter(s, 3 * width, a->scale, h.columns, h.dq, a->dqkv + wide);
        scatter(s, 3 * width, 1, h.columns, h.dk, a->dqkv + wide + width);
        scatter(s, 3 * width, 1, h.columns, h.dv, a->dqkv + wide + 2 * width);
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

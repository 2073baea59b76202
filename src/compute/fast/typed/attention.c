/* Attention (Vaswani et al. 2017), one (image, head) at a time on one thread: no more than a block
 * of one head's probabilities is ever in memory, in the second-level cache. Backward makes them
 * again from the saved logarithms of the softmax's denominators, with the formulas of
 * FlashAttention-2 (Dao 2023, section 3): with P the probabilities, dV = P' dY, dP = dY V', dS = P
 * (dP - D), D the row sums of dY Y, dQ = dS K and dK = dS' Q, these two times the scale (Q has it
 * already, dQ gets it at the end). */
#include "base/fast_math.h"
#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"
#include "compute/fast/typed/head_matrices.h"

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

/* Keys that the query rows up to `end` may see. */
static int visible(const dho_attention_shape *s, int end)
{
    return s->causal && end < s->tokens ? end : s->tokens;
}

/* out [rows][keys] = rows of left from `begin` times turned [words of head_dim][keys], up to key
 * `keys`. */
static void against_keys(const dho_attention_shape *s, const head *h, const element *left,
                         int begin, int rows, int keys, const word *turned, float *out)
{
    const dho_small_gemm_shape shape = {.m = rows,
                                        .n = padded(keys),
                                        .k = words_of(s->head_dim),
                                        .a_row = h->columns / WORD_ELEMENTS,
                                        .a_column = 1,
                                        .b_stride = h->keys,
                                        .c_stride = h->keys};
    TYPED(dho_small_gemm)(&shape, (const word *)(left + begin * h->columns), turned, out);
}

/* out [rows][columns] = p [rows][keys] times right [words of keys][columns]. */
static void over_keys(const head *h, int rows, int keys, const float *p, const word *right,
                      float *out)
{
    const dho_small_gemm_shape shape = {.m = rows,
                                        .n = h->columns,
                                        .k = words_of(keys),
                                        .a_row = h->keys / WORD_ELEMENTS,
                                        .a_column = 1,
                                        .b_stride = h->columns,
                                        .c_stride = h->columns};
    TYPED(dho_small_gemm)(&shape, head_by_keys(h, rows, p), right, out);
}

/* out [keys][columns] (+)= p' [keys][rows] times rows of right from `begin`. */
static void over_rows(const head *h, int begin, int rows, int keys, const float *p,
                      const word *right, float *out)
{
    const dho_small_gemm_shape shape = {.m = keys,
                                        .n = h->columns,
                                        .k = words_of(rows),
                                        .a_row = 1,
                                        .a_column = h->keys,
                                        .b_stride = h->columns,
                                        .c_stride = h->columns,
                                        .accumulate = begin > 0};
    TYPED(dho_small_gemm)
    (&shape, head_by_rows(h, rows, p), right + begin / WORD_ELEMENTS * h->columns, out);
}

/* p[0 .. count-1] to e^(scale (p - max)) / sum; the logarithm of the sum, plus scale max. */
static float softmax_row(float *restrict p, int count, float scale)
{
    float largest = p[0], sum = 0;
#pragma omp simd reduction(max : largest)
    for (int i = 0; i < count; i++) largest = p[i] > largest ? p[i] : largest;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < count; i++) {
        p[i] = dho_fast_exp((p[i] - largest) * scale);
        sum += p[i];
    }
    const float inverse = 1 / sum;
#pragma omp simd
    for (int i = 0; i < count; i++) p[i] *= inverse;
    return largest * scale + logf(sum);
}

/* The keys that a row does not see, up to the end of the last word of those that others see. */
static void clear_hidden(float *p, int from, int keys)
{
    for (int64_t i = from; i < words_of(keys) * WORD_ELEMENTS; i++) p[i] = 0;
}

static void head_forward(const attention *a, const head *h, float *lse)
{
    const dho_attention_shape *s = &a->shape;
    const int block = head_block_rows(s);
    for (int begin = 0; begin < s->tokens; begin += block) {
        const int rows = s->tokens - begin < block ? s->tokens - begin : block;
        const int keys = visible(s, begin + rows);
        against_keys(s, h, h->q, begin, rows, keys, h->kt, h->p);
        for (int r = 0; r < rows; r++) {
            float *p = h->p + r * h->keys;
            const int seen = visible(s, begin + r + 1);
            lse[begin + r] = softmax_row(p, seen, a->scale);
            clear_hidden(p, seen, keys);
        }
        over_keys(h, rows, keys, h->p, h->v_b, h->y + begin * h->columns);
    }
}

static void forward_part(void *context, int part)
{
    const attention *a = context;
    const dho_attention_shape *s = &a->shape;
    head h;
    head_place(s, a->scratch + (size_t)part * a->part_floats, &h);
    const int64_t width = (int64_t)s->heads * s->head_dim;
    const dho_range mine = dho_range_of((int64_t)s->batch * s->heads, 1, a->parts, part);
    for (int64_t i = mine.begin; i < mine.end; i++) {
        const int64_t image = i / s->heads, column = i % s->heads * s->head_dim;
        const element *qkv = a->qkv + image * s->tokens * 3 * width + column;
        head_gather(s, 3 * width, qkv, h.columns, h.q);
        head_gather(s, 3 * width, qkv + width, h.columns, h.k);
        head_gather(s, 3 * width, qkv + 2 * width, h.columns, h.v);
        head_turn(s, &h, h.k, h.kt);
        head_pair_rows(s->tokens, h.columns, h.v, h.v_b);
        head_forward(a, &h, a->lse + i * s->tokens);
        head_scatter(s, width, 1, h.columns, h.y, a->y + image * s->tokens * width + column);
    }
}

/* p from the scores and the saved logarithms, dp to dS. */
static void softmax_backward_row(float *restrict p, float *restrict dp, int count, float scale,
                                 float lse, float d)
{
#pragma omp simd
    for (int i = 0; i < count; i++) {
        p[i] = dho_fast_exp(p[i] * scale - lse);
        dp[i] = p[i] * (dp[i] - d);
    }
}

static void head_backward(const attention *a, const head *h, const float *lse)
{
    const dho_attention_shape *s = &a->shape;
    const int block = head_block_rows(s);
    for (int begin = 0; begin < s->tokens; begin += block) {
        const int rows = s->tokens - begin < block ? s->tokens - begin : block;
        const int keys = visible(s, begin + rows);
        against_keys(s, h, h->q, begin, rows, keys, h->kt, h->p);
        against_keys(s, h, h->dy, begin, rows, keys, h->vt, h->dp);
        for (int r = 0; r < rows; r++) {
            float *p = h->p + r * h->keys, *dp = h->dp + r * h->keys;
            const int seen = visible(s, begin + r + 1);
            softmax_backward_row(p, dp, seen, a->scale, lse[begin + r], h->d[begin + r]);
            clear_hidden(p, seen, keys);
            clear_hidden(dp, seen, keys);
        }
        over_rows(h, begin, rows, keys, h->p, h->dy_b, h->dv);
        over_keys(h, rows, keys, h->dp, h->k_b, h->dq + begin * h->columns);
        over_rows(h, begin, rows, keys, h->dp, h->q_b, h->dk);
    }
}

/* dk and dv of the keys that the first block does not see start at zero. */
static void clear_unseen(const dho_attention_shape *s, const head *h)
{
    const int64_t seen = visible(s, head_block_rows(s));
    const size_t bytes = (size_t)((s->tokens - seen) * h->columns) * sizeof(float);
    memset(h->dk + seen * h->columns, 0, bytes);
    memset(h->dv + seen * h->columns, 0, bytes);
}

/* y: rows of `stride` elements. */
static void dot_rows(const dho_attention_shape *s, const head *h, int64_t stride,
                     const element *restrict y)
{
    const element *restrict dy = h->dy;
    for (int t = 0; t < s->tokens; t++, y += stride, dy += h->columns) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < s->head_dim; i++) sum += LOAD(y[i]) * LOAD(dy[i]);
        h->d[t] = sum;
    }
}

static void backward_part(void *context, int part)
{
    const attention *a = context;
    const dho_attention_shape *s = &a->shape;
    head h;
    head_place(s, a->scratch + (size_t)part * a->part_floats, &h);
    const int64_t width = (int64_t)s->heads * s->head_dim;
    const dho_range mine = dho_range_of((int64_t)s->batch * s->heads, 1, a->parts, part);
    for (int64_t i = mine.begin; i < mine.end; i++) {
        const int64_t image = i / s->heads, column = i % s->heads * s->head_dim;
        const int64_t wide = image * s->tokens * 3 * width + column;
        const int64_t narrow = image * s->tokens * width + column;
        head_gather(s, 3 * width, a->qkv + wide, h.columns, h.q);
        head_gather(s, 3 * width, a->qkv + wide + width, h.columns, h.k);
        head_gather(s, 3 * width, a->qkv + wide + 2 * width, h.columns, h.v);
        head_gather(s, width, a->dy + narrow, h.columns, h.dy);
        head_turn(s, &h, h.k, h.kt);
        head_turn(s, &h, h.v, h.vt);
        head_pair_rows(s->tokens, h.columns, h.q, h.q_b);
        head_pair_rows(s->tokens, h.columns, h.k, h.k_b);
        head_pair_rows(s->tokens, h.columns, h.dy, h.dy_b);
        dot_rows(s, &h, width, a->y + narrow);
        clear_unseen(s, &h);
        head_backward(a, &h, a->lse + i * s->tokens);
        head_scatter(s, 3 * width, a->scale, h.columns, h.dq, a->dqkv + wide);
        head_scatter(s, 3 * width, a->scale, h.columns, h.dk, a->dqkv + wide + width);
        head_scatter(s, 3 * width, 1, h.columns, h.dv, a->dqkv + wide + 2 * width);
    }
}

static size_t part_floats_of(const dho_attention_shape *s)
{
    head unused;
    return head_place(s, NULL, &unused);
}

static attention attention_of(dho_compute *compute, const dho_attention_shape *s)
{
    attention a = {
        .shape = *s,
        .parts = dho_compute_parts(compute, (int64_t)s->batch * s->heads * s->tokens * s->tokens),
        .scale = 1 / sqrtf((float)s->head_dim),
        .part_floats = part_floats_of(s)};
    a.scratch = dho_compute_scratch_for(compute, (size_t)a.parts * a.part_floats * sizeof(float));
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

static dho_status reserve(const dho_compute *compute, const dho_attention_shape *shape,
                          size_t *bytes)
{
    *bytes = (size_t)compute->threads * part_floats_of(shape) * sizeof(float);
    return DHO_OK;
}

const dho_kernel_table TYPED(dho_fast_attention) = {
    .kernels = {.attention_forward = attention_forward, .attention_backward = attention_backward},
    .planning = {.attention_reserve = reserve},
};

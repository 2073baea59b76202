/* Attention (Vaswani et al. 2017), one (image, head) at a time on one thread: no more than a block
 * of one head's probabilities is ever in memory, in the second-level cache. Backward makes them
 * again from the saved logarithms of the softmax's denominators, with the formulas of
 * FlashAttention-2 (Dao 2023, section 3): with P the probabilities, dV = P' dY, dP = dY V', dS = P
 * (dP - D), D the row sums of dY Y, dQ = dS K and dK = dS' Q, these two times the scale (Q has it
 * already, dQ gets it at the end). */
#include "base/fast_math.h"
#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"
#include "compute/fast/typed/small_gemm.h"

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

/* One thread's matrices, of one head. The words of a product run along what is summed over
 * (small_gemm.h), so in bf16 a matrix is wanted in more than one form; in fp32, where a word is an
 * element, they are the same memory. columns = head_dim padded, keys = tokens padded. */
typedef struct head {
    element *q, *k, *v, *dy;      /* [tokens][columns] */
    word *kt, *vt;                /* [words of head_dim][keys] */
    word *q_b, *k_b, *v_b, *dy_b; /* [words of tokens][columns] */
    float *y, *dq, *dk, *dv;      /* [tokens][columns] */
    float *d;                     /* [tokens]: row sums of dy y */
    float *p, *dp;                /* [block rows][keys] */
    word *by_keys;                /* of p or dp, [block rows][keys in words] */
    word *by_rows;                /* of p or dp, [words of block rows][keys] */
    int64_t columns, keys;
} head;

static int64_t words_of(int64_t elements)
{
    return (elements + WORD_ELEMENTS - 1) / WORD_ELEMENTS;
}

/* Blocks of query rows as equal as can be, of whole words. */
static int block_rows_of(const dho_attention_shape *s)
{
    const int64_t area = (int64_t)s->tokens * s->tokens;
    const int64_t blocks = (area + BLOCK_FLOATS - 1) / BLOCK_FLOATS;
    return (int)(words_of((s->tokens + blocks - 1) / blocks) * WORD_ELEMENTS);
}

static int64_t padded(int64_t words)
{
    return (words + DHO_SMALL_GEMM_COLUMNS - 1) / DHO_SMALL_GEMM_COLUMNS * DHO_SMALL_GEMM_COLUMNS;
}

/* The next floats of scratch memory; none, only counted, while there is no memory. */
static float *take(float *scratch, size_t *used, int64_t floats)
{
    float *mine = scratch == NULL ? NULL : scratch + *used;
    *used += (size_t)padded(floats);
    return mine;
}

/* Places a head's matrices in scratch memory (NULL: nowhere); the floats that they take. */
static size_t place(const dho_attention_shape *s, float *scratch, head *h)
{
    size_t at = 0;
    h->columns = padded(s->head_dim);
    h->keys = padded(s->tokens);
    const int64_t rows = block_rows_of(s), matrix = s->tokens * h->columns;
    element **const stored[] = {&h->q, &h->k, &h->v, &h->dy};
    word **const paired[] = {&h->q_b, &h->k_b, &h->v_b, &h->dy_b};
    float **const results[] = {&h->y, &h->dq, &h->dk, &h->dv};
    for (int i = 0; i < 4; i++) {
        *stored[i] = (element *)take(scratch, &at, words_of(matrix));
        *paired[i] =
            (word *)(WORD_ELEMENTS == 1 ? (float *)*stored[i]
                                        : take(scratch, &at, words_of(s->tokens) * h->columns));
        *results[i] = take(scratch, &at, matrix);
    }
    h->kt = (word *)take(scratch, &at, words_of(s->head_dim) * h->keys);
    h->vt = (word *)take(scratch, &at, words_of(s->head_dim) * h->keys);
    h->d = take(scratch, &at, s->tokens);
    h->p = take(scratch, &at, rows * h->keys);
    h->dp = take(scratch, &at, rows * h->keys);
#ifdef DHO_ELEMENT_BF16
    h->by_keys = (word *)take(scratch, &at, rows * words_of(h->keys));
    h->by_rows = (word *)take(scratch, &at, words_of(rows) * h->keys);
#endif
    return at;
}

/* [tokens][columns] out of rows of `stride` elements. */
static void gather(const dho_attention_shape *s, int64_t stride, const element *restrict from,
                   int64_t columns, element *restrict to)
{
    for (int t = 0; t < s->tokens; t++, from += stride, to += columns) {
        memcpy(to, from, (size_t)s->head_dim * sizeof *to);
        memset(to + s->head_dim, 0, (size_t)(columns - s->head_dim) * sizeof *to);
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

/* [words of head_dim][keys] out of [tokens][columns]. */
static void turn(const dho_attention_shape *s, const head *h, const element *elements,
                 word *restrict to)
{
    const word *from = (const word *)elements;
    const int64_t columns = h->columns / WORD_ELEMENTS;
    for (int64_t t = 0; t < h->keys; t += DHO_SMALL_GEMM_COLUMNS) {
        const int count =
            s->tokens - t < DHO_SMALL_GEMM_COLUMNS ? (int)(s->tokens - t) : DHO_SMALL_GEMM_COLUMNS;
        for (int64_t i = 0; i < words_of(s->head_dim); i++) {
            const word *restrict in = from + t * columns + i;
            word *restrict out = to + i * h->keys + t;
            if (count < DHO_SMALL_GEMM_COLUMNS)
                memset(out, 0, DHO_SMALL_GEMM_COLUMNS * sizeof *out);
#pragma omp simd
            for (int j = 0; j < count; j++) out[j] = in[j * columns];
        }
    }
}

#ifdef DHO_ELEMENT_BF16
/* Words of two rows: [words of rows][columns] out of [rows][columns]; a missing row is zero. */
static void pair_rows(int rows, int64_t columns, const element *restrict from, word *restrict to)
{
    for (int r = 0; r < rows; r += 2, from += 2 * columns, to += columns) {
        const bool both = r + 1 < rows;
#pragma omp simd
        for (int64_t i = 0; i < columns; i++)
            to[i] = from[i] | (both ? (word)from[columns + i] << 16 : 0);
    }
}

/* p [rows][keys] as words along the keys. */
static const word *by_keys(const head *h, int rows, const float *restrict p)
{
    element *restrict to = (element *)h->by_keys;
    for (int64_t i = 0; i < rows * h->keys; i++) to[i] = STORE(p[i]);
    return h->by_keys;
}

/* p [rows][keys] as words of two rows. */
static const word *by_rows(const head *h, int rows, const float *restrict p)
{
    word *restrict to = h->by_rows;
    for (int r = 0; r < rows; r += 2, p += 2 * h->keys, to += h->keys) {
        const bool both = r + 1 < rows;
        const float *restrict next = both ? p + h->keys : p;
        const word mask = both ? 0xffff0000u : 0;
#pragma omp simd
        for (int64_t i = 0; i < h->keys; i++)
            to[i] = STORE(p[i]) | ((word)STORE(next[i]) << 16 & mask);
    }
    return h->by_rows;
}
#else
static void pair_rows(int rows, int64_t columns, const element *from, word *to)
{
    (void)rows, (void)columns, (void)from, (void)to; /* the same memory */
}

static const word *by_keys(const head *h, int rows, const float *p)
{
    (void)h, (void)rows;
    return p;
}

static const word *by_rows(const head *h, int rows, const float *p)
{
    (void)h, (void)rows;
    return p;
}
#endif

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
    TYPED(dho_small_gemm)
    (rows, padded(keys), words_of(s->head_dim), (const word *)(left + begin * h->columns),
     h->columns / WORD_ELEMENTS, 1, turned, h->keys, false, out, h->keys);
}

/* out [rows][columns] = p [rows][keys] times right [words of keys][columns]. */
static void over_keys(const head *h, int rows, int keys, const float *p, const word *right,
                      float *out)
{
    TYPED(dho_small_gemm)
    (rows, h->columns, words_of(keys), by_keys(h, rows, p), h->keys / WORD_ELEMENTS, 1, right,
     h->columns, false, out, h->columns);
}

/* out [keys][columns] (+)= p' [keys][rows] times rows of right from `begin`. */
static void over_rows(const head *h, int begin, int rows, int keys, const float *p,
                      const word *right, float *out)
{
    TYPED(dho_small_gemm)
    (keys, h->columns, words_of(rows), by_rows(h, rows, p), 1, h->keys,
     right + begin / WORD_ELEMENTS * h->columns, h->columns, begin > 0, out, h->columns);
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
    const int block = block_rows_of(s);
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
    place(s, a->scratch + (size_t)part * a->part_floats, &h);
    const int64_t width = (int64_t)s->heads * s->head_dim;
    const dho_range mine = dho_range_of((int64_t)s->batch * s->heads, 1, a->parts, part);
    for (int64_t i = mine.begin; i < mine.end; i++) {
        const int64_t image = i / s->heads, column = i % s->heads * s->head_dim;
        const element *qkv = a->qkv + image * s->tokens * 3 * width + column;
        gather(s, 3 * width, qkv, h.columns, h.q);
        gather(s, 3 * width, qkv + width, h.columns, h.k);
        gather(s, 3 * width, qkv + 2 * width, h.columns, h.v);
        turn(s, &h, h.k, h.kt);
        pair_rows(s->tokens, h.columns, h.v, h.v_b);
        head_forward(a, &h, a->lse + i * s->tokens);
        scatter(s, width, 1, h.columns, h.y, a->y + image * s->tokens * width + column);
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
    const int block = block_rows_of(s);
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
    const int64_t seen = visible(s, block_rows_of(s));
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
    place(s, a->scratch + (size_t)part * a->part_floats, &h);
    const int64_t width = (int64_t)s->heads * s->head_dim;
    const dho_range mine = dho_range_of((int64_t)s->batch * s->heads, 1, a->parts, part);
    for (int64_t i = mine.begin; i < mine.end; i++) {
        const int64_t image = i / s->heads, column = i % s->heads * s->head_dim;
        const int64_t wide = image * s->tokens * 3 * width + column;
        const int64_t narrow = image * s->tokens * width + column;
        gather(s, 3 * width, a->qkv + wide, h.columns, h.q);
        gather(s, 3 * width, a->qkv + wide + width, h.columns, h.k);
        gather(s, 3 * width, a->qkv + wide + 2 * width, h.columns, h.v);
        gather(s, width, a->dy + narrow, h.columns, h.dy);
        turn(s, &h, h.k, h.kt);
        turn(s, &h, h.v, h.vt);
        pair_rows(s->tokens, h.columns, h.q, h.q_b);
        pair_rows(s->tokens, h.columns, h.k, h.k_b);
        pair_rows(s->tokens, h.columns, h.dy, h.dy_b);
        dot_rows(s, &h, width, a->y + narrow);
        clear_unseen(s, &h);
        head_backward(a, &h, a->lse + i * s->tokens);
        scatter(s, 3 * width, a->scale, h.columns, h.dq, a->dqkv + wide);
        scatter(s, 3 * width, a->scale, h.columns, h.dk, a->dqkv + wide + width);
        scatter(s, 3 * width, 1, h.columns, h.dv, a->dqkv + wide + 2 * width);
    }
}

static size_t part_floats_of(const dho_attention_shape *s)
{
    head unused;
    return place(s, NULL, &unused);
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

const dho_table TYPED(dho_fast_attention) = {
    .kernels = {.attention_forward = attention_forward, .attention_backward = attention_backward},
    .planning = {.attention_reserve = reserve},
};

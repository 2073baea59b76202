#include "compute/fast/typed/head_matrices.h"

#include <string.h>

enum { BLOCK_FLOATS = 64 * 1024 }; /* of probabilities: 256 KiB */

int head_block_rows(const dho_attention_shape *s)
{
    const int64_t area = (int64_t)s->tokens * s->tokens;
    const int64_t blocks = (area + BLOCK_FLOATS - 1) / BLOCK_FLOATS;
    return (int)(words_of((s->tokens + blocks - 1) / blocks) * WORD_ELEMENTS);
}

/* The next floats of scratch memory; none, only counted, while there is no memory. */
static float *take(float *scratch, size_t *used, int64_t floats)
{
    float *mine = scratch == NULL ? NULL : scratch + *used;
    *used += (size_t)padded(floats);
    return mine;
}

size_t head_place(const dho_attention_shape *s, float *scratch, head *h)
{
    size_t at = 0;
    h->columns = padded(s->head_dim);
    h->keys = padded(s->tokens);
    const int64_t rows = head_block_rows(s), matrix = s->tokens * h->columns;
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

void head_gather(const dho_attention_shape *s, int64_t stride, const element *restrict from,
                 int64_t columns, element *restrict to)
{
    for (int t = 0; t < s->tokens; t++, from += stride, to += columns) {
        memcpy(to, from, (size_t)s->head_dim * sizeof *to);
        memset(to + s->head_dim, 0, (size_t)(columns - s->head_dim) * sizeof *to);
    }
}

void head_scatter(const dho_attention_shape *s, int64_t stride, float scale, int64_t columns,
                  const float *restrict from, element *restrict to)
{
    for (int t = 0; t < s->tokens; t++, to += stride, from += columns) {
#pragma omp simd
        for (int i = 0; i < s->head_dim; i++) to[i] = STORE(from[i] * scale);
    }
}

void head_turn(const dho_attention_shape *s, const head *h, const element *elements,
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
void head_pair_rows(int rows, int64_t columns, const element *restrict from, word *restrict to)
{
    for (int r = 0; r < rows; r += 2, from += 2 * columns, to += columns) {
        const bool both = r + 1 < rows;
#pragma omp simd
        for (int64_t i = 0; i < columns; i++)
            to[i] = from[i] | (both ? (word)from[columns + i] << 16 : 0);
    }
}

const word *head_by_keys(const head *h, int rows, const float *restrict p)
{
    element *restrict to = (element *)h->by_keys;
    for (int64_t i = 0; i < rows * h->keys; i++) to[i] = STORE(p[i]);
    return h->by_keys;
}

const word *head_by_rows(const head *h, int rows, const float *restrict p)
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
void head_pair_rows(int rows, int64_t columns, const element *from, word *to)
{
    (void)rows, (void)columns, (void)from, (void)to; /* the same memory */
}

const word *head_by_keys(const head *h, int rows, const float *p)
{
    (void)h, (void)rows;
    return p;
}

const word *head_by_rows(const head *h, int rows, const float *p)
{
    (void)h, (void)rows;
    return p;
}
#endif

/* Private to src/compute: one head's matrices in an attention kernel's scratch memory, and how
 * they are filled. */
#ifndef DHO_COMPUTE_FAST_HEAD_MATRICES_H
#define DHO_COMPUTE_FAST_HEAD_MATRICES_H

#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/small_gemm.h"

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

static inline int64_t words_of(int64_t elements)
{
    return (elements + WORD_ELEMENTS - 1) / WORD_ELEMENTS;
}

static inline int64_t padded(int64_t words)
{
    return (words + DHO_SMALL_GEMM_COLUMNS - 1) / DHO_SMALL_GEMM_COLUMNS * DHO_SMALL_GEMM_COLUMNS;
}

/* Each of these is compiled for both storage types. */
#define head_place TYPED(dho_head_place)
#define head_gather TYPED(dho_head_gather)
#define head_scatter TYPED(dho_head_scatter)
#define head_turn TYPED(dho_head_turn)
#define head_pair_rows TYPED(dho_head_pair_rows)
#define head_by_keys TYPED(dho_head_by_keys)
#define head_by_rows TYPED(dho_head_by_rows)
#define head_block_rows TYPED(dho_head_block_rows)

/* Blocks of query rows as equal as can be, of whole words. */
int head_block_rows(const dho_attention_shape *s);
/* Places a head's matrices in scratch memory (NULL: nowhere); the floats that they take. */
size_t head_place(const dho_attention_shape *s, float *scratch, head *h);

/* [tokens][columns] out of rows of `stride` elements. */
void head_gather(const dho_attention_shape *s, int64_t stride, const element *from, int64_t columns,
                 element *to);
/* Rows of `stride` elements = scale times [tokens][columns]. */
void head_scatter(const dho_attention_shape *s, int64_t stride, float scale, int64_t columns,
                  const float *from, element *to);
/* [words of head_dim][keys] out of [tokens][columns]. */
void head_turn(const dho_attention_shape *s, const head *h, const element *elements, word *to);

/* Words of two rows: [words of rows][columns] out of [rows][columns]; a missing row is zero. In
 * fp32 these are the same memory. */
void head_pair_rows(int rows, int64_t columns, const element *from, word *to);
/* p [rows][keys] as words along the keys; as words of two rows. In fp32: p. */
const word *head_by_keys(const head *h, int rows, const float *p);
const word *head_by_rows(const head *h, int rows, const float *p);

#endif

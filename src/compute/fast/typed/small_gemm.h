/* Private to src/compute: products of matrices that fit the second-level cache, on one thread,
 * without copying them. Compiled for floats and for pairs of bf16 (compute/element.h). */
#ifndef DHO_COMPUTE_SMALL_GEMM_H
#define DHO_COMPUTE_SMALL_GEMM_H

#include "compute/fast/typed/element.h"

#include <stdbool.h>
#include <stdint.h>

/* What is multiplied: a float, or two bf16 that follow one another along k (the first in the low
 * half), of which a product of words is the sum of two products. */
#ifdef DHO_ELEMENT_BF16
typedef uint32_t word;
enum { WORD_ELEMENTS = 2 };
#else
typedef float word;
enum { WORD_ELEMENTS = 1 };
#endif

/* Columns come in whole vectors: rows of b and c are padded to multiples of this many words. */
enum { DHO_SMALL_GEMM_COLUMNS = 16 };

/* k, and all distances, in words. n is a multiple of DHO_SMALL_GEMM_COLUMNS. */
typedef struct dho_small_gemm_shape {
    int64_t m, n, k;
    int64_t a_row, a_column;    /* from row to row, from column to column of a */
    int64_t b_stride, c_stride; /* from row to row */
    bool accumulate;
} dho_small_gemm_shape;

/* c [m][n] (+)= a [m][k] b [k][n]. The padding of b's rows is read, that of c's written. Each
 * element is one sum in order of k, in float. */
void TYPED(dho_small_gemm)(const dho_small_gemm_shape *shape, const word *a, const word *b,
                           float *c);

#endif

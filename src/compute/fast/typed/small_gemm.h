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

/* c [m][n] (+)= a [m][k] b [k][n], k in words. Element (i, p) of a is a[i * row_stride + p *
 * column_stride]; n is a multiple of DHO_SMALL_GEMM_COLUMNS, the padding of b's rows is read, that
 * of c's written. Each element is one sum in order of p, in float. */
void TYPED(dho_small_gemm)(int64_t m, int64_t n, int64_t k, const word *a, int64_t row_stride,
                           int64_t column_stride, const word *b, int64_t b_stride, bool accumulate,
                           float *c, int64_t c_stride);

#endif

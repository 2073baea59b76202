/* Private to src/compute: products of matrices that fit the second-level cache, on one thread,
 * without copying them. */
#ifndef DHO_SMALL_GEMM_H
#define DHO_SMALL_GEMM_H

#include <stdbool.h>
#include <stdint.h>

/* Columns come in whole vectors: rows of b and c are padded to multiples of this many floats. */
enum { DHO_SMALL_GEMM_COLUMNS = 16 };

/* c [m][n] (+)= a [m][k] b [k][n]. Element (i, p) of a is a[i * row_stride + p * column_stride]; n is
 * a multiple of DHO_SMALL_GEMM_COLUMNS, the padding of b's rows is read, that of c's written. Each
 * element is one sum in order of p. */
void dho_small_gemm(int64_t m, int64_t n, int64_t k, const float *a, int64_t row_stride,
                    int64_t column_stride, const float *b, int64_t b_stride, bool accumulate,
                    float *c, int64_t c_stride);

#endif

/* Private to src/compute: BLIS's sgemm with the number of threads as an argument. */
#ifndef DHO_COMPUTE_BLIS_GEMM_H
#define DHO_COMPUTE_BLIS_GEMM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct dho_matrix {
    const float *data; /* borrowed, row-major */
    int64_t stride;    /* elements from row to row */
    bool transpose;
} dho_matrix;

/* C = alpha op(A) op(B) + beta C, as the gemm slot. */
void dho_blis_sgemm(int threads, int64_t m, int64_t n, int64_t k, float alpha, dho_matrix a,
                    dho_matrix b, float beta, float *c, int64_t ldc);

#endif

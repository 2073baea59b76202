/* Private to src/compute: BLIS's sgemm with the number of threads as an argument. */
#ifndef DHO_COMPUTE_BLIS_GEMM_H
#define DHO_COMPUTE_BLIS_GEMM_H

#include "compute/core/context.h"

/* C = alpha op(A) op(B) + beta C, as the gemm slot. */
void dho_blis_sgemm(int threads, const dho_gemm_shape *shape, const float *a, const float *b,
                    float *c);

#endif

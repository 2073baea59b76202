/* blis.h names pthread barriers, which strict C17 hides. */
#define _GNU_SOURCE
#include "compute/blis/blis_gemm.h"
#include "compute/blis/blis_tables.h"

#include <blis.h>
#include <stdio.h>

void dho_blis_version(char *out, size_t bytes)
{
    snprintf(out, bytes, "BLIS %s (%s)", bli_info_get_version_str(),
             bli_arch_string(bli_arch_query_id()));
}

void dho_blis_sgemm(int threads, int64_t m, int64_t n, int64_t k, float alpha, dho_matrix a,
                    dho_matrix b, float beta, float *c, int64_t ldc)
{
    rntm_t rntm = BLIS_RNTM_INITIALIZER;
    bli_rntm_set_num_threads(threads, &rntm);
    /* BLIS's interface lacks const; a and b are only read. */
    bli_sgemm_ex(a.transpose ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE,
                 b.transpose ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE, m, n, k, &alpha, (float *)a.data,
                 a.stride, 1, (float *)b.data, b.stride, 1, &beta, c, ldc, 1, NULL, &rntm);
}

static void gemm(dho_compute *compute, bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                 int64_t k, float alpha, const float *restrict a, int64_t lda,
                 const float *restrict b, int64_t ldb, float beta, float *restrict c, int64_t ldc)
{
    /* Below this many multiply-adds the start of the threads costs more than it saves. */
    const bool small = (double)m * (double)n * (double)k < 1e5;
    dho_blis_sgemm(small ? 1 : compute->threads, m, n, k, alpha, (dho_matrix){a, lda, transpose_a},
                   (dho_matrix){b, ldb, transpose_b}, beta, c, ldc);
}

const dho_table dho_blis_gemm = {
    .kernels = {.gemm = gemm},
};

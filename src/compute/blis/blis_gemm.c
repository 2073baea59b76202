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

void dho_blis_sgemm(int threads, const dho_gemm_shape *s, const float *a, const float *b, float *c)
{
    rntm_t rntm = BLIS_RNTM_INITIALIZER;
    bli_rntm_set_num_threads(threads, &rntm);
    /* BLIS's interface lacks const: these are only read. */
    bli_sgemm_ex(s->transpose_a ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE,
                 s->transpose_b ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE, s->m, s->n, s->k,
                 (float *)&s->alpha, (float *)a, dho_gemm_lda(s), 1, (float *)b, dho_gemm_ldb(s), 1,
                 (float *)&s->beta, c, dho_gemm_ldc(s), 1, NULL, &rntm);
}

static void gemm(dho_compute *compute, const dho_gemm_shape *s, const float *a, const float *b,
                 float *c)
{
    /* Below this many multiply-adds the start of the threads costs more than it saves. */
    const bool small = (double)s->m * (double)s->n * (double)s->k < 1e5;
    dho_blis_sgemm(small ? 1 : compute->threads, s, a, b, c);
}

const dho_kernel_table dho_blis_gemm = {
    .kernels = {.gemm = gemm},
};

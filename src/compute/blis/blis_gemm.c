/* blis.h names pthread barriers, which strict C17 hides. */
#define _GNU_SOURCE
#include "compute/blis/blis_gemm.h"
#include "compute/blis/blis_tables.h"

#include "dho/processor.h"

#include <blis.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t told = PTHREAD_ONCE_INIT;
static bool we_chose; /* set once, by `told` */

/* BLIS looks for the number of 512-bit multipliers in the processor's name. Virtual machines often
 * have names without a model ("Intel(R) Xeon(R) Processor"): then it takes the kernels of AVX2
 * (seen in 0.9 and 1.1). Processors of Intel with AVX512-FP16, Sapphire Rapids and later, have two
 * multipliers a core. The others keep BLIS's own choice: those of AMD, for which 0.9 knows nothing
 * newer than zen3, since whether skx is better there was not measured. */
static bool is_underrated(void)
{
#if defined(__x86_64__) && defined(BLIS_CONFIG_SKX)
    __builtin_cpu_init();
    return __builtin_cpu_is("intel") && dho_processor_has("avx512fp16") &&
           dho_processor_has("avx512dq") && dho_processor_has("avx512bw") &&
           dho_processor_has("avx512vl") && strcmp(bli_arch_string(BLIS_ARCH_SKX), "skx") == 0;
#else
    return false;
#endif
}

/* BLIS reads the variable at its first call; what the user has set stays. */
static void tell(void)
{
#ifdef BLIS_CONFIG_SKX
    char number[16];
    if (getenv("BLIS_ARCH_TYPE") != NULL || !is_underrated()) return;
    snprintf(number, sizeof number, "%d", (int)BLIS_ARCH_SKX);
    we_chose = setenv("BLIS_ARCH_TYPE", number, 0) == 0;
#endif
}

static void load(void)
{
    pthread_once(&told, tell);
}

void dho_blis_version(char *out, size_t bytes)
{
    load();
    bli_init(); /* else the next line ends the program where BLIS_ARCH_TYPE is set */
    snprintf(out, bytes, "BLIS %s (%s%s)", bli_info_get_version_str(),
             bli_arch_string(bli_arch_query_id()), we_chose ? ", set by dho" : "");
}

void dho_blis_sgemm(int threads, const dho_gemm_shape *s, const float *a, const float *b, float *c)
{
    /* Below this many multiply-adds the start of the threads costs more than it saves: 128^3 takes
     * 40 us on one thread and as long on two (BLIS 0.9, skx), 110 us where they sleep in between.
     * BLIS's threads wait for each other without giving up their core: with more threads than cores
     * each wait costs a turn of the scheduler. */
    const bool small = (double)s->m * (double)s->n * (double)s->k < 2e6;
    rntm_t rntm = BLIS_RNTM_INITIALIZER;
    bli_rntm_set_num_threads(small ? 1 : threads, &rntm);
    /* BLIS's interface lacks const: these are only read. */
    bli_sgemm_ex(s->transpose_a ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE,
                 s->transpose_b ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE, s->m, s->n, s->k,
                 (float *)&s->alpha, (float *)a, dho_gemm_lda(s), 1, (float *)b, dho_gemm_ldb(s), 1,
                 (float *)&s->beta, c, dho_gemm_ldc(s), 1, NULL, &rntm);
}

static void gemm(dho_compute *compute, const dho_gemm_shape *s, const float *a, const float *b,
                 float *c)
{
    dho_blis_sgemm(compute->threads, s, a, b, c);
}

const dho_kernel_table dho_blis_gemm = {
    .kernels = {.gemm = gemm},
    .planning = {.load = load},
};

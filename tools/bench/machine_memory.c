#include "bench/machine_loops.h"

#if defined(__x86_64__)

#define VECTORS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm15"

/* 512 bytes a turn. */
static void read512(const float *a, size_t count)
{
    uint64_t turns = count / DHO_MEMORY_GRAIN;
    __asm__ volatile("1:\n"
                     "vmovaps (%1), %%zmm0\nvmovaps 64(%1), %%zmm1\n"
                     "vmovaps 128(%1), %%zmm2\nvmovaps 192(%1), %%zmm3\n"
                     "vmovaps 256(%1), %%zmm4\nvmovaps 320(%1), %%zmm5\n"
                     "vmovaps 384(%1), %%zmm6\nvmovaps 448(%1), %%zmm7\n"
                     "add $512, %1\ndec %0\njnz 1b\nvzeroupper\n"
                     : "+r"(turns), "+r"(a)
                     :
                     : VECTORS, "cc", "memory");
}

static void read256(const float *a, size_t count)
{
    uint64_t turns = 2 * (count / DHO_MEMORY_GRAIN);
    __asm__ volatile("1:\n"
                     "vmovaps (%1), %%ymm0\nvmovaps 32(%1), %%ymm1\n"
                     "vmovaps 64(%1), %%ymm2\nvmovaps 96(%1), %%ymm3\n"
                     "vmovaps 128(%1), %%ymm4\nvmovaps 160(%1), %%ymm5\n"
                     "vmovaps 192(%1), %%ymm6\nvmovaps 224(%1), %%ymm7\n"
                     "add $256, %1\ndec %0\njnz 1b\nvzeroupper\n"
                     : "+r"(turns), "+r"(a)
                     :
                     : VECTORS, "cc", "memory");
}

#define TRIAD(at, r, n)                                                                \
    "vmovaps " at "(%3, %1), %%" r n "\nvfmadd231ps " at "(%4, %1), %%" r "15, %%" r n \
    "\nvmovaps %%" r n ", " at "(%2, %1)\n"
#define TRIAD_LOOP(function, r, bytes, body)                                             \
    static void function(float *a, const float *b, const float *c, size_t count)         \
    {                                                                                    \
        uint64_t turns = count * sizeof(float) / (bytes), at = 0;                        \
        const float factor = 3;                                                          \
        __asm__ volatile("vbroadcastss %5, %%" r "15\n1:\n" body "add $" #bytes ", %1\n" \
                         "dec %0\njnz 1b\nvzeroupper\n"                                  \
                         : "+r"(turns), "+r"(at)                                         \
                         : "r"(a), "r"(b), "r"(c), "m"(factor)                           \
                         : VECTORS, "cc", "memory");                                     \
    }

#define BODY512 \
    TRIAD("0", "zmm", "0") TRIAD("64", "zmm", "1") TRIAD("128", "zmm", "2") TRIAD("192", "zmm", "3")
#define BODY256 \
    TRIAD("0", "ymm", "0") TRIAD("32", "ymm", "1") TRIAD("64", "ymm", "2") TRIAD("96", "ymm", "3")
TRIAD_LOOP(triad512, "zmm", 256, BODY512)
TRIAD_LOOP(triad256, "ymm", 128, BODY256)

#endif

typedef float vector __attribute__((vector_size(16)));

static void read_portable(const float *a, size_t count)
{
    static volatile float sink;
    vector sums[8] = {{0}};
    for (size_t i = 0; i < count; i += 32)
        for (size_t k = 0; k < 8; k++) sums[k] += *(const vector *)(const void *)(a + i + 4 * k);
    for (int k = 1; k < 8; k++) sums[0] += sums[k];
    sink = sums[0][0];
    (void)sink;
}

static void triad_portable(float *restrict a, const float *restrict b, const float *restrict c,
                           size_t count)
{
#pragma omp simd
    for (size_t i = 0; i < count; i++) a[i] = b[i] + 3 * c[i];
}

static const dho_memory_loop loops[] = {
#if defined(__x86_64__)
    {dho_loop_has_avx512, read512, triad512},
    {dho_loop_has_fma, read256, triad256},
#endif
    {dho_loop_always, read_portable, triad_portable},
};

const dho_memory_loop *dho_memory_loop_of(void)
{
    const dho_memory_loop *loop = loops;
    while (!loop->has()) loop++;
    return loop;
}

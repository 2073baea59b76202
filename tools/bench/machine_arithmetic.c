#define _GNU_SOURCE
#include "bench/machine_loops.h"

#include <sys/syscall.h>
#include <unistd.h>

/* In a turn 14 chains of multiply-adds go on by one: two multipliers of a latency of 4 or 5 cycles
 * want 8 to 10 of them. */
enum { CHAINS = 14 };

#if defined(__x86_64__)

#define VECTORS                                                                              \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define STEP(op, r, n) op " %%" r "0, %%" r "1, %%" r n "\n"
#define STEPS(op, r)                                                                       \
    STEP(op, r, "2")                                                                       \
    STEP(op, r, "3")                                                                       \
    STEP(op, r, "4")                                                                       \
    STEP(op, r, "5")                                                                       \
    STEP(op, r, "6")                                                                       \
    STEP(op, r, "7") STEP(op, r, "8") STEP(op, r, "9") STEP(op, r, "10") STEP(op, r, "11") \
        STEP(op, r, "12") STEP(op, r, "13") STEP(op, r, "14") STEP(op, r, "15")
#define CLEAR(n) "vpxor %%xmm" n ", %%xmm" n ", %%xmm" n "\n"
#define CLEARS                                                                                   \
    CLEAR("2")                                                                                   \
    CLEAR("3")                                                                                   \
    CLEAR("4")                                                                                   \
    CLEAR("5")                                                                                   \
    CLEAR("6")                                                                                   \
    CLEAR("7") CLEAR("8") CLEAR("9") CLEAR("10") CLEAR("11") CLEAR("12") CLEAR("13") CLEAR("14") \
        CLEAR("15")
/* Factors from `bits` in each 32: small numbers that are not zero in the loop's type. */
#define LOOP(function, op, r, bits)                                         \
    static void function(uint64_t turns)                                    \
    {                                                                       \
        const uint32_t factors = bits;                                      \
        __asm__ volatile("vbroadcastss %1, %%" r "0\n"                      \
                         "vbroadcastss %1, %%" r "1\n" CLEARS               \
                         ".p2align 6\n1:\n" STEPS(op, r) "dec %0\njnz 1b\n" \
                                                         "vzeroupper\n"     \
                         : "+r"(turns)                                      \
                         : "m"(factors)                                     \
                         : VECTORS, "cc");                                  \
    }

LOOP(fma512, "vfmadd231ps", "zmm", 0x3e800000) /* 0.25 */
LOOP(fma256, "vfmadd231ps", "ymm", 0x3e800000)
LOOP(dot_bf16_512, "vdpbf16ps", "zmm", 0x3e803e80)
LOOP(dot_int8_512, "vpdpbusd", "zmm", 0x01010101)

static bool has_dot_bf16(void)
{
    return dho_loop_has_avx512() && dho_processor_has("avx512bf16");
}

static bool has_vnni(void)
{
    return dho_loop_has_avx512() && dho_processor_has("avx512vnni");
}

/* Tiles of 16 rows of 64 bytes. A process asks the kernel for them once, before it uses them. */
static bool may_use_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return dho_processor_has("amx-tile") &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static bool has_amx_bf16(void)
{
    return dho_processor_has("amx-bf16") && may_use_tiles();
}

static bool has_amx_int8(void)
{
    return dho_processor_has("amx-int8") && may_use_tiles();
}

/* As LDTILECFG reads it (Intel's SDM, volume 2A). */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static tile_config eight_tiles(void)
{
    tile_config config = {.palette = 1};
    for (int tile = 0; tile < 8; tile++) {
        config.row_bytes[tile] = 64;
        config.rows[tile] = 16;
    }
    return config;
}

/* Four sums of tiles, each with its own pair of factors of 2 x 2: a turn is four tile products.
 * Untested where no machine has AMX: neither of those at hand when this was written showed it. */
#define TILE_LOOP(function, op)                                                        \
    static void function(uint64_t turns)                                               \
    {                                                                                  \
        const tile_config config = eight_tiles();                                      \
        __asm__ volatile("ldtilecfg %1\n"                                              \
                         "tilezero %%tmm0\ntilezero %%tmm1\ntilezero %%tmm2\n"         \
                         "tilezero %%tmm3\ntilezero %%tmm4\ntilezero %%tmm5\n"         \
                         "tilezero %%tmm6\ntilezero %%tmm7\n"                          \
                         ".p2align 6\n1:\n" op " %%tmm6, %%tmm4, %%tmm0\n" op          \
                         " %%tmm7, %%tmm4, %%tmm1\n" op " %%tmm6, %%tmm5, %%tmm2\n" op \
                         " %%tmm7, %%tmm5, %%tmm3\n"                                   \
                         "dec %0\njnz 1b\n"                                            \
                         "tilerelease\n"                                               \
                         : "+r"(turns)                                                 \
                         : "m"(config)                                                 \
                         : "cc");                                                      \
    }

TILE_LOOP(tiles_bf16, "tdpbf16ps")
TILE_LOOP(tiles_int8, "tdpbssd")

#elif defined(__aarch64__)

#define STEP(n) "fmla v" n ".4s, v0.4s, v1.4s\n"

/* Untested: no such machine was at hand. */
static void fma_neon(uint64_t turns)
{
    const float factor = 0.25f;
    __asm__ volatile("dup v0.4s, %w1\ndup v1.4s, %w1\n"
                     "1:\n" STEP("2") STEP("3") STEP("4") STEP("5") STEP("6") STEP("7") STEP("8")
                         STEP("9") STEP("10") STEP("11") STEP("12") STEP("13") STEP("14")
                             STEP("15") "subs %0, %0, #1\nb.ne 1b\n"
                     : "+r"(turns)
                     : "r"(*(const uint32_t *)(const void *)&factor)
                     : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11",
                       "v12", "v13", "v14", "v15", "cc");
}

#endif

/* Whatever the compiler makes of it. */
static void portable(uint64_t turns)
{
    typedef float vector __attribute__((vector_size(16)));
    static volatile float seed = 0.25f, sink;
    const float s = seed;
    const vector factor = {s, s, s, s};
    vector sums[CHAINS] = {{0}};
    for (uint64_t turn = 0; turn < turns; turn++)
        for (int i = 0; i < CHAINS; i++) sums[i] = sums[i] * factor + factor;
    for (int i = 1; i < CHAINS; i++) sums[0] += sums[i];
    sink = sums[0][0];
    (void)sink;
}

/* Of each kind the widest first. */
static const dho_arithmetic_loop loops[] = {
#if defined(__x86_64__)
    {DHO_ARITHMETIC_FP32, "AVX-512", CHAINS * 32, dho_loop_has_avx512, fma512},
    {DHO_ARITHMETIC_FP32, "AVX2", CHAINS * 16, dho_loop_has_fma, fma256},
    {DHO_ARITHMETIC_BF16, "AVX512-BF16", CHAINS * 64, has_dot_bf16, dot_bf16_512},
    {DHO_ARITHMETIC_INT8, "AVX512-VNNI", CHAINS * 128, has_vnni, dot_int8_512},
    {DHO_ARITHMETIC_AMX_BF16, "AMX-BF16", 4 * 2.0 * 16 * 16 * 32, has_amx_bf16, tiles_bf16},
    {DHO_ARITHMETIC_AMX_INT8, "AMX-INT8", 4 * 2.0 * 16 * 16 * 64, has_amx_int8, tiles_int8},
#elif defined(__aarch64__)
    {DHO_ARITHMETIC_FP32, "NEON", CHAINS * 8, dho_loop_always, fma_neon},
#endif
    {DHO_ARITHMETIC_FP32, "portable", CHAINS * 8, dho_loop_always, portable},
};

const dho_arithmetic_loop *dho_arithmetic_loop_of(dho_arithmetic kind)
{
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
        if (loops[i].kind == kind && loops[i].has()) return &loops[i];
    return NULL;
}

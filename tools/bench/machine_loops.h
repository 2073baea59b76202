/* The loops that measure a processor: nothing but multiply-adds, or nothing but memory. Machine
 * code, so that neither the compiler's options nor the processor that it builds for change them.
 * Private to tools/bench. */
#ifndef DHO_BENCH_MACHINE_LOOPS_H
#define DHO_BENCH_MACHINE_LOOPS_H

#include "dho/processor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What multiplies: rows of dho_limits. */
typedef enum dho_arithmetic {
    DHO_ARITHMETIC_FP32, /* fused multiply-adds */
    DHO_ARITHMETIC_BF16, /* dot products of pairs, summed in fp32 */
    DHO_ARITHMETIC_INT8, /* dot products of fours, summed in int32 */
    DHO_ARITHMETIC_AMX_BF16,
    DHO_ARITHMETIC_AMX_INT8,
    DHO_ARITHMETICS
} dho_arithmetic;

typedef struct dho_arithmetic_loop {
    dho_arithmetic kind;
    const char *name;  /* the instruction set, as people call it */
    double operations; /* of a turn; a multiply-add is two */
    bool (*has)(void); /* this processor, and the kernel lets us */
    void (*run)(uint64_t turns);
} dho_arithmetic_loop;

/* Of each kind the widest that this processor has; NULL: it has none. */
const dho_arithmetic_loop *dho_arithmetic_loop_of(dho_arithmetic kind);

/* What loops need of a processor. */
static inline bool dho_loop_has_avx512(void)
{
    return dho_processor_has("avx512f");
}

static inline bool dho_loop_has_fma(void)
{
    return dho_processor_has("avx2") && dho_processor_has("fma");
}

static inline bool dho_loop_always(void)
{
    return true;
}

/* Moves memory. count: floats, a multiple of DHO_MEMORY_GRAIN; 64-byte aligned. */
enum { DHO_MEMORY_GRAIN = 128 };
typedef struct dho_memory_loop {
    bool (*has)(void);
    void (*read)(const float *a, size_t count);
    /* a = b + 3 c, with ordinary stores. */
    void (*triad)(float *a, const float *b, const float *c, size_t count);
} dho_memory_loop;

/* The widest that this processor has. */
const dho_memory_loop *dho_memory_loop_of(void);

#endif

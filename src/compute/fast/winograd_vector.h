/* Private to src/compute: the vectors and the layouts of the Winograd convolution.
 *
 * GCC vector extensions: of the widest kind the target has, so that the register blocks below fit
 * its register file. Sums of products become fused multiply-adds (CMakeLists.txt allows that for
 * these files). */
#ifndef DHO_COMPUTE_WINOGRAD_VECTOR_H
#define DHO_COMPUTE_WINOGRAD_VECTOR_H

#include <stdint.h>
#include <string.h>

/* LANES floats a vector; the forward product keeps ROWS tiles x PANEL output channels in registers,
 * that of the weight gradients WEIGHT_ROWS output x PANEL input channels. */
#if defined(__AVX512F__)
enum { LANES = 16, ROWS = 14, WEIGHT_ROWS = 8 };
#elif defined(__AVX__)
enum { LANES = 8, ROWS = 6, WEIGHT_ROWS = 4 };
#elif defined(__aarch64__)
enum { LANES = 4, ROWS = 12, WEIGHT_ROWS = 4 };
#else
enum { LANES = 4, ROWS = 6, WEIGHT_ROWS = 4 };
#endif
enum { PANEL = 2 * LANES };

/* F(4x4, 3x3): tiles of SIDE x SIDE pixels give OUT x OUT results through POINTS products. */
enum { SIDE = 6, OUT = 4, TAPS = 9, POINTS = SIDE * SIDE };

typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef float vec_unaligned
    __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

INLINE vec load(const float *from)
{
    return *(const vec_unaligned *)from;
}

INLINE void store(float *to, vec v)
{
    *(vec_unaligned *)to = v;
}

/* The first `count` <= LANES floats; the others are zero, and not touched in memory. */
INLINE vec load_part(const float *from, int count)
{
    if (count == LANES) return load(from);
    vec v = {0};
    memcpy(&v, from, (size_t)count * sizeof *from);
    return v;
}

INLINE void store_part(float *to, vec v, int count)
{
    if (count == LANES) {
        store(to, v);
    } else {
        memcpy(to, &v, (size_t)count * sizeof *to);
    }
}

static inline int64_t round_up(int64_t count, int64_t unit)
{
    return (count + unit - 1) / unit * unit;
}

#endif

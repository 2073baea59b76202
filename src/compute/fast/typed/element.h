/* Storage types of activations, and how a file of kernels is compiled once for each. Private to
 * src/compute.
 *
 * A file that is listed under DHO_TYPED_SOURCES in CMakeLists.txt is compiled twice: for fp32, and
 * with DHO_ELEMENT_BF16 defined for bf16. It reads activations through LOAD, writes them through
 * STORE, computes in float, and names what it exports with TYPED. */
#ifndef DHO_COMPUTE_ELEMENT_H
#define DHO_COMPUTE_ELEMENT_H

#include <stdint.h>
#include <string.h>

/* The upper half of an IEEE float. */
typedef uint16_t dho_bf16;

static inline float dho_bf16_load(dho_bf16 v)
{
    const uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* To the nearest, ties to even; NaN stays NaN. Without branches, so that loops vectorise. */
static inline dho_bf16 dho_bf16_store(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return (dho_bf16)(f != f ? (bits >> 16) | 0x40u : rounded);
}

#ifdef DHO_ELEMENT_BF16
typedef dho_bf16 element;
#define LOAD(v) dho_bf16_load(v)
#define STORE(v) dho_bf16_store(v)
#define TYPED(name) name##_bf16
#else
typedef float element;
#define LOAD(v) (v)
#define STORE(v) (v)
#define TYPED(name) name##_fp32
#endif

#endif

/* A float's bits; bf16; little-endian numbers in files, a byte at a time: any alignment, any
 * machine. Private to src. */
#ifndef DHO_BASE_BYTES_H
#define DHO_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

/* The low `bytes` bytes of a value, 1 to 8. */
static inline void dho_put_le(uint8_t *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t dho_get_le(const uint8_t *data, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)data[i] << (8 * i);
    return value;
}

static inline uint32_t dho_float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float dho_float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The upper half of an IEEE float. */
typedef uint16_t dho_bf16;

static inline float dho_bf16_load(dho_bf16 v)
{
    return dho_float_of_bits((uint32_t)v << 16);
}

/* To the nearest, ties to even; NaN stays NaN. Without branches, so that loops vectorise. */
static inline dho_bf16 dho_bf16_store(float f)
{
    const uint32_t bits = dho_float_bits(f);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return (dho_bf16)(f != f ? (bits >> 16) | 0x40u : rounded);
}

static inline void dho_put_float(uint8_t *out, float value)
{
    dho_put_le(out, dho_float_bits(value), 4);
}

static inline float dho_get_float(const uint8_t *data)
{
    return dho_float_of_bits((uint32_t)dho_get_le(data, 4));
}

static inline void dho_put_double(uint8_t *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    dho_put_le(out, bits, 8);
}

static inline double dho_get_double(const uint8_t *data)
{
    const uint64_t bits = dho_get_le(data, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif

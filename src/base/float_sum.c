#include "dho/float_sum.h"

#include "base/bytes.h"
#include "dho/rng.h"

dho_rounding dho_rounding_of_step(uint64_t seed, int64_t step)
{
    dho_rng rng;
    dho_rng_init(&rng, seed, DHO_RNG_ROUNDING, 0, (uint64_t)step);
    return (dho_rounding){dho_rng_u32(&rng)};
}

/* MurmurHash3's 32-bit finalizer (A. Appleby, public domain formula) of all that a coin depends on.
 */
static inline uint32_t hash(uint32_t key, size_t at, uint32_t bits)
{
    uint32_t h = bits ^ key ^ (uint32_t)(at ^ at >> 32) * 0x9E3779B1u;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}

static inline float rounded(uint32_t key, size_t at, float x)
{
    const uint32_t bits = dho_float_bits(x);
    const uint32_t up = (bits + (hash(key, at, bits) & 0xFFFFu)) & 0xFFFF0000u;
    /* A NaN keeps a bit in what is left of it. */
    const uint32_t special = (bits & 0xFFFF0000u) | (x != x ? 0x00400000u : 0);
    return dho_float_of_bits((bits & 0x7F800000u) == 0x7F800000u ? special : up);
}

void dho_round_floats(const dho_rounding *rounding, size_t at, float *x, size_t count)
{
    if (rounding == NULL) return;
    const uint32_t key = rounding->key;
    for (size_t i = 0; i < count; i++) x[i] = rounded(key, at + i, x[i]);
}

void dho_add_floats(const dho_rounding *rounding, size_t at, float *restrict sum,
                    const float *restrict term, size_t count)
{
    if (rounding == NULL) {
        for (size_t i = 0; i < count; i++) sum[i] += term[i];
        return;
    }
    const uint32_t key = rounding->key;
    for (size_t i = 0; i < count; i++) sum[i] = rounded(key, at + i, sum[i] + term[i]);
}

void dho_pack_floats(const float *restrict x, size_t count, uint16_t *restrict out)
{
    for (size_t i = 0; i < count; i++) out[i] = (uint16_t)(dho_float_bits(x[i]) >> 16);
}

void dho_unpack_floats(const uint16_t *restrict x, size_t count, float *restrict out)
{
    for (size_t i = 0; i < count; i++) out[i] = dho_float_of_bits((uint32_t)x[i] << 16);
}

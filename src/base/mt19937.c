#include "base/mt19937.h"

enum { MIDDLE = 397 };

void dho_mt19937_seed(dho_mt19937 *rng, uint32_t seed)
{
    rng->state[0] = seed;
    for (uint32_t i = 1; i < DHO_MT19937_WORDS; i++) {
        const uint32_t before = rng->state[i - 1];
        rng->state[i] = UINT32_C(1812433253) * (before ^ before >> 30) + i;
    }
    rng->next = DHO_MT19937_WORDS;
}

static void make_words(dho_mt19937 *rng)
{
    uint32_t *x = rng->state;
    for (int i = 0; i < DHO_MT19937_WORDS; i++) {
        const uint32_t y =
            (x[i] & UINT32_C(0x80000000)) | (x[(i + 1) % DHO_MT19937_WORDS] & UINT32_C(0x7fffffff));
        x[i] =
            x[(i + MIDDLE) % DHO_MT19937_WORDS] ^ y >> 1 ^ (y % 2 == 1 ? UINT32_C(0x9908b0df) : 0);
    }
    rng->next = 0;
}

uint32_t dho_mt19937_u32(dho_mt19937 *rng)
{
    if (rng->next == DHO_MT19937_WORDS) make_words(rng);
    uint32_t y = rng->state[rng->next++];
    y ^= y >> 11;
    y ^= y << 7 & UINT32_C(0x9d2c5680);
    y ^= y << 15 & UINT32_C(0xefc60000);
    return y ^ y >> 18;
}

/* Uniform in [0, max]: numpy masks to the next power of two and draws again, which decides how many
 * words are used up. Above 32 bits it joins two words, the first one high. */
static uint64_t below_or_at(dho_mt19937 *rng, uint64_t max)
{
    uint64_t mask = max, value;
    for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
    do {
        value = dho_mt19937_u32(rng);
        if (max > UINT32_MAX) value = value << 32 | dho_mt19937_u32(rng);
        value &= mask;
    } while (value > max);
    return value;
}

void dho_mt19937_shuffle(dho_mt19937 *rng, int64_t *ids, int64_t count)
{
    for (int64_t i = count - 1; i > 0; i--) {
        const int64_t j = (int64_t)below_or_at(rng, (uint64_t)i), kept = ids[i];
        ids[i] = ids[j];
        ids[j] = kept;
    }
}

#include "base/pcg64.h"

enum { POOL = 4, STATE_WORDS = 8 };

__extension__ typedef unsigned __int128 u128;

static u128 join(uint64_t high, uint64_t low)
{
    return (u128)high << 64 | low;
}

/* --- SeedSequence --- */

static uint32_t hash_word(uint32_t value, uint32_t *constant)
{
    value ^= *constant;
    *constant *= UINT32_C(0x931e8875);
    value *= *constant;
    return value ^ value >> 16;
}

static uint32_t mix_words(uint32_t x, uint32_t y)
{
    const uint32_t mixed = x * UINT32_C(0xca01f9dd) - y * UINT32_C(0x4973f715);
    return mixed ^ mixed >> 16;
}

/* The state words of SeedSequence(seed).generate_state. */
static void generate_state(uint32_t seed, uint32_t out[STATE_WORDS])
{
    uint32_t pool[POOL], constant = UINT32_C(0x43b0d7e5);
    for (int i = 0; i < POOL; i++) pool[i] = hash_word(i == 0 ? seed : 0, &constant);
    for (int from = 0; from < POOL; from++)
        for (int to = 0; to < POOL; to++)
            if (from != to) pool[to] = mix_words(pool[to], hash_word(pool[from], &constant));
    constant = UINT32_C(0x8b51f9dd);
    for (int i = 0; i < STATE_WORDS; i++) {
        uint32_t word = pool[i % POOL] ^ constant;
        constant *= UINT32_C(0x58f38ded);
        word *= constant;
        out[i] = word ^ word >> 16;
    }
}

/* --- PCG64 --- */

static void step(dho_pcg64 *rng)
{
    const u128 multiplier = join(UINT64_C(0x2360ed051fc65da4), UINT64_C(0x4385df649fccf645));
    const u128 next = join(rng->state_high, rng->state_low) * multiplier +
                      join(rng->increment_high, rng->increment_low);
    rng->state_high = (uint64_t)(next >> 64);
    rng->state_low = (uint64_t)next;
}

void dho_pcg64_seed(dho_pcg64 *rng, uint32_t seed)
{
    uint32_t words[STATE_WORDS];
    uint64_t pair[STATE_WORDS / 2];
    generate_state(seed, words);
    for (int i = 0; i < STATE_WORDS / 2; i++)
        pair[i] = words[2 * i] | (uint64_t)words[2 * i + 1] << 32;
    const u128 increment = join(pair[2], pair[3]) << 1 | 1;
    *rng = (dho_pcg64){.increment_high = (uint64_t)(increment >> 64),
                       .increment_low = (uint64_t)increment};
    step(rng);
    const u128 state = join(rng->state_high, rng->state_low) + join(pair[0], pair[1]);
    rng->state_high = (uint64_t)(state >> 64);
    rng->state_low = (uint64_t)state;
    step(rng);
}

uint64_t dho_pcg64_u64(dho_pcg64 *rng)
{
    step(rng);
    const unsigned turn = (unsigned)(rng->state_high >> 58);
    const uint64_t folded = rng->state_high ^ rng->state_low;
    return folded >> turn | folded << (-turn & 63u);
}

double dho_pcg64_uniform(dho_pcg64 *rng)
{
    return (double)(dho_pcg64_u64(rng) >> 11) * 0x1p-53;
}

/* Blocks of floats for tests; dho_free frees them. */
#ifndef DHO_TESTS_FLOATS_H
#define DHO_TESTS_FLOATS_H

#include "check_main.h"
#include "dho/rng.h"

/* Zeros. */
static inline float *slab(size_t floats)
{
    float *block;
    ck_assert_ok(dho_alloc_zero(&block, floats, sizeof *block, "test"));
    return block;
}

/* Standard normal, another stream for each id. */
static inline void random_floats(size_t count, float *out, uint64_t id)
{
    dho_rng rng;
    dho_rng_init(&rng, 5, DHO_RNG_TEST, 0, id);
    for (size_t i = 0; i < count; i++) out[i] = (float)dho_rng_normal(&rng);
}

static inline float *random_slab(size_t floats, uint64_t id)
{
    float *block = slab(floats);
    random_floats(floats, block, id);
    return block;
}

#endif

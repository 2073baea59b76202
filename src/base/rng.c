#include "dho/rng.h"

#include <math.h>

void dho_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t output[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    output[0] = c0;
    output[1] = c1;
    output[2] = c2;
    output[3] = c3;
}

void dho_rng_init(dho_rng *rng, uint64_t seed, dho_rng_purpose purpose, uint64_t epoch, uint64_t id)
{
    rng->key[0] = (uint32_t)seed;
    rng->key[1] = (uint32_t)(seed >> 32);
    rng->counter[0] = 0;
    rng->counter[1] = (uint32_t)purpose << 24 | (uint32_t)(epoch & 0xFFFFFFu);
    rng->counter[2] = (uint32_t)id;
    rng->counter[3] = (uint32_t)(id >> 32);
    rng->used = 4;
}

uint32_t dho_rng_u32(dho_rng *rng)
{
    if (rng->used == 4) {
        dho_philox(rng->key, rng->counter, rng->output);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->output[rng->used++];
}

double dho_rng_uniform(dho_rng *rng)
{
    const uint64_t high = dho_rng_u32(rng) >> 5, low = dho_rng_u32(rng) >> 6;
    return (double)(high << 26 | low) * 0x1p-53;
}

uint32_t dho_rng_below(dho_rng *rng, uint32_t n)
{
    /* Lemire's multiply-and-reject (ACM TOMACS 2019). */
    uint64_t product = (uint64_t)dho_rng_u32(rng) * n;
    if ((uint32_t)product < n) {
        const uint32_t threshold = -n % n;
        while ((uint32_t)product < threshold) product = (uint64_t)dho_rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

double dho_rng_normal(dho_rng *rng)
{
    const double radius = 1.0 - dho_rng_uniform(rng); /* (0, 1] */
    const double angle = dho_rng_uniform(rng);
    return sqrt(-2.0 * log(radius)) * cos(6.283185307179586 * angle);
}

void dho_rng_shuffle(dho_rng *rng, int64_t *ids, int64_t count)
{
    for (int64_t i = count - 1; i > 0; i--) {
        const int64_t j = dho_rng_below(rng, (uint32_t)(i + 1));
        const int64_t moved = ids[i];
        ids[i] = ids[j];
        ids[j] = moved;
    }
}

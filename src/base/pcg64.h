/* The generator of numpy.random.Generator(PCG64(seed)): to draw again what others have drawn with
 * it and stored as a seed. PCG XSL-RR 128/64 (O'Neill 2014), seeded through NumPy's SeedSequence
 * (randutils' seed_seq_fe of O'Neill, pool of 4 words; NumPy's documentation has the constants).
 * Private to src.
 */
#ifndef DHO_BASE_PCG64_H
#define DHO_BASE_PCG64_H

#include <stdint.h>

typedef struct dho_pcg64 {
    uint64_t state_high, state_low, increment_high, increment_low;
} dho_pcg64;

/* PCG64(seed) of one 32-bit word. */
void dho_pcg64_seed(dho_pcg64 *rng, uint32_t seed);

uint64_t dho_pcg64_u64(dho_pcg64 *rng);

/* Generator.random(): uniform in [0, 1), 53 bits. */
double dho_pcg64_uniform(dho_pcg64 *rng);

#endif

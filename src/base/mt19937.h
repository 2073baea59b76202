/* The Mersenne twister as numpy.random.RandomState uses it: to draw the very subsets that published
 * code draws, and for nothing else (dho/rng.h is this project's generator). Private to src/. */
#ifndef DHO_BASE_MT19937_H
#define DHO_BASE_MT19937_H

#include <stdint.h>

enum { DHO_MT19937_WORDS = 624 };

/* MT19937 of Matsumoto and Nishimura (ACM TOMACS 8, 1998). */
typedef struct dho_mt19937 {
    uint32_t state[DHO_MT19937_WORDS];
    int next; /* word to give out; DHO_MT19937_WORDS: make new ones first */
} dho_mt19937;

/* numpy.random.seed(seed). */
void dho_mt19937_seed(dho_mt19937 *rng, uint32_t seed);
uint32_t dho_mt19937_u32(dho_mt19937 *rng);

/* RandomState.shuffle of count ids; choice(ids, k, replace=False) is the first k of them then. */
void dho_mt19937_shuffle(dho_mt19937 *rng, int64_t *ids, int64_t count);

#endif

/* Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011).
 *
 * A stream is named by (seed, purpose, epoch, id) and by nothing else: no state is shared between
 * threads or ranks, so a sample's augmentation is the same wherever and whenever it is computed. */
#ifndef DHO_RNG_H
#define DHO_RNG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What a stream is for; two purposes never share numbers. Values are part of the results: append,
 * never renumber. */
typedef enum dho_rng_purpose {
    DHO_RNG_INIT = 1,    /* parameter initialisation; id = parameter index */
    DHO_RNG_SHUFFLE = 2, /* order of the unlabelled stream; epoch = pass, id = virtual shard */
    DHO_RNG_SHUFFLE_LABELLED = 3, /* order of the labelled stream; epoch = pass */
    DHO_RNG_AUGMENT = 4, /* crop and flip of an unlabelled sample; epoch = pass, id = sample */
    DHO_RNG_AUGMENT_LABELLED = 5, /* the same for a labelled sample */
    DHO_RNG_SUBSET = 6,           /* choice of the labelled subset; id = class */
    DHO_RNG_SYNTH = 7,            /* synthetic data; epoch = split, id = image */
    DHO_RNG_CACHE_VIEW = 8,       /* cached views; epoch = view, id = sample */
    DHO_RNG_TIP_ADAPTER = 9,      /* order of an epoch of Tip-Adapter-F; epoch = epoch */
    DHO_RNG_CACHE_SAMPLE = 10,    /* cached views that are computed again; epoch 0: which images, 1:
                                     which view of image id */
    DHO_RNG_SELECT = 11,          /* dho select --by random; id = sample */
    DHO_RNG_HOLDOUT = 12,         /* which labelled images are held out; id = the path's FNV-1a */
    DHO_RNG_ROUNDING = 13,        /* sums in bf16 (dho/float_sum.h); id = step */
    DHO_RNG_DROP_PATH = 14,       /* branches of an unlabelled sample; epoch = pass, id = sample */
    DHO_RNG_DROP_PATH_LABELLED = 15, /* the same for a labelled sample */
    DHO_RNG_PIXELS =
        16, /* RandAugment, jitter of an unlabelled sample; epoch = pass, id = sample */
    DHO_RNG_PIXELS_LABELLED = 17, /* the same for a labelled sample */
    DHO_RNG_TEST = 255            /* tests and benchmarks */
} dho_rng_purpose;

typedef struct dho_rng {
    uint32_t key[2];     /* the seed */
    uint32_t counter[4]; /* [block, purpose << 24 | epoch, id low, id high] */
    uint32_t output[4];
    unsigned used; /* numbers of `output` already given out */
} dho_rng;

/* One Philox 4x32-10 block. */
void dho_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t output[4]);

/* Starts a stream. epoch is taken modulo 2^24. */
void dho_rng_init(dho_rng *rng, uint64_t seed, dho_rng_purpose purpose, uint64_t epoch,
                  uint64_t id);

uint32_t dho_rng_u32(dho_rng *rng);

/* Uniform in [0, 1): 53 bits from two draws. */
double dho_rng_uniform(dho_rng *rng);

/* Uniform integer in [0, n), unbiased; n >= 1. */
uint32_t dho_rng_below(dho_rng *rng, uint32_t n);

/* Standard normal (Box-Muller, one value a call). */
double dho_rng_normal(dho_rng *rng);

/* Fisher-Yates shuffle of count ids in place. */
void dho_rng_shuffle(dho_rng *rng, int64_t *ids, int64_t count);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

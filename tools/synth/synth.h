/* The built-in data set: procedural images of named classes, written as JPEGs in ImageFolder
 * layout, for the quickstart, the tests and benchmarks without a download. All Local. For src/cli.
 *
 * - OUT/train, OUT/val: the images to learn from
 * - OUT/test_v2: a fresh draw, sampled a little harder (as ImageNet-V2)
 * - OUT/test_r: renditions: cartoon, poster, neon, pixel art, watercolour, other palettes
 * - OUT/test_sketch: grey line drawings
 * - OUT/test_a: small, turned, hidden objects in clutter; some of the classes only
 * - OUT/synth.json: the options and classes; written last, so it says that all is there
 *
 * Image k of class c of split s is drawn from dho_rng(seed, DHO_RNG_SYNTH, s, c * 2^32 + k) and
 * nothing else: neither the number of threads nor the number of images per class changes it. */
#ifndef DHO_SYNTH_SYNTH_H
#define DHO_SYNTH_SYNTH_H

#include "dho/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dho_synth_options {
    const char *out; /* borrowed: the folder to write, made when it is not there */
    uint64_t seed;
    int train_per_class, val_per_class; /* images per class, 1 .. DHO_SYNTH_MAX_PER_CLASS */
    int test_per_class;                 /* the same, of each of the four test sets */
    int threads;                        /* 0: one per core this process may use */
} dho_synth_options;

#define DHO_SYNTH_MAX_PER_CLASS 100000

/* How many classes it has. */
int dho_synth_class_count(void);

/* Writes the data set. A folder that already holds this very set (same version, seed and counts) is
 * left alone, a set of which the writing was cut short is removed and written again; both are said
 * with dho_info.
 * Errors: DHO_ERR_CONFIG for a count or number of threads out of range, no `out`, or an `out` that
 * exists and holds anything else (a set made with other options included); DHO_ERR_IO naming the
 * path; DHO_ERR_MEMORY. */
dho_status dho_synth_write(const dho_synth_options *options);

#ifdef __cplusplus
}
#endif

#endif

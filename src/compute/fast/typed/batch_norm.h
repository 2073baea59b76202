/* Private to src/compute: what both directions of batch normalisation share. It is fused with
 * residual and activation and bound by memory. Sums are taken in float over a few rows, then in
 * double; everything goes by blocks of up to DHO_REDUCTION_CHANNELS channels. */
#ifndef DHO_COMPUTE_FAST_BATCH_NORM_H
#define DHO_COMPUTE_FAST_BATCH_NORM_H

#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { FLUSH_ROWS = 32 }; /* rows summed in float before they go into the double sums */

typedef struct norm {
    int64_t rows;
    int stride;       /* channels: the distance from row to row */
    int first, count; /* the block of channels */
    int parts;
    dho_activation activation;
    bool accumulate_dx, accumulate_dresidual, stores_g;
    const element *x, *y, *dy, *residual; /* whole tensors */
    element *out, *dx, *dresidual;
    /* Per channel of the block, [count]. */
    const float *mean, *scale, *beta;
    const float *shift;
    const float *mean_g, *slope; /* dx = scale (g - mean_g - (x - mean) slope) */
    double *reduction;           /* [parts][2][DHO_REDUCTION_CHANNELS] */
} norm;

static inline double *partial_of(const norm *n, int part, int which)
{
    return n->reduction + ((size_t)part * 2 + (size_t)which) * DHO_REDUCTION_CHANNELS;
}

static inline double merged(const norm *n, int which, int c)
{
    double sum = 0;
    for (int part = 0; part < n->parts; part++) sum += partial_of(n, part, which)[c];
    return sum;
}

static inline void flush(double *restrict sums, float *restrict block, int count)
{
#pragma omp simd
    for (int c = 0; c < count; c++) {
        sums[c] += (double)block[c];
        block[c] = 0;
    }
}

/* The next block of channels; false after the last. */
static inline bool next_block(norm *n)
{
    n->first += n->count;
    const int left = n->stride - n->first;
    n->count = left < DHO_REDUCTION_CHANNELS ? left : DHO_REDUCTION_CHANNELS;
    return left > 0;
}

/* Calls `function` with the activation as its last argument, a constant: its loops are compiled
 * once for each activation. */
#define WITH_ACTIVATION(activation, function, ...)       \
    do {                                                 \
        switch (activation) {                            \
        case DHO_ACTIVATION_NONE:                        \
            function(__VA_ARGS__, DHO_ACTIVATION_NONE);  \
            break;                                       \
        case DHO_ACTIVATION_RELU:                        \
            function(__VA_ARGS__, DHO_ACTIVATION_RELU);  \
            break;                                       \
        case DHO_ACTIVATION_RELU6:                       \
            function(__VA_ARGS__, DHO_ACTIVATION_RELU6); \
            break;                                       \
        }                                                \
    } while (0)

#endif

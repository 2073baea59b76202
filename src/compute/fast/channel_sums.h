/* Sums over rows, per channel, of kernels that are split by rows: each part adds its rows in float,
 * every few rows into doubles in the context's reduction buffer, and the parts are added in their
 * order. One or two sums of up to DHO_REDUCTION_CHANNELS channels at one time. Private to
 * src/compute. */
#ifndef DHO_COMPUTE_CHANNEL_SUMS_H
#define DHO_COMPUTE_CHANNEL_SUMS_H

#include "compute/core/context.h"

#include <string.h>

enum { DHO_SUMS_FLUSH_ROWS = 32 };

/* One part's float sums, on its stack. */
typedef struct dho_channel_sums {
    float block[2][DHO_REDUCTION_CHANNELS];
    double *totals; /* [2][DHO_REDUCTION_CHANNELS] */
} dho_channel_sums;

static inline double *dho_channel_totals(const dho_compute *compute, int part)
{
    return compute->reduction + (size_t)part * 2 * DHO_REDUCTION_CHANNELS;
}

static inline void dho_channel_sums_start(dho_channel_sums *sums, const dho_compute *compute,
                                          int part)
{
    sums->totals = dho_channel_totals(compute, part);
    memset(sums->totals, 0, 2 * DHO_REDUCTION_CHANNELS * sizeof *sums->totals);
    memset(sums->block, 0, sizeof sums->block);
}

/* After the row `row`, `last` or not. */
static inline void dho_channel_sums_row(dho_channel_sums *sums, int kinds, int count, int64_t row,
                                        int64_t last)
{
    if ((row + 1) % DHO_SUMS_FLUSH_ROWS != 0 && row != last) return;
    for (int kind = 0; kind < kinds; kind++) {
        double *restrict total = sums->totals + kind * DHO_REDUCTION_CHANNELS;
        float *restrict block = sums->block[kind];
#pragma omp simd
        for (int c = 0; c < count; c++) {
            total[c] += (double)block[c];
            block[c] = 0;
        }
    }
}

/* out[count] += all parts' sums of one kind. */
static inline void dho_channel_sums_merge(const dho_compute *compute, int parts, int kind,
                                          int count, float *out)
{
    for (int c = 0; c < count; c++) {
        double sum = 0;
        for (int part = 0; part < parts; part++)
            sum += dho_channel_totals(compute, part)[kind * DHO_REDUCTION_CHANNELS + c];
        out[c] = (float)((double)out[c] + sum);
    }
}

#endif

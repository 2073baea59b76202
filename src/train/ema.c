#include "train/ema.h"

#include <stdint.h>

void dho_ema_update(size_t count, double decay, const float *values, float *average, int threads)
{
    const float keep = (float)decay, take = (float)(1 - decay);
    const int64_t last = (int64_t)count;
#pragma omp parallel for simd schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < last; i++) average[i] = keep * average[i] + take * values[i];
}

#include "train/chunk_sum.h"

#include <stdint.h>

enum { LANES = DHO_SLAB_LANES };

void dho_chunk_sum(int threads, size_t begin, size_t end, const float *a, const float *b,
                   double *chunks)
{
    const int64_t first = (int64_t)(begin / DHO_NORM_CHUNK);
    const int64_t last = (int64_t)dho_chunk_count(end);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t c = first; c < last; c++) {
        const size_t from = (size_t)c * DHO_NORM_CHUNK;
        const size_t to = from + DHO_NORM_CHUNK < end ? from + DHO_NORM_CHUNK : end;
        double sum[LANES] = {0};
        for (size_t i = from; i < to; i += LANES)
            for (size_t j = 0; j < LANES; j++) sum[j] += (double)a[i + j] * b[i + j];
        chunks[c] = 0;
        for (size_t j = 0; j < LANES; j++) chunks[c] += sum[j];
    }
}

#include "train/pcgrad.h"

#include "train/chunk_sum.h"

#include <stdint.h>

static double dot(int threads, size_t count, const float *a, const float *b, double *chunks)
{
    double total = 0;
    dho_chunk_sum(threads, 0, count, a, b, chunks);
    for (size_t c = 0; c < dho_chunk_count(count); c++) total += chunks[c];
    return total;
}

void dho_pcgrad_join(int threads, size_t count, const float *a, float *b, double *chunks)
{
    const double ab = dot(threads, count, a, b, chunks);
    const double aa = dot(threads, count, a, a, chunks);
    const double bb = dot(threads, count, b, b, chunks);
    const float of_a = ab < 0 ? (float)(1 - ab / aa) : 1, of_b = ab < 0 ? (float)(1 - ab / bb) : 1;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < (int64_t)count; i++) b[i] = of_a * a[i] + of_b * b[i];
}

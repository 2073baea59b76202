#include "base/finite.h"

#include "base/bytes.h"

#include <math.h>

enum { BLOCK = 4096 };

/* NaN and infinity have all bits of the exponent set; adding one unit there overflows into the
 * sign, which is cleared before. */
static uint32_t overflow_of(float value)
{
    return (dho_float_bits(value) & 0x7fffffffu) + 0x00800000u;
}

size_t dho_first_not_finite(const float *values, size_t count)
{
    if (values == NULL) return count;
    for (size_t first = 0; first < count; first += BLOCK) {
        const size_t end = count - first < BLOCK ? count : first + BLOCK;
        uint32_t any = 0;
#pragma omp simd reduction(| : any)
        for (size_t i = first; i < end; i++) any |= overflow_of(values[i]);
        if ((any & 0x80000000u) == 0) continue;
        for (size_t i = first; i < end; i++)
            if (!isfinite(values[i])) return i;
    }
    return count;
}

double dho_shown_value(double value)
{
    return isnan(value) ? fabs(value) : value;
}

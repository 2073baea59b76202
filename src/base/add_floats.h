/* The one way to add up gradients outside of the kernels: element by element, in this order. Private
 * to src. */
#ifndef DHO_BASE_ADD_FLOATS_H
#define DHO_BASE_ADD_FLOATS_H

#include <stddef.h>

/* sum[i] += term[i]; they do not overlap. */
static inline void dho_add_floats(float *restrict sum, const float *restrict term, size_t count)
{
    for (size_t i = 0; i < count; i++) sum[i] += term[i];
}

#endif

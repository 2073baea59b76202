/* Orders for qsort; the larger and the smaller of two. Private to src and tools. */
#ifndef DHO_BASE_COMPARE_H
#define DHO_BASE_COMPARE_H

#include <stdint.h>

static inline int dho_compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline int dho_compare_int64(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static inline int dho_compare_uint64(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* For loops that reduce (largest = dho_larger(largest, x)): gcc 12 for aarch64 ends with an
 * internal error where they are written with fmax or fmin. As there, a `next` that is NaN is passed
 * over. */
static inline double dho_larger(double so_far, double next)
{
    return next > so_far ? next : so_far;
}

static inline double dho_smaller(double so_far, double next)
{
    return next < so_far ? next : so_far;
}

/* The same, but one NaN makes the result NaN, and it stays so: for errors that are compared with a
 * bound. */
static inline double dho_larger_or_nan(double so_far, double next)
{
    return next <= so_far || so_far != so_far ? so_far : next;
}

#endif

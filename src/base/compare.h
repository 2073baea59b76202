/* Orders for qsort. Private to src/. */
#ifndef DHO_BASE_COMPARE_H
#define DHO_BASE_COMPARE_H

static inline int dho_compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#endif

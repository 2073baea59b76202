/* Values that are not finite, found fast. Private to src and tools. */
#ifndef DHO_BASE_FINITE_H
#define DHO_BASE_FINITE_H

#include <stddef.h>

/* Index of the first value that is NaN or infinite; `count` when all are finite. One pass at the
 * speed of memory: blocks are tested whole, only the block at fault is searched. NULL: all are. */
size_t dho_first_not_finite(const float *values, size_t count);

/* A value as a message shows it: "nan", "inf", "-inf" or a number. The sign of a NaN, which printf
 * shows, says nothing. */
double dho_shown_value(double value);

#endif

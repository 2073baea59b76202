/* Means over seeds with their uncertainty. Private to tools/table. */
#ifndef DHO_TABLE_TABLE_STATISTICS_H
#define DHO_TABLE_TABLE_STATISTICS_H

#include <stddef.h>

/* The 97.5 % point of Student's t distribution with so many degrees of freedom (from 1). */
double dho_student_t975(size_t degrees);

/* A mean and its 95 % interval in the unit of the values; low = high = mean when count is 1. */
typedef struct dho_estimate {
    size_t count;
    double mean, low, high;
} dho_estimate;

/* mean +- t s / sqrt(n) with s of n - 1 degrees of freedom; count 0 gives zeros. */
dho_estimate dho_estimate_mean(const double *values, size_t count);

#endif

#include "table/table_statistics.h"

#include <math.h>

/* P(|T| < t) for whole degrees of freedom, a finite sum (Abramowitz & Stegun 26.7.3, 26.7.4). */
static double two_sided(double t, size_t degrees)
{
    const double pi = 3.14159265358979323846;
    const double theta = atan(t / sqrt((double)degrees));
    const double cosine = cos(theta), square = cosine * cosine;
    double term = degrees % 2 == 0 ? 1 : cosine, sum = degrees == 1 ? 0 : term;
    for (size_t k = degrees % 2 == 0 ? 2 : 3; k + 2 <= degrees; k += 2) {
        term *= square * (double)(k - 1) / (double)k;
        sum += term;
    }
    if (degrees % 2 == 0) return sin(theta) * sum;
    return 2 / pi * (theta + sin(theta) * sum);
}

double dho_student_t975(size_t degrees)
{
    double low = 1.9, high = 13; /* 1.96 for many, 12.7 for one */
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;
        if (two_sided(middle, degrees) < 0.95)
            low = middle;
        else
            high = middle;
    }
    return high;
}

dho_estimate dho_estimate_mean(const double *values, size_t count)
{
    dho_estimate out = {.count = count};
    if (count == 0) return out;
    for (size_t i = 0; i < count; i++) out.mean += values[i] / (double)count;
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += (values[i] - out.mean) * (values[i] - out.mean);
    double half = 0;
    if (count > 1)
        half = dho_student_t975(count - 1) * sqrt(squares / (double)(count - 1) / (double)count);
    out.low = out.mean - half;
    out.high = out.mean + half;
    return out;
}

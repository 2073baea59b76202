/* Axes: ranges, ticks and their words. Private to src and tools. Local. */
#ifndef DHO_REPORT_REPORT_SCALE_H
#define DHO_REPORT_REPORT_SCALE_H

#include <stdbool.h>
#include <stddef.h>

enum { DHO_MAX_TICKS = 16 };

/* An axis from low to high, low < high, both finite; log: both > 0. */
typedef struct dho_scale {
    double low, high;
    bool log;
    double ticks[DHO_MAX_TICKS]; /* ascending, within low .. high */
    size_t tick_count;
    int digits; /* linear: places behind the point that tell all ticks apart */
} dho_scale;

/* An axis for values from `low` to `high` with about `wanted` ticks at 1, 2 or 5 times a power of
 * ten; the range is widened to ticks. Equal, reversed or not finite ends give some range around
 * them. A log axis over values that are not all positive becomes linear. */
dho_scale dho_scale_create(double low, double high, size_t wanted, bool log);

/* The same with fixed ends: the ticks are those inside. */
dho_scale dho_scale_fixed(double low, double high, size_t wanted);

/* Where a value is: 0 at low, 1 at high, outside of them beyond. */
double dho_scale_place(const dho_scale *scale, double value);

/* The i-th tick in words: "0.25", "2k", "1e-4". */
void dho_scale_word(const dho_scale *scale, size_t i, char *out, size_t bytes);

/* A number with `digits` significant digits, without trailing zeros: "1.02e-06", "0.305", "12000".
 */
void dho_number_word(double value, int digits, char *out, size_t bytes);

#endif

/* The combined prediction of one row: what a sweep counts and what a report shows is the same.
 * Private to src/eval. */
#ifndef DHO_EVAL_COMBINATION_H
#define DHO_EVAL_COMBINATION_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* p = alpha ce + (1 - alpha) kd; kd NULL: ce. In double, so that an alpha beside a breakpoint
 * (plateau.h) is on its own side. */
static inline void dho_combine(int classes, double alpha, const float *ce, const float *kd,
                               double *p)
{
    const double rest = 1 - alpha;
    for (int c = 0; c < classes; c++) p[c] = kd != NULL ? alpha * ce[c] + rest * kd[c] : ce[c];
}

/* How many other classes are at least as probable as the label: a tie counts against it, and what
 * is not a number is a miss. */
static inline int dho_rank_of(int classes, const double *p, int32_t label)
{
    int above = -1; /* the label itself is counted, too */
    if (!(p[label] >= 0)) return INT_MAX;
    for (int c = 0; c < classes; c++) above += !(p[c] < p[label]);
    return above;
}

#endif

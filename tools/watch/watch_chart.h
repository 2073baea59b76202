/* A curve as columns of block characters. Private to tools/watch. */
#ifndef DHO_WATCH_WATCH_CHART_H
#define DHO_WATCH_WATCH_CHART_H

#include "watch/watch_page.h"

enum { DHO_CHART_MAX_COLUMNS = 400, DHO_CHART_LEVELS = 8 /* of a character */ };

/* y over ascending x; NaN: no value. Borrowed; y[i] stands at y[i * stride]. */
typedef struct dho_curve {
    const double *x, *y;
    size_t count, stride;
    bool log_if_wide; /* logarithmic if all are positive and differ by more than 30 times */
    bool from_zero;   /* the bottom is 0 */
} dho_curve;

typedef struct dho_chart {
    int columns, rows;
    int heights[DHO_CHART_MAX_COLUMNS]; /* in levels, 1 .. rows * DHO_CHART_LEVELS; 0: no value */
    double low, high;                   /* of the values; NAN: there are none */
} dho_chart;

/* Each column is the mean of the values of an equal part of x; where that part has none, it is on
 * the line between its neighbours. */
dho_chart dho_chart_create(const dho_curve *curve, int columns, int rows);
/* Appends row `row` (0: the top one) to the page's line. */
void dho_chart_put_row(const dho_chart *chart, int row, dho_page *page, dho_style style);

#endif

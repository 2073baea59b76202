/* From the microbatches' numbers to a step's, and from the steps' to a log line's, as the rows of
 * dho/metrics.h say. Arrays have one number a metric. Private to src/train. */
#ifndef DHO_TRAIN_METRICS_H
#define DHO_TRAIN_METRICS_H

#include "dho/metrics.h"

#include <stdint.h>

/* sums: over the microbatches, of which `microbatches` have `labelled` labelled rows together.
 * Leaves values that the step sets as they are. */
void dho_metrics_of_step(const float *sums, double microbatches, double labelled,
                         double values[DHO_METRIC_COUNT]);

/* Adds a step to the numbers since the last line (all 0 at first). A skipped step has no finite
 * numbers to average: only what is the last step's counts. */
void dho_metrics_add_step(double inout[DHO_METRIC_COUNT], const double values[DHO_METRIC_COUNT],
                          bool skipped);

/* The numbers of a line of so many steps, skipped ones not counted. */
void dho_metrics_of_line(const double sums[DHO_METRIC_COUNT], int64_t steps,
                         double out[DHO_METRIC_COUNT]);

#endif

/* The table of metrics, and its sums. */
#include "train/metrics.h"

const dho_metric_row dho_metric_table[DHO_METRIC_COUNT] = {
#define DHO_METRIC(id, ...) [DHO_METRIC_##id] = {__VA_ARGS__},
#include "dho/metric_rows.h"
#undef DHO_METRIC
};

void dho_metrics_of_step(const float *sums, double microbatches, double labelled,
                         double values[DHO_METRIC_COUNT])
{
    for (int m = 0; m < DHO_METRIC_COUNT; m++) {
        if (dho_metric_table[m].step == DHO_STEP_SETS) continue;
        const double count = dho_metric_table[m].step == DHO_STEP_SHARE ? labelled : microbatches;
        values[m] = sums[m] / count;
    }
}

void dho_metrics_add_step(double inout[DHO_METRIC_COUNT], const double values[DHO_METRIC_COUNT],
                          bool skipped)
{
    for (int m = 0; m < DHO_METRIC_COUNT; m++) {
        if (dho_metric_table[m].line == DHO_LINE_LAST)
            inout[m] = values[m];
        else if (!skipped)
            inout[m] += values[m];
    }
}

void dho_metrics_of_line(const double sums[DHO_METRIC_COUNT], int64_t steps,
                         double out[DHO_METRIC_COUNT])
{
    const double by[] = {[DHO_LINE_MEAN] = (double)steps,
                         [DHO_LINE_LAST] = 1,
                         [DHO_LINE_RATE] = sums[DHO_METRIC_STEP_SECONDS]};
    for (int m = 0; m < DHO_METRIC_COUNT; m++) out[m] = sums[m] / by[dho_metric_table[m].line];
}

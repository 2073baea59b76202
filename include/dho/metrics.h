/* What a training run measures, one row a metric. All who know of metrics go over these rows: the
 * sum over microbatches (the tail of a gradient slab), metrics.jsonl, the progress line, the
 * report's curves and the table in docs/metrics.md. docs/extending.md shows how to add one. */
#ifndef DHO_METRICS_H
#define DHO_METRICS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Which runs show a metric. */
typedef enum dho_metric_runs {
    DHO_RUNS_NONE,
    DHO_RUNS_ALL,
    DHO_RUNS_WITH_TEACHER,   /* method other than ce */
    DHO_RUNS_WITH_FEATURES,  /* methods feature and logit_feature */
    DHO_RUNS_WITH_TWO_HEADS, /* method dho */
    DHO_RUNS_KINDS
} dho_metric_runs;

/* How a step's number is made. */
typedef enum dho_metric_step {
    DHO_STEP_SETS, /* the step sets it, beside the microbatches */
    DHO_STEP_MEAN, /* the sum of the microbatches' numbers / their count */
    DHO_STEP_SHARE /* the sum of the microbatches' counts / the step's labelled images */
} dho_metric_step;

/* How the steps since the last line become one number of the next line. */
typedef enum dho_metric_line {
    DHO_LINE_MEAN,
    DHO_LINE_LAST, /* the last step's, also of a step that was skipped */
    DHO_LINE_RATE  /* the sum / the sum of step_seconds */
} dho_metric_line;

/* Where a report plots it. */
typedef enum dho_metric_chart {
    DHO_CHART_NONE,
    DHO_CHART_TRAINING,
    DHO_CHART_SCHEDULE, /* behind those of training, in the same figure */
    DHO_CHART_SPEED,
    DHO_CHART_EVALUATION
} dho_metric_chart;

typedef struct dho_metric_row {
    const char *name; /* its key in metrics.jsonl */
    const char *what; /* the title of its curve */
    const char *unit; /* behind the title; NULL: none, or `what` says it */
    dho_metric_step step;
    dho_metric_line line;
    dho_metric_runs written; /* in metrics.jsonl; keys of all runs come before those of some */
    dho_metric_runs printed; /* on the progress line */
    const char *print;       /* its piece of that line: printf's format of one double */
    bool may_break;          /* can be not finite: -1 in metrics.jsonl stands for that */
    /* Of an evaluation while training: in a line of its own, with "evaluated" (the set's name)
     * behind the step, where `step` and `line` above say nothing. Not in the lines of the steps. */
    bool evaluation;
    bool lower_is_better; /* for train.keep_best */
    dho_metric_chart chart;
    bool smooth, log_if_wide, from_zero; /* how the curve is drawn: report/report_chart.h */
} dho_metric_row;

typedef enum dho_metric {
#define DHO_METRIC(id, ...) DHO_METRIC_##id,
#include "dho/metric_rows.h"
#undef DHO_METRIC
    DHO_METRIC_COUNT
} dho_metric;

extern const dho_metric_row dho_metric_table[DHO_METRIC_COUNT];

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

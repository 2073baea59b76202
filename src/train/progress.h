/* What a run says while it runs: metrics.jsonl and a line or a bar for people. Rank 0 only; on
 * other ranks all calls do nothing. Private to src/train. */
#ifndef DHO_TRAIN_PROGRESS_H
#define DHO_TRAIN_PROGRESS_H

#include "base/json.h"
#include "base/line_file.h"
#include "dho/config.h"
#include "dho/status.h"
#include "train/loss_spike.h"
#include "train/metrics.h"
#include "train/tensorboard.h"

#include <stdbool.h>
#include <stdint.h>

/* One global step. */
typedef struct dho_step_metrics {
    int64_t step;                    /* optimiser steps done, this one included */
    double values[DHO_METRIC_COUNT]; /* dho/metrics.h; of a rate what is counted: images of all
                                        ranks */
    bool skipped;                    /* not finite: no update was made */
} dho_step_metrics;

typedef struct dho_progress {
    dho_line_file file; /* metrics.jsonl; none on other ranks */
    char *path;         /* owned */
    dho_text line;      /* owned: the newest */
    dho_tensorboard board;
    bool terminal;
    bool shows[DHO_RUNS_KINDS]; /* is this run one that such metrics are for? */
    int64_t log_every, total_steps;
    int classes; /* of the student */
    dho_loss_spike spike;
    int64_t eval_every;            /* train.eval_every; 0: no evaluations */
    double mean_seconds;           /* exponential mean of a step's time */
    double evaluation_seconds;     /* of the newest evaluation; 0: none yet */
    double sums[DHO_METRIC_COUNT]; /* since the last line: dho_metrics_add_step */
    int64_t steps;                 /* of them */
} dho_progress;

/* The evaluations of a run behind step `step`: every `every` steps and at the last; 0: none. */
int64_t dho_progress_evaluations(int64_t step, int64_t total_steps, int64_t every);
/* Opens RUN/metrics.jsonl; lines of steps after `step` (of a run that was cut off) are dropped.
 * due: and that of an evaluation at `step`, which is to be made again. */
dho_status dho_progress_open(dho_progress *progress, const dho_config *config, int64_t step,
                             int64_t total_steps, bool due);
/* Takes one step's metrics; every log_every steps (and at the last) writes a line of means. */
dho_status dho_progress_step(dho_progress *progress, const dho_step_metrics *metrics);
/* Writes and shows an evaluation: its metrics (dho_metric_row.evaluation) at the step that is done.
 * note: behind them on the console, "" or "best so far". */
dho_status dho_progress_evaluation(dho_progress *progress, int64_t step, const char *set,
                                   const double values[DHO_METRIC_COUNT], const char *note);
/* Writes the line of the steps since the last one, if there are any: before an early end. */
dho_status dho_progress_flush(dho_progress *progress, int64_t step);
/* Appends a line of its own and releases it (NULL: out of memory). A file that cannot be written is
 * no error: base/line_file.h. Errors: DHO_ERR_NUMERIC (its numbers must be finite), DHO_ERR_MEMORY.
 */
dho_status dho_progress_line(dho_progress *progress, json_t *line);
/* The same of an event beside the steps and the evaluations, which no curve shows. */
dho_status dho_progress_event(dho_progress *progress, int64_t step, const char *event,
                              json_t *more);
/* Makes what was written durable: before a checkpoint. Any thread. Only warns where it cannot. */
void dho_progress_sync(const dho_progress *progress);
void dho_progress_close(dho_progress *progress);

#endif

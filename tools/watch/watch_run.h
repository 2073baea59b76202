/* What a run's folder says of the run now. Private to tools/watch. */
#ifndef DHO_WATCH_WATCH_RUN_H
#define DHO_WATCH_WATCH_RUN_H

#include "dho/evaluation.h"
#include "dho/session.h"
#include "train/metrics_read.h"

#include <stdbool.h>
#include <sys/stat.h>

typedef enum dho_watch_state {
    DHO_WATCH_STARTING, /* a process has the folder, and has not written a line yet */
    DHO_WATCH_RUNNING,
    DHO_WATCH_STALLED, /* a process has the folder, and has written nothing for long */
    DHO_WATCH_STOPPED, /* no process has it, and steps are left */
    DHO_WATCH_FINISHED,
    DHO_WATCH_STATES
} dho_watch_state;
extern const char *const dho_watch_state_names[DHO_WATCH_STATES];

typedef struct dho_watch_run {
    const char *path;     /* borrowed */
    struct stat files[3]; /* metrics.jsonl, sessions.jsonl, eval.json as they were when read */
    dho_metrics metrics;
    dho_sessions sessions;
    dho_evaluation evaluation;
    bool evaluated;

    dho_watch_state state;
    double step, total_steps; /* total_steps 0: not known */
    double silent;            /* seconds since the last line */
    double left;              /* seconds; NAN: not known */
} dho_watch_run;

/* Reads what has changed since the last time (zero at first). A file that cannot be read counts as
 * none. Errors: DHO_ERR_CONFIG when the folder is not there or is no run; DHO_ERR_MEMORY. */
dho_status dho_watch_run_read(dho_watch_run *run);
void dho_watch_run_free(dho_watch_run *run);

/* The lines that have a metric: of the steps, or of the evaluations while training. */
const dho_columns *dho_watch_run_lines(const dho_watch_run *run, dho_metric metric);

/* A metric of the last of these lines; NAN: there is none. */
double dho_watch_run_last(const dho_watch_run *run, dho_metric metric);

#endif

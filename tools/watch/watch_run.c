#define _GNU_SOURCE
#include "watch/watch_run.h"

#include "base/compare.h"
#include "base/folder_lock.h"
#include "dho/alloc.h"
#include "dho/checkpoint.h"
#include "dho/file.h"

#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *const dho_watch_state_names[DHO_WATCH_STATES] = {[DHO_WATCH_STARTING] = "starting",
                                                             [DHO_WATCH_RUNNING] = "running",
                                                             [DHO_WATCH_STALLED] = "stalled",
                                                             [DHO_WATCH_STOPPED] = "stopped",
                                                             [DHO_WATCH_FINISHED] = "finished"};

enum { FILE_METRICS, FILE_SESSIONS, FILE_EVALUATION, FILES };
static const char *const file_names[FILES] = {"metrics.jsonl", "sessions.jsonl", "eval.json"};

/* Seconds without a line after which a run counts as stalled: while it starts, at least, and as
 * many times the usual. A checkpoint or an evaluation is written between two lines. */
static const double START_SILENCE = 300, LEAST_SILENCE = 60, LINES_SILENCE = 5;
enum { RECENT_LINES = 10 }; /* of which the time of a step is taken */

void dho_watch_run_free(dho_watch_run *run)
{
    dho_metrics_free(&run->metrics);
    dho_sessions_free(&run->sessions);
    dho_evaluation_free(&run->evaluation);
    *run = (dho_watch_run){0};
}

static dho_status load(dho_watch_run *run, int which, const char *path)
{
    dho_status status;
    switch (which) {
    case FILE_METRICS:
        dho_metrics_free(&run->metrics);
        status = dho_metrics_load(&run->metrics, path);
        break;
    case FILE_SESSIONS:
        dho_sessions_free(&run->sessions);
        status = dho_sessions_load(&run->sessions, run->path);
        break;
    default:
        dho_evaluation_free(&run->evaluation);
        status = dho_evaluation_load(&run->evaluation, run->path);
        run->evaluated = status == DHO_OK;
    }
    return status == DHO_ERR_MEMORY ? status : DHO_OK;
}

/* Reads a file that is not what it was. */
static dho_status refresh(dho_watch_run *run, int which, bool *found)
{
    char *path;
    struct stat now = {0}, *before = &run->files[which];
    DHO_TRY(dho_path_join(&path, run->path, file_names[which]));
    dho_status status = DHO_OK;
    const bool there = stat(path, &now) == 0;
    *found = *found || there;
    if (now.st_ino != before->st_ino || now.st_size != before->st_size ||
        now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != before->st_mtim.tv_nsec)
        status = load(run, which, path);
    *before = now;
    dho_free(path);
    return status;
}

const dho_columns *dho_watch_run_lines(const dho_watch_run *run, dho_metric metric)
{
    return dho_metric_table[metric].evaluation ? &run->metrics.evaluation : &run->metrics.training;
}

double dho_watch_run_last(const dho_watch_run *run, dho_metric metric)
{
    const dho_columns *lines = dho_watch_run_lines(run, metric);
    return lines->count > 0 ? lines->values[(lines->count - 1) * lines->width + metric] : NAN;
}

/* Seconds a step, of the last lines; NAN without any. */
static double recent_step_seconds(const dho_columns *lines)
{
    double sum = 0, count = 0;
    for (size_t i = lines->count; i > 0 && count < RECENT_LINES; i--) {
        const double seconds = lines->values[(i - 1) * lines->width + DHO_METRIC_STEP_SECONDS];
        if (!(seconds >= 0)) continue;
        sum += seconds;
        count++;
    }
    return count > 0 ? sum / count : NAN;
}

static const dho_session *last_session(const dho_watch_run *run)
{
    return run->sessions.count > 0 ? &run->sessions.items[run->sessions.count - 1] : NULL;
}

/* On another machine a lock may be seen by that machine alone: there the lines decide. */
static bool is_of_this_machine(const dho_watch_run *run)
{
    char host[256] = "";
    const dho_session *session = last_session(run);
    gethostname(host, sizeof host - 1);
    return session == NULL || session->host == NULL || strcmp(session->host, host) == 0;
}

static dho_watch_state state_of(const dho_watch_run *run, double step_seconds)
{
    const dho_columns *lines = &run->metrics.training;
    const dho_session *session = last_session(run);
    const bool begun = lines->count > 0 && (session == NULL || !(run->step <= session->step));
    double most = START_SILENCE;
    if (begun && lines->count > 1) {
        const double steps = lines->steps[lines->count - 1] - lines->steps[lines->count - 2];
        most = fmax(LEAST_SILENCE, LINES_SILENCE * steps * step_seconds);
    }
    const bool silent = run->silent > most;
    const dho_lock_state lock = dho_folder_lock_state(run->path);
    if (run->total_steps > 0 && run->step >= run->total_steps) return DHO_WATCH_FINISHED;
    if (lock == DHO_LOCK_FREE && (silent || is_of_this_machine(run))) return DHO_WATCH_STOPPED;
    if (silent) return DHO_WATCH_STALLED;
    return begun ? DHO_WATCH_RUNNING : DHO_WATCH_STARTING;
}

/* The steps that the run is to have. */
static double planned_steps(const dho_watch_run *run)
{
    int64_t step, total;
    const dho_session *session = last_session(run);
    if (session != NULL && session->total_steps > 0) return session->total_steps;
    if (dho_checkpoint_find_steps(run->path, &step, &total) == DHO_OK && total > 0)
        return (double)total;
    return 0;
}

static double seconds_of(const struct timespec *time)
{
    return (double)time->tv_sec + 1e-9 * (double)time->tv_nsec;
}

/* Where the run is, what it does, and how long it will still take. */
static void judge(dho_watch_run *run)
{
    const dho_columns *lines = &run->metrics.training;
    const dho_session *session = last_session(run);
    const double seconds = recent_step_seconds(lines);
    struct timespec now;
    run->total_steps = planned_steps(run);
    run->step = 0;
    if (session != NULL && session->step >= 0) run->step = session->step;
    if (lines->count > 0) run->step = lines->steps[lines->count - 1];
    clock_gettime(CLOCK_REALTIME, &now);
    const double last = fmax(seconds_of(&run->files[FILE_METRICS].st_mtim),
                             seconds_of(&run->files[FILE_SESSIONS].st_mtim));
    run->silent = last > 0 ? fmax(0, seconds_of(&now) - last) : 0;
    run->state = state_of(run, seconds);
    run->left = run->total_steps > 0 ? seconds * (run->total_steps - run->step) : NAN;
    if (run->state == DHO_WATCH_RUNNING && !isnan(run->left))
        run->left = dho_larger(run->left - run->silent, 0);
}

dho_status dho_watch_run_read(dho_watch_run *run)
{
    bool found = false;
    DHO_TRY(dho_require_folder(run->path));
    for (int f = 0; f < FILES; f++) DHO_TRY(refresh(run, f, &found));
    if (!found && dho_folder_lock_state(run->path) != DHO_LOCK_HELD)
        return dho_fail(DHO_ERR_CONFIG, "%s: is no run: no metrics.jsonl or sessions.jsonl in it",
                        run->path);
    judge(run);
    return DHO_OK;
}

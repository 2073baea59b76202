#define _GNU_SOURCE
#include "train/progress.h"

#include "base/activity.h"
#include "base/clock.h"
#include "base/log_file.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/file.h"
#include "dho/log.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_METRICS_BYTES ((size_t)4 << 30)
enum { BAR_WIDTH = 20 };

/* Is the line of a step that a run which goes on from `step` does not make again? */
static bool is_to_keep(const json_t *line, int64_t step, bool due)
{
    const json_t *at = json_object_get(line, "step");
    if (!json_is_integer(at)) return false;
    const bool again = due && json_object_get(line, "evaluated") != NULL;
    return json_integer_value(at) <= (again ? step - 1 : step);
}

/* Keeps the lines of the file whose "step" is at most `step`: a run that resumes writes the later
 * ones again. An evaluation that is made again takes its step's points out of TensorBoard's curves:
 * the others of that step are written into them again. */
static dho_status drop_later_lines(dho_progress *progress, int64_t step, bool due)
{
    const char *path = progress->path;
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    dho_atomic_file *kept = NULL;
    dho_status status;
    DHO_TRY(dho_file_read(path, MAX_METRICS_BYTES, &data, &capacity, &size));
    DHO_TRY_GOTO(dho_atomic_file_create(&kept, path));
    const char *line = (const char *)data, *end = line + size;
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL) break; /* torn by a crash */
        json_t *entry = json_loadb(line, (size_t)(newline - line), 0, NULL);
        const bool keep = is_to_keep(entry, step, due);
        if (keep && due && json_integer_value(json_object_get(entry, "step")) == step)
            dho_tensorboard_line(&progress->board, entry);
        json_decref(entry);
        if (keep) dho_atomic_file_write(kept, line, (size_t)(newline + 1 - line));
        line = newline + 1;
    }
    status = dho_atomic_file_commit(&kept);
fail:
    dho_free(data);
    return status;
}

dho_status dho_progress_open(dho_progress *progress, const dho_config *config, int64_t step,
                             int64_t total_steps, bool due)
{
    progress->terminal = isatty(STDERR_FILENO);
    progress->shows[DHO_RUNS_ALL] = true;
    progress->shows[DHO_RUNS_WITH_TEACHER] = dho_method_uses_teacher(config->method);
    progress->shows[DHO_RUNS_WITH_FEATURES] = dho_method_uses_features(config->method);
    progress->shows[DHO_RUNS_WITH_TWO_HEADS] = dho_method_is_dual(config->method);
    progress->log_every = config->train.log_every;
    progress->total_steps = total_steps;
    progress->eval_every = config->train.eval_every;
    DHO_TRY(dho_path_join(&progress->path, config->out, "metrics.jsonl"));
    if (config->train.tensorboard)
        dho_tensorboard_open(&progress->board, config->out, due ? step - 1 : step);
    if (dho_path_exists(progress->path)) DHO_TRY(drop_later_lines(progress, step, due));
    return dho_line_file_open(&progress->file, progress->path);
}

static void format_bar(const dho_progress *progress, int64_t step, char out[BAR_WIDTH + 4])
{
    const int done = (int)(BAR_WIDTH * step / progress->total_steps);
    out[0] = '[';
    memset(out + 1, '#', (size_t)done);
    memset(out + 1 + done, '.', (size_t)(BAR_WIDTH - done));
    memcpy(out + 1 + BAR_WIDTH, "] ", 3);
}

/* Appends the pieces of the metrics that the run has, of the steps or of an evaluation. */
static size_t format_metrics(const dho_progress *progress, bool evaluation,
                             const double values[DHO_METRIC_COUNT], char *out, size_t bytes)
{
    size_t used = 0;
    for (int m = 0; m < DHO_METRIC_COUNT && used < bytes; m++) {
        const dho_metric_row *row = &dho_metric_table[m];
        if (row->evaluation == evaluation && progress->shows[row->printed])
            used += (size_t)snprintf(out + used, bytes - used, row->print, values[m]);
    }
    return used < bytes ? used : bytes - 1;
}

int64_t dho_progress_evaluations(int64_t step, int64_t total_steps, int64_t every)
{
    if (every == 0 || step >= total_steps) return 0;
    return total_steps / every - step / every + (total_steps % every != 0);
}

/* The time for the steps behind `step` and the evaluations from it on: a step's line is written
 * before its evaluation. */
static double seconds_left(const dho_progress *progress, int64_t step)
{
    const int64_t evaluations =
        dho_progress_evaluations(step - 1, progress->total_steps, progress->eval_every);
    return progress->mean_seconds * (double)(progress->total_steps - step) +
           progress->evaluation_seconds * (double)evaluations;
}

/* "step 2/12 epoch 0.20 | loss 3.8744 (ce 3.327, ...". */
static void format_line(const dho_progress *progress, int64_t step,
                        const double values[DHO_METRIC_COUNT], char *out, size_t bytes)
{
    char left[32];
    dho_format_duration(seconds_left(progress, step), left, sizeof left);
    size_t used = (size_t)snprintf(out, bytes, "step %lld/%lld", (long long)step,
                                   (long long)progress->total_steps);
    used += format_metrics(progress, false, values, out + used, bytes - used);
    snprintf(out + used, bytes - used, " | %s left", left);
}

static void show(const dho_progress *progress, int64_t step, const double values[DHO_METRIC_COUNT])
{
    char line[400], bar[BAR_WIDTH + 4];
    format_line(progress, step, values, line, sizeof line);
    if (!progress->terminal) {
        dho_info("%s", line);
        return;
    }
    dho_log_file_line("%s", line);
    format_bar(progress, step, bar);
    fprintf(stderr, "\r%s%s\033[K%s", bar, line, step == progress->total_steps ? "\n" : "");
    fflush(stderr);
}

/* Adds the metrics that the run has, of the steps or of an evaluation; keys that all runs have come
 * first. Takes over the line. NULL: a number is not finite, or memory. */
static json_t *add_metrics(const dho_progress *progress, bool evaluation,
                           const double values[DHO_METRIC_COUNT], json_t *line)
{
    bool failed = line == NULL;
    for (int runs = DHO_RUNS_ALL; runs < DHO_RUNS_KINDS; runs++)
        for (int m = 0; m < DHO_METRIC_COUNT && progress->shows[runs]; m++) {
            const dho_metric_row *row = &dho_metric_table[m];
            const double value = row->may_break && !isfinite(values[m]) ? -1 : values[m];
            if (row->evaluation == evaluation && (int)row->written == runs)
                failed |= json_object_set_new(line, row->name, json_real(value)) != 0;
        }
    if (!failed) return line;
    json_decref(line);
    return NULL;
}

/* Appends a line and releases it. curves: TensorBoard gets it as well. */
static dho_status write_line(dho_progress *progress, json_t *line, bool curves)
{
    dho_text *out = &progress->line;
    if (!progress->file.open) {
        json_decref(line);
        return DHO_OK;
    }
    const long long step = json_integer_value(json_object_get(line, "step"));
    char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    if (text != NULL && curves) dho_tensorboard_line(&progress->board, line);
    json_decref(line);
    if (text == NULL) /* JSON has no word for a value that is not finite */
        return dho_fail(DHO_ERR_NUMERIC, "step %lld: a metric is not finite", step);
    out->used = 0;
    dho_text_add(out, "%s\n", text);
    free(text);
    DHO_TRY(out->status);
    dho_activity_begin("writes", progress->path, true);
    const dho_line_change change = dho_line_file_add(&progress->file, out->data, out->used);
    dho_activity_end();
    dho_line_file_tell(&progress->file, change, progress->path);
    return DHO_OK;
}

dho_status dho_progress_line(dho_progress *progress, json_t *line)
{
    return write_line(progress, line, true);
}

dho_status dho_progress_event(dho_progress *progress, int64_t step, const char *event, json_t *more)
{
    json_t *line = json_pack("{s:I, s:s}", "step", (json_int_t)step, "event", event);
    json_object_update(line, more);
    json_decref(more);
    return write_line(progress, line, false);
}

/* The weights may be beyond saving while every number is still finite. */
static dho_status look_for_spike(dho_progress *progress, const dho_step_metrics *metrics)
{
    const double loss = metrics->values[DHO_METRIC_LOSS];
    if (metrics->skipped ||
        !dho_loss_spike_take(&progress->spike, metrics->step, loss, progress->classes))
        return DHO_OK;
    const double median = progress->spike.median;
    dho_warn("step %lld: the loss is %.4g, the median of the steps before is %.4g: does the run "
             "diverge (train.lr)? The last checkpoint from before this step is kept",
             (long long)metrics->step, loss, median);
    return dho_progress_event(progress, metrics->step, "loss_spike",
                              json_pack("{s:f, s:f}", "loss", loss, "median", median));
}

dho_status dho_progress_flush(dho_progress *progress, int64_t step)
{
    double values[DHO_METRIC_COUNT];
    if (progress->steps == 0) return DHO_OK;
    dho_metrics_of_line(progress->sums, progress->steps, values);
    show(progress, step, values);
    memset(progress->sums, 0, sizeof progress->sums);
    progress->steps = 0;
    return dho_progress_line(progress, add_metrics(progress, false, values,
                                                   json_pack("{s:I}", "step", (json_int_t)step)));
}

dho_status dho_progress_step(dho_progress *progress, const dho_step_metrics *metrics)
{
    if (!progress->file.open) return DHO_OK;
    const double weight = progress->mean_seconds == 0 ? 1 : 0.05;
    progress->mean_seconds +=
        weight * (metrics->values[DHO_METRIC_STEP_SECONDS] - progress->mean_seconds);
    dho_metrics_add_step(progress->sums, metrics->values, metrics->skipped);
    progress->steps += !metrics->skipped;
    DHO_TRY(look_for_spike(progress, metrics));
    const bool due = metrics->step % progress->log_every == 0;
    if (!due && metrics->step != progress->total_steps) return DHO_OK;
    return dho_progress_flush(progress, metrics->step);
}

dho_status dho_progress_evaluation(dho_progress *progress, int64_t step, const char *set,
                                   const double values[DHO_METRIC_COUNT], const char *note)
{
    char pieces[400];
    if (!progress->file.open) return DHO_OK;
    progress->evaluation_seconds = values[DHO_METRIC_EVAL_SECONDS];
    format_metrics(progress, true, values, pieces, sizeof pieces);
    if (progress->terminal) fprintf(stderr, "\r\033[K"); /* in the place of the bar */
    dho_info("step %lld/%lld, evaluated on %s%s%s", (long long)step,
             (long long)progress->total_steps, set, pieces, note);
    return dho_progress_line(
        progress, add_metrics(progress, true, values,
                              json_pack("{s:I, s:s}", "step", (json_int_t)step, "evaluated", set)));
}

void dho_progress_sync(const dho_progress *progress)
{
    if (!progress->file.open) return;
    dho_activity_begin("writes", progress->path, true);
    const int failed = fdatasync(progress->file.descriptor);
    dho_activity_end();
    if (failed != 0) dho_warn("%s: cannot sync: %s", progress->path, strerror(errno));
}

void dho_progress_close(dho_progress *progress)
{
    const int64_t lost = dho_line_file_close(&progress->file);
    if (lost > 0) dho_warn("%s: %lld lines are lost", progress->path, (long long)lost);
    dho_tensorboard_close(&progress->board);
    dho_text_free(&progress->line);
    dho_free(progress->path);
    *progress = (dho_progress){0};
}

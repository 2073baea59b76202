#define _GNU_SOURCE
#include "train/progress.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_METRICS_BYTES ((size_t)4 << 30)

/* Keeps the lines of the file whose "step" is at most `step`: a run that resumes writes the later
 * ones again. */
static dho_status drop_later_lines(const char *path, int64_t step)
{
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
        const json_t *at = json_object_get(entry, "step");
        const bool keep = json_is_integer(at) && json_integer_value(at) <= step;
        json_decref(entry);
        if (keep) dho_atomic_file_write(kept, line, (size_t)(newline + 1 - line));
        line = newline + 1;
    }
    status = dho_atomic_file_commit(&kept);
fail:
    dho_free(data);
    return status;
}

dho_status dho_progress_open(dho_progress *progress, const char *run_folder, int64_t step,
                             int64_t total_steps, int64_t log_every, bool show_kd,
                             bool show_features)
{
    progress->terminal = isatty(STDERR_FILENO);
    progress->show_kd = show_kd;
    progress->show_features = show_features;
    progress->log_every = log_every;
    progress->total_steps = total_steps;
    DHO_TRY(dho_path_join(&progress->path, run_folder, "metrics.jsonl"));
    if (dho_path_exists(progress->path)) DHO_TRY(drop_later_lines(progress->path, step));
    return dho_file_append(&progress->file, progress->path);
}

static void format_duration(double seconds, char *out, size_t bytes)
{
    const long long total = llround(seconds);
    if (total >= 3600)
        snprintf(out, bytes, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
    else
        snprintf(out, bytes, "%lld:%02lld", total / 60, total % 60);
}

static void show(const dho_progress *progress, const dho_step_metrics *metrics)
{
    char left[32], parts[96] = "", features[64] = "", bar[64] = "";
    const double n = (double)progress->steps;
    format_duration(progress->mean_seconds * (double)(progress->total_steps - metrics->step), left,
                    sizeof left);
    if (progress->show_kd)
        snprintf(parts, sizeof parts, ", kd %.3f + %.3f", progress->kd_labelled / n,
                 progress->kd_unlabelled / n);
    if (progress->show_features)
        snprintf(features, sizeof features, ", feature %.4f + %.4f", progress->feature_labelled / n,
                 progress->feature_unlabelled / n);
    if (progress->terminal) {
        const int width = 20;
        const int done = (int)(width * metrics->step / progress->total_steps);
        bar[0] = '[';
        memset(bar + 1, '#', (size_t)done);
        memset(bar + 1 + done, '.', (size_t)(width - done));
        memcpy(bar + 1 + width, "] ", 3);
    }
    char line[400];
    snprintf(line, sizeof line,
             "%sstep %lld/%lld epoch %.2f | loss %.4f (ce %.3f%s%s) acc %.3f | lr %.2e | %.1f "
             "images/s | %s left",
             bar, (long long)metrics->step, (long long)progress->total_steps, metrics->epoch,
             progress->loss / n, progress->ce / n, parts, features, progress->accuracy / n,
             metrics->lr, (double)progress->images / progress->seconds, left);
    if (progress->terminal) {
        fprintf(stderr, "\r%s\033[K%s", line, metrics->step == progress->total_steps ? "\n" : "");
        fflush(stderr);
    } else {
        dho_info("%s", line);
    }
}

static dho_status write_line(dho_progress *progress, const dho_step_metrics *metrics)
{
    const double n = (double)progress->steps;
    json_t *line = json_pack(
        "{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "step",
        (json_int_t)metrics->step, "epoch", metrics->epoch, "loss", progress->loss / n, "ce",
        progress->ce / n, "kd_labelled", progress->kd_labelled / n, "kd_unlabelled",
        progress->kd_unlabelled / n, "accuracy", progress->accuracy / n, "lr", metrics->lr,
        "gradient_norm", isfinite(metrics->gradient_norm) ? metrics->gradient_norm : -1.0,
        "images_per_second", (double)progress->images / progress->seconds, "step_seconds",
        progress->seconds / n, "data_wait_seconds", progress->data_seconds / n, "comm_seconds",
        progress->comm_seconds / n);
    if (progress->show_features) {
        json_object_set_new(line, "feature_labelled", json_real(progress->feature_labelled / n));
        json_object_set_new(line, "feature_unlabelled",
                            json_real(progress->feature_unlabelled / n));
    }
    return dho_progress_line(progress, line);
}

dho_status dho_progress_line(dho_progress *progress, json_t *line)
{
    const long long step = json_integer_value(json_object_get(line, "step"));
    char *text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(line);
    if (text == NULL) /* JSON has no word for a value that is not finite */
        return dho_fail(DHO_ERR_NUMERIC, "step %lld: a metric is not finite", step);
    const bool written = fprintf(progress->file, "%s\n", text) > 0 && fflush(progress->file) == 0;
    free(text);
    if (!written)
        return dho_fail(DHO_ERR_IO, "%s: cannot write: %s", progress->path, strerror(errno));
    return DHO_OK;
}

dho_status dho_progress_step(dho_progress *progress, const dho_step_metrics *metrics)
{
    if (progress->file == NULL) return DHO_OK;
    const double weight = progress->mean_seconds == 0 ? 1 : 0.05;
    progress->mean_seconds += weight * (metrics->seconds - progress->mean_seconds);
    if (!metrics->skipped) { /* a skipped step has no finite numbers to average */
        progress->loss += metrics->loss;
        progress->ce += metrics->ce;
        progress->kd_labelled += metrics->kd_labelled;
        progress->kd_unlabelled += metrics->kd_unlabelled;
        progress->feature_labelled += metrics->feature_labelled;
        progress->feature_unlabelled += metrics->feature_unlabelled;
        progress->accuracy += metrics->accuracy;
        progress->seconds += metrics->seconds;
        progress->data_seconds += metrics->data_seconds;
        progress->comm_seconds += metrics->comm_seconds;
        progress->images += metrics->images;
        progress->steps++;
    }
    const bool due = metrics->step % progress->log_every == 0;
    if ((!due && metrics->step != progress->total_steps) || progress->steps == 0) return DHO_OK;
    show(progress, metrics);
    const dho_status status = write_line(progress, metrics);
    progress->loss = progress->ce = progress->kd_labelled = progress->kd_unlabelled = 0;
    progress->feature_labelled = progress->feature_unlabelled = 0;
    progress->accuracy = progress->seconds = progress->data_seconds = progress->comm_seconds = 0;
    progress->images = progress->steps = 0;
    return status;
}

dho_status dho_progress_sync(dho_progress *progress)
{
    if (progress->file == NULL) return DHO_OK;
    if (fflush(progress->file) != 0 || fsync(fileno(progress->file)) != 0)
        return dho_fail(DHO_ERR_IO, "%s: cannot write: %s", progress->path, strerror(errno));
    return DHO_OK;
}

void dho_progress_close(dho_progress *progress)
{
    if (progress->file != NULL) fclose(progress->file);
    dho_free(progress->path);
    *progress = (dho_progress){0};
}

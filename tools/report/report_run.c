/* A run's folder: metrics, sessions, configuration; the evaluation is report_evaluation.c's. */
#include "report/report_run.h"

#include "dho/alloc.h"
#include "dho/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void dho_report_run_note(dho_report_run *run, const char *format, ...)
{
    char sentence[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    dho_text_add(&run->notes, "<li>");
    dho_text_escape(&run->notes, sentence);
    dho_text_add(&run->notes, "</li>\n");
}

/* Memory is needed for all that follows; anything else is only missing. */
static dho_status note_failure(dho_report_run *run, dho_status status)
{
    if (status == DHO_ERR_MEMORY) return status;
    if (status != DHO_OK) dho_report_run_note(run, "%s", dho_error_message());
    return DHO_OK;
}

static dho_status read_metrics(dho_report_run *run, bool *found)
{
    char *path;
    DHO_TRY(dho_path_join(&path, run->path, "metrics.jsonl"));
    dho_status status = DHO_OK;
    if (dho_path_exists(path)) {
        *found = true;
        status = note_failure(run, dho_metrics_load(&run->metrics, path));
        if (run->metrics.bad_lines > 0)
            dho_report_run_note(run, "metrics.jsonl: %zu lines are not JSON with a step",
                                run->metrics.bad_lines);
        if (run->metrics.torn)
            dho_report_run_note(run, "metrics.jsonl: its last line is torn (the run was killed)");
    } else {
        dho_report_run_note(run, "metrics.jsonl is not there: no curves");
    }
    dho_free(path);
    return status;
}

/* One configuration of the run, if it is there and can be read; a file that cannot is noted. */
static dho_status load_config(dho_report_run *run, const char *name, dho_config *out, bool *found,
                              bool *loaded)
{
    char *path;
    *loaded = false;
    DHO_TRY(dho_path_join(&path, run->path, name));
    dho_status status = DHO_OK;
    if (dho_path_exists(path)) {
        *found = true;
        status = dho_config_load(out, path, NULL, 0);
        *loaded = status == DHO_OK;
        status = note_failure(run, status);
    }
    dho_free(path);
    return status;
}

/* The training's configuration, with the evaluation's eval.*: an evaluation may have been given
 * other settings of the training, which it does not use. */
static dho_status read_config(dho_report_run *run, bool *found)
{
    dho_config evaluation;
    bool evaluated;
    DHO_TRY(load_config(run, "config.yaml", &run->config, found, &run->has_config));
    DHO_TRY(load_config(run, "eval/config.yaml", &evaluation, found, &evaluated));
    if (evaluated && !run->has_config) {
        run->config = evaluation; /* all that is left of the run */
        run->has_config = true;
    } else if (evaluated) {
        const dho_config training = run->config;
        run->config.eval = evaluation.eval;
        evaluation.eval = training.eval;
        dho_config_free(&evaluation);
    }
    if (!*found) dho_report_run_note(run, "config.yaml is not there");
    if (!run->has_config) return DHO_OK;
    return note_failure(run, dho_config_format(&run->config, false, &run->config_text));
}

static dho_status read_all(dho_report_run *run, const dho_report_reading *reading)
{
    bool metrics = false, config = false;
    DHO_TRY(dho_require_folder(run->path));
    DHO_TRY(read_metrics(run, &metrics));
    DHO_TRY(read_config(run, &config));
    DHO_TRY(note_failure(run, dho_sessions_load(&run->sessions, run->path)));
    DHO_TRY(dho_report_run_read_evaluation(run, reading));
    if (!metrics && !config && !run->has_evaluation)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: is no run: no metrics.jsonl, config.yaml or eval.json in it",
                        run->path);
    return run->notes.status;
}

dho_status dho_report_run_open(dho_report_run *out, const char *path, const char *name,
                               const dho_report_reading *reading)
{
    *out = (dho_report_run){.path = path};
    dho_status status = dho_strdup(&out->name, name);
    if (status == DHO_OK) status = read_all(out, reading);
    if (status != DHO_OK) dho_report_run_close(out);
    return status;
}

void dho_report_run_close(dho_report_run *run)
{
    dho_metrics_free(&run->metrics);
    for (size_t s = 0; s < run->set_count; s++) dho_set_detail_free(&run->sets[s].detail);
    dho_free(run->sets);
    dho_free(run->name);
    dho_evaluation_free(&run->evaluation);
    dho_free(run->age);
    if (run->has_config) dho_config_free(&run->config);
    dho_free(run->config_text);
    dho_sessions_free(&run->sessions);
    dho_text_free(&run->notes);
    *run = (dho_report_run){0};
}

size_t dho_report_run_find_set(const dho_report_run *run, const char *name)
{
    size_t s = 0;
    while (s < run->set_count && strcmp(run->sets[s].record->name, name) != 0) s++;
    return s;
}

const dho_set_detail *dho_report_run_detail(const dho_report_run *run, const char *name)
{
    const size_t s = dho_report_run_find_set(run, name);
    return s < run->set_count && run->sets[s].has_detail ? &run->sets[s].detail : NULL;
}

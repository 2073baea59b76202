/* The run: its steps, when it saves, when it stops, and what it says at its start. */
#include "dho/trainer.h"

#include "base/log_file.h"
#include "dho/alloc.h"
#include "dho/log.h"
#include "train/stop_signal.h"
#include "train/trainer_internal.h"

#include <string.h>

static dho_status run(dho_trainer *trainer)
{
    const int64_t every = trainer->config->train.checkpoint_every;
    dho_local_failure log = {DHO_OK, ""};
    while (trainer->step < trainer->length.total_steps) {
        bool stop = false;
        DHO_TRY(dho_trainer_step(trainer, &log, &stop));
        dho_stop_signal_wait_for_step(); /* there is something to save */
        const bool last = trainer->step == trainer->length.total_steps;
        if (last || stop || (every > 0 && trainer->step % every == 0))
            DHO_TRY(dho_trainer_save(trainer, &log));
        if (stop && !last)
            return dho_fail(DHO_PREEMPTED, "stopped by a signal at step %lld; the state is saved",
                            (long long)trainer->step);
    }
    return DHO_OK;
}

/* A log must hold what was run: the keys that are not the defaults. */
static void log_config(const dho_config *config, bool terminal)
{
    char *text;
    if (dho_config_format_changes(config, &text) != DHO_OK) return; /* the file has it all */
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (terminal)
            dho_log_file_line("  %s", line);
        else
            dho_info("  %s", line);
    }
    dho_free(text);
}

/* What is said of images that not every run has. */
static void describe_images(const dho_trainer *trainer, char *out, size_t bytes)
{
    const dho_dataset *dataset = &trainer->dataset;
    int used = 0;
    out[0] = '\0';
    if (trainer->held_out > 0)
        used = snprintf(out, bytes, ", %lld held out", (long long)trainer->held_out);
    if (dataset->heap != NULL)
        snprintf(out + used, bytes - (size_t)used, "; %lld more without a class (data.unlabelled)",
                 (long long)(dataset->count - dho_dataset_heap_start(dataset)));
}

static void announce(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    char length[256], more[128];
    describe_images(trainer, more, sizeof more);
    dho_info("%s: %s (width %d, %zu parameters), %lld images of %d classes, %lld labelled%s",
             dho_method_name(config->method), trainer->student.model, trainer->student.width,
             trainer->parameter_floats, (long long)dho_dataset_heap_start(&trainer->dataset),
             trainer->dataset.classes, (long long)trainer->labelled.count, more);
    dho_info("%d rank%s x %d thread%s, backend %s; %d shards of %d images (%d labelled); "
             "activations %.1f MiB",
             trainer->ranks, trainer->ranks == 1 ? "" : "s", dho_compute_threads(trainer->compute),
             dho_compute_threads(trainer->compute) == 1 ? "" : "s",
             dho_compute_kernels(trainer->compute)->name, trainer->shards, trainer->micro_batch,
             trainer->micro_labelled,
             (double)dho_executor_arena_bytes(trainer->executor) / 1048576);
    dho_run_length_describe(&trainer->length, config, length, sizeof length);
    dho_info("%s; from step %lld", length, (long long)trainer->step);
    dho_info("configuration: %s/config.yaml", config->out);
    if (trainer->rank == 0) log_config(config, trainer->progress.terminal);
}

static dho_status report_skipped(const dho_trainer *trainer)
{
    int64_t skipped = dho_loader_skipped(trainer->loader);
    DHO_TRY(dho_comm_sum_int64(trainer->comm, &skipped, 1));
    if (skipped > 0) dho_info("%lld draws of broken images were replaced", (long long)skipped);
    return DHO_OK;
}

static dho_status train_opened(dho_trainer *trainer, const char *resume)
{
    DHO_TRY(dho_trainer_resume(trainer, resume));
    if (trainer->step >= trainer->length.total_steps) {
        if (trainer->step > trainer->length.total_steps)
            dho_info("nothing to do: the run is already at step %lld, beyond the %lld asked for",
                     (long long)trainer->step, (long long)trainer->length.total_steps);
        else
            dho_info("nothing to do: all %lld steps are done, with the settings of %s/config.yaml",
                     (long long)trainer->length.total_steps, trainer->config->out);
        return DHO_OK;
    }
    DHO_TRY(dho_comm_agree(trainer->comm, dho_trainer_open_folder(trainer)));
    announce(trainer);
    DHO_TRY(dho_trainer_start_loader(trainer));
    dho_status status = run(trainer);
    if (status == DHO_OK) status = report_skipped(trainer);
    if (status != DHO_OK && trainer->progress.terminal)
        dho_info("%s", ""); /* ends the bar's line */
    return status;
}

dho_status dho_train(const dho_config *config, dho_comm *comm, const char *resume)
{
    dho_trainer trainer;
    dho_stop_signal_install(dho_comm_rank(comm) == 0);
    dho_status status = dho_trainer_open(&trainer, config, comm);
    if (status == DHO_OK) status = train_opened(&trainer, resume);
    dho_stop_signal_ignore();
    if (status != DHO_OK) /* as the program will say it */
        dho_log_file_line("dho: %s%s",
                          status == DHO_PREEMPTED ? "" : "error: ", dho_error_message());
    dho_log_file_close();
    dho_trainer_close(&trainer);
    return status;
}

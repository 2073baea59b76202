/* The run: its steps, when it saves, when it stops, and what it says at its start. */
#include "dho/trainer.h"

#include "base/activity.h"
#include "base/log_file.h"
#include "dho/alloc.h"
#include "dho/log.h"
#include "train/run_tuning.h"
#include "train/stop_signal.h"
#include "train/trainer_internal.h"

#include <string.h>

/* "the run ends at step 300 of 600: ..." */
static void say_early_end(const dho_trainer *trainer, const char *verb)
{
    const dho_standing *standing = &trainer->standing;
    dho_info("the run %s at step %lld of %lld: %s on %s was not better in %lld evaluations "
             "(train.patience); the best is %.4f at step %lld",
             verb, (long long)trainer->step, (long long)trainer->length.total_steps,
             dho_keep_best_name(standing->metric), standing->set, (long long)standing->waited,
             standing->best, (long long)standing->best_step);
}

static dho_status run(dho_trainer *trainer)
{
    const int64_t every = trainer->config->train.checkpoint_every;
    dho_local_failure log = {DHO_OK, ""};
    bool over = false;
    while (!over) {
        bool stop = false, best;
        if (!trainer->standing.due) {
            DHO_TRY(dho_trainer_step(trainer, &log, &stop));
            dho_stop_signal_wait_for_step(); /* there is something to save */
        }
        dho_trainer_look_at_writer(trainer, &log);
        DHO_TRY(dho_trainer_evaluate(trainer, &stop, &log, &best));
        over = dho_trainer_is_over(trainer);
        if (over || stop || best || (every > 0 && trainer->step % every == 0))
            DHO_TRY(dho_trainer_save(trainer, &log, over || stop));
        if (stop && !over)
            return dho_fail(DHO_PREEMPTED, "stopped by a signal at step %lld; the state is saved",
                            (long long)trainer->step);
    }
    if (dho_trainer_gives_up(trainer)) say_early_end(trainer, "ends");
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

/* What evaluations, the average of the weights and checkpoints take. */
static void describe_memory(const dho_trainer *trainer, char *out, size_t bytes)
{
    const size_t floats = trainer->parameter_floats + trainer->buffer_floats;
    size_t used = 0;
    out[0] = '\0';
    if (trainer->evaluator != NULL)
        used = (size_t)snprintf(out, bytes, ", evaluation %.1f MiB on rank 0",
                                (double)dho_set_evaluator_bytes(trainer->evaluator) / 0x1p20);
    if (trainer->ema_parameters != NULL)
        used += (size_t)snprintf(out + used, bytes - used, ", average of the weights %.1f MiB",
                                 (double)(floats * sizeof(float)) / 0x1p20);
    snprintf(out + used, bytes - used, ", checkpoint copies up to %.1f MiB on rank 0",
             DHO_CHECKPOINTS_PENDING * (double)dho_trainer_checkpoint_bytes(trainer) / 0x1p20);
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

static const char *describe_dtype(const dho_compute *compute)
{
    if (dho_compute_dtype_of(compute) != DHO_DTYPE_BF16) return "";
    return dho_compute_widens(compute) ? " in bf16 (products in fp32: here it only saves memory)"
                                       : " in bf16";
}

static void announce(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    char length[256], more[160], images[128];
    describe_memory(trainer, more, sizeof more);
    describe_images(trainer, images, sizeof images);
    dho_info("%s: %s (width %d, %zu parameters), %lld images of %d classes, %lld labelled%s",
             dho_method_name(config->method), trainer->student.model, trainer->student.width,
             trainer->parameter_floats, (long long)dho_dataset_heap_start(&trainer->dataset),
             trainer->dataset.classes, (long long)trainer->labelled.count, images);
    dho_info("%d rank%s x %d thread%s, backend %s%s; %d shards of %d images (%d labelled); "
             "activations %.1f MiB%s",
             trainer->ranks, trainer->ranks == 1 ? "" : "s", dho_compute_threads(trainer->compute),
             dho_compute_threads(trainer->compute) == 1 ? "" : "s",
             dho_compute_kernels(trainer->compute)->name, describe_dtype(trainer->compute),
             trainer->shards, trainer->micro_batch, trainer->micro_labelled,
             (double)dho_trainer_activation_bytes(trainer) / 1048576, more);
    dho_trainer_announce_lanes(trainer);
    if (trainer->rank == 0)
        dho_run_tuning_announce(trainer->tuning,
                                dho_compute_threads(trainer->lanes.items[0].compute));
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

static dho_status run_to_its_end(dho_trainer *trainer)
{
    dho_status status = dho_trainer_open_folder(trainer);
    if (status == DHO_OK) status = dho_trainer_open_writer(trainer);
    DHO_TRY(dho_comm_agree(trainer->comm, status));
    announce(trainer);
    DHO_TRY(dho_trainer_start_loader(trainer));
    return run(trainer);
}

static dho_status train_opened(dho_trainer *trainer, const char *resume)
{
    DHO_TRY(dho_trainer_resume(trainer, resume));
    if (dho_trainer_is_over(trainer)) {
        if (trainer->step < trainer->length.total_steps)
            say_early_end(trainer, "ended");
        else if (trainer->step > trainer->length.total_steps)
            dho_info("nothing to do: the run is already at step %lld, beyond the %lld asked for",
                     (long long)trainer->step, (long long)trainer->length.total_steps);
        else
            dho_info("nothing to do: all %lld steps are done, with the settings of %s/config.yaml",
                     (long long)trainer->length.total_steps, trainer->config->out);
        return DHO_OK;
    }
    dho_status status = run_to_its_end(trainer);
    dho_checkpoint_writer_destroy(&trainer->writer); /* what is pending is written */
    if (status == DHO_OK) status = report_skipped(trainer);
    if (status != DHO_OK && trainer->progress.terminal)
        dho_info("%s", ""); /* ends the bar's line */
    return status;
}

dho_status dho_train(const dho_config *config, dho_comm *comm, const char *resume)
{
    dho_trainer trainer;
    dho_stop_signal_install(dho_comm_rank(comm) == 0);
    DHO_TRY(dho_comm_watch(comm, config->train.watchdog));
    dho_activity_begin("opens the run", NULL, false);
    dho_status status = dho_trainer_open(&trainer, config, comm, resume);
    dho_activity_end();
    if (status == DHO_OK) status = train_opened(&trainer, resume);
    dho_stop_signal_ignore();
    if (status != DHO_OK) /* as the program will say it */
        dho_log_file_line("dho: %s%s",
                          status == DHO_PREEMPTED ? "" : "error: ", dho_error_message());
    dho_log_file_close();
    dho_trainer_close(&trainer);
    if (status == DHO_OK) status = dho_comm_watch(comm, 0);
    return status;
}

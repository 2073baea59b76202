/* The run: resume, loop, checkpoints, stop. */
#define _GNU_SOURCE
#include "dho/trainer.h"

#include "base/machine.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "train/resume_check.h"
#include "train/session_log.h"
#include "train/stop_signal.h"
#include "train/trainer_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

static dho_checkpoint_info describe_run(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    dho_checkpoint_info info = {
        .step = trainer->step,
        .total_steps = trainer->length.total_steps,
        .method = config->method,
        .width = trainer->student.width,
        .layers = trainer->student.layers,
        .head_forms = {trainer->student.head_forms[0], trainer->student.head_forms[1]},
        .head_scale = config->student.head_scale,
        .image_size = trainer->student.image_size,
        .classes = trainer->student.classes,
        .class_names = trainer->dataset.class_names,
        .dataset_fingerprint = trainer->dataset.fingerprint,
        .labelled_crc =
            dho_crc32(0, trainer->labelled.ids, (size_t)trainer->labelled.count * sizeof(int64_t)),
        .teacher = trainer->teacher,
        .settings = trainer->settings};
    memcpy(info.model, trainer->student.model, sizeof info.model);
    memcpy(info.mean, config->data.mean, sizeof info.mean);
    memcpy(info.std, config->data.std, sizeof info.std);
    return info;
}

static dho_checkpoint_slabs slabs_of(const dho_trainer *trainer)
{
    return (dho_checkpoint_slabs){.parameters = trainer->parameters,
                                  .buffers = trainer->buffers,
                                  .moment1 = trainer->moment1,
                                  .moment2 = trainer->moment2};
}

static dho_status load_checkpoint(dho_trainer *trainer, const char *path)
{
    dho_checkpoint_info found;
    char what[256];
    const dho_checkpoint_info own = describe_run(trainer);
    DHO_TRY(dho_checkpoint_read_info(path, &found));
    const dho_checkpoint_slabs slabs = slabs_of(trainer);
    bool differs;
    dho_status status =
        dho_resume_differs(&found, &own, trainer->config, &differs, what, sizeof what);
    if (status == DHO_OK && differs)
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: is of a run that differs in %s (another --out starts anew)", path,
                          what);
    if (status == DHO_OK)
        status = dho_checkpoint_load(path, &found, &trainer->student, &slabs);
    trainer->step = found.step;
    dho_checkpoint_info_free(&found);
    if (status == DHO_OK) dho_info("resumed from %s", path);
    return status;
}

/* Two runs that write into one folder would destroy each other's checkpoints. The lock goes with
 * the process; file systems without locks are let pass. */
static dho_status lock_run(dho_trainer *trainer)
{
    char *path;
    DHO_TRY(dho_make_folders(trainer->config->out));
    DHO_TRY(dho_path_join(&path, trainer->config->out, ".lock"));
    trainer->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    const bool taken =
        trainer->lock >= 0 && flock(trainer->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    dho_free(path);
    if (trainer->lock < 0)
        return dho_fail(DHO_ERR_IO, "%s/.lock: cannot create: %s", trainer->config->out,
                        strerror(errno));
    if (taken)
        return dho_fail(DHO_ERR_CONFIG, "%s: another run is writing there", trainer->config->out);
    return DHO_OK;
}

static dho_status resume_on_rank0(dho_trainer *trainer, const char *resume)
{
    const char *out = trainer->config->out;
    char *newest;
    dho_status status = DHO_OK;
    DHO_TRY(lock_run(trainer));
    if (strcmp(resume, "auto") != 0 && strcmp(resume, "never") != 0) {
        DHO_TRY(dho_input_status(dho_checkpoint_resolve(resume, &newest)));
        status = dho_input_status(load_checkpoint(trainer, newest));
        dho_free(newest);
        return status == DHO_OK ? dho_checkpoint_set_aside(out, trainer->step) : status;
    }
    DHO_TRY(dho_checkpoint_find_newest(out, &newest));
    if (newest == NULL) return DHO_OK;
    if (strcmp(resume, "never") == 0)
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: holds a run already (%s): --resume auto goes on with it, another "
                          "--out starts anew",
                          out, newest);
    else
        status = load_checkpoint(trainer, newest);
    dho_free(newest);
    return status == DHO_OK ? dho_checkpoint_set_aside(out, trainer->step) : status;
}

/* Rank 0 reads; everybody gets its state. */
static dho_status resume_run(dho_trainer *trainer, const char *resume)
{
    const dho_status local = trainer->rank == 0 ? resume_on_rank0(trainer, resume) : DHO_OK;
    DHO_TRY(dho_comm_agree(trainer->comm, local));
    DHO_TRY(dho_comm_broadcast(trainer->comm, &trainer->step, sizeof trainer->step, 0));
    const size_t bytes = trainer->parameter_floats * sizeof(float);
    float *const slabs[3] = {trainer->parameters, trainer->moment1, trainer->moment2};
    for (int i = 0; i < 3; i++)
        if (slabs[i] != NULL) DHO_TRY(dho_comm_broadcast(trainer->comm, slabs[i], bytes, 0));
    return dho_comm_broadcast(trainer->comm, trainer->buffers,
                              trainer->buffer_floats * sizeof(float), 0);
}

/* A full disk would end the run at its first checkpoint. */
static void warn_of_disk(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    const size_t slabs = config->train.optimizer == DHO_OPTIMIZER_ADAMW ? 3 : 2;
    const double one = (double)((slabs * trainer->parameter_floats + trainer->buffer_floats) *
                                sizeof(float));
    const double all = one * (double)(trainer->step == 0 ? config->train.checkpoint_keep + 1 : 1);
    const double left = (double)dho_machine_disk(config->out);
    if (left < all)
        dho_warn("%s: %.1f MiB are free, %.1f MiB are needed (a checkpoint takes %.1f MiB; "
                 "train.checkpoint_keep: %lld, and the one that is being written)",
                 config->out, left / 0x1p20, all / 0x1p20, one / 0x1p20,
                 (long long)config->train.checkpoint_keep);
}

/* Only where steps follow: config.yaml and sessions.jsonl say with what a run was trained. The
 * session first: config.yaml alone would hide what the steps before it were trained with. */
static dho_status open_run_folder(dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    char *path = NULL, *text = NULL;
    dho_status status;
    if (trainer->rank != 0) return DHO_OK;
    DHO_TRY_GOTO(dho_path_join(&path, config->out, "config.yaml"));
    DHO_TRY_GOTO(dho_config_format(config, false, &text));
    warn_of_disk(trainer);
    DHO_TRY_GOTO(dho_session_log_append(trainer, text));
    DHO_TRY_GOTO(dho_file_write_text(path, text));
    DHO_TRY_GOTO(dho_progress_open(&trainer->progress, config, trainer->step,
                                   trainer->length.total_steps));
fail:
    dho_free(path);
    dho_free(text);
    return status;
}

/* log: how the log of the step before it went. */
static dho_status save_checkpoint(dho_trainer *trainer, const dho_local_failure *log)
{
    /* Replicas that have drifted apart would train on, wrongly and in silence. */
    DHO_TRY(dho_comm_check_equal(trainer->comm, trainer->parameters,
                                 trainer->parameter_floats * sizeof(float), "the weights"));
    dho_status local = DHO_OK;
    if (trainer->rank == 0) {
        const dho_checkpoint_info info = describe_run(trainer);
        const dho_checkpoint_slabs slabs = slabs_of(trainer);
        local = dho_local_failure_raise(log);
        if (local == DHO_OK) local = dho_progress_sync(&trainer->progress);
        if (local == DHO_OK)
            local = dho_checkpoint_save(trainer->config->out, &info, &trainer->student, &slabs,
                                        (int)trainer->config->train.checkpoint_keep);
    }
    return dho_comm_agree(trainer->comm, local);
}

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
            DHO_TRY(save_checkpoint(trainer, &log));
        if (stop && !last)
            return dho_fail(DHO_PREEMPTED, "stopped by a signal at step %lld; the state is saved",
                            (long long)trainer->step);
    }
    return DHO_OK;
}

static void print_config(const dho_config *config)
{
    char *text;
    if (dho_config_format_changes(config, &text) != DHO_OK) return; /* the file has it all */
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        dho_info("  %s", line);
    dho_free(text);
}

static void announce(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    char length[256];
    dho_info("%s: %s (width %d, %zu parameters), %lld images of %d classes, %lld labelled",
             dho_method_name(config->method), trainer->student.model, trainer->student.width,
             trainer->parameter_floats, (long long)trainer->dataset.count, trainer->dataset.classes,
             (long long)trainer->labelled.count);
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
    /* A log must hold what was run: the keys that are not the defaults. */
    if (!trainer->progress.terminal && trainer->rank == 0) print_config(config);
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
    DHO_TRY(resume_run(trainer, resume));
    if (trainer->step >= trainer->length.total_steps) {
        if (trainer->step > trainer->length.total_steps)
            dho_info("nothing to do: the run is already at step %lld, beyond the %lld asked for",
                     (long long)trainer->step, (long long)trainer->length.total_steps);
        else
            dho_info("nothing to do: all %lld steps are done, with the settings of %s/config.yaml",
                     (long long)trainer->length.total_steps, trainer->config->out);
        return DHO_OK;
    }
    DHO_TRY(dho_comm_agree(trainer->comm, open_run_folder(trainer)));
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
    dho_trainer_close(&trainer);
    return status;
}

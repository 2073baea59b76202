/* The run: resume, loop, checkpoints, stop. */
#include "dho/trainer.h"

#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "train/stop_signal.h"
#include "train/trainer_internal.h"

#include <string.h>

static dho_checkpoint_info describe_run(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    dho_checkpoint_info info = {.step = trainer->step,
                                .total_steps = trainer->total_steps,
                                .seed = config->seed,
                                .method = config->method,
                                .width = trainer->student.width,
                                .image_size = trainer->student.image_size,
                                .classes = trainer->student.classes,
                                .class_names = trainer->dataset.class_names,
                                .shards = trainer->shards,
                                .batch_labelled = config->train.batch_labelled,
                                .batch_unlabelled = config->train.batch_unlabelled,
                                .dataset_fingerprint = trainer->dataset.fingerprint,
                                .optimizer = config->train.optimizer};
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

/* Why a checkpoint cannot be continued by this run; NULL when it can. The number of ranks, the
 * threads and the length of the run may change. */
static const char *difference(const dho_checkpoint_info *a, const dho_checkpoint_info *b)
{
    if (a->method != b->method) return "method";
    if (strcmp(a->model, b->model) != 0) return "student.model";
    if (a->width != b->width) return "student.width";
    if (a->image_size != b->image_size) return "data.image_size";
    if (a->classes != b->classes) return "the number of classes";
    if (a->seed != b->seed) return "seed";
    if (a->shards != b->shards) return "train.shards";
    if (a->batch_labelled != b->batch_labelled) return "train.batch_labelled";
    if (a->batch_unlabelled != b->batch_unlabelled) return "train.batch_unlabelled";
    if (a->optimizer != b->optimizer) return "train.optimizer";
    if (a->dataset_fingerprint != b->dataset_fingerprint) return "the list of training images";
    return NULL;
}

static dho_status load_checkpoint(dho_trainer *trainer, const char *path)
{
    dho_checkpoint_info found;
    const dho_checkpoint_info own = describe_run(trainer);
    DHO_TRY(dho_checkpoint_read_info(path, &found));
    const char *what = difference(&found, &own);
    const int64_t step = found.step;
    dho_checkpoint_info_free(&found);
    if (what != NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s: is of a run that differs in %s (--resume never with another --out "
                        "starts anew)",
                        path, what);
    const dho_checkpoint_slabs slabs = slabs_of(trainer);
    DHO_TRY(dho_checkpoint_load(path, &trainer->student, &slabs));
    trainer->step = step;
    dho_info("resumed from %s", path);
    return DHO_OK;
}

static dho_status resume_on_rank0(dho_trainer *trainer, const char *resume)
{
    const char *out = trainer->config->out;
    if (strcmp(resume, "auto") != 0 && strcmp(resume, "never") != 0)
        return load_checkpoint(trainer, resume);
    char *newest;
    DHO_TRY(dho_checkpoint_find_newest(out, &newest));
    if (newest == NULL) return DHO_OK;
    dho_status status;
    if (strcmp(resume, "never") == 0)
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: holds a run already (%s): --resume auto goes on with it, another "
                          "--out starts anew",
                          out, newest);
    else
        status = load_checkpoint(trainer, newest);
    dho_free(newest);
    return status;
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

static dho_status open_run_folder(dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    char *path = NULL, *text = NULL;
    dho_status status;
    if (trainer->rank != 0) return DHO_OK;
    DHO_TRY_GOTO(dho_make_folders(config->out));
    DHO_TRY_GOTO(dho_path_join(&path, config->out, "config.yaml"));
    DHO_TRY_GOTO(dho_config_format(config, false, &text));
    DHO_TRY_GOTO(dho_file_write_text(path, text));
    DHO_TRY_GOTO(dho_progress_open(&trainer->progress, config->out, trainer->step,
                                   trainer->total_steps, config->train.log_every,
                                   trainer->cache != NULL));
fail:
    dho_free(path);
    dho_free(text);
    return status;
}

static dho_status save_checkpoint(dho_trainer *trainer)
{
    /* Replicas that have drifted apart would train on, wrongly and in silence. */
    DHO_TRY(dho_comm_check_equal(trainer->comm, trainer->parameters,
                                 trainer->parameter_floats * sizeof(float), "the weights"));
    dho_status local = DHO_OK;
    if (trainer->rank == 0) {
        const dho_checkpoint_info info = describe_run(trainer);
        const dho_checkpoint_slabs slabs = slabs_of(trainer);
        local = dho_progress_sync(&trainer->progress);
        if (local == DHO_OK)
            local = dho_checkpoint_save(trainer->config->out, &info, &trainer->student, &slabs,
                                        (int)trainer->config->train.checkpoint_keep);
    }
    return dho_comm_agree(trainer->comm, local);
}

static dho_status run(dho_trainer *trainer)
{
    const int64_t every = trainer->config->train.checkpoint_every;
    while (trainer->step < trainer->total_steps) {
        bool stop = false;
        DHO_TRY(dho_trainer_step(trainer, &stop));
        const bool last = trainer->step == trainer->total_steps;
        if (last || stop || (every > 0 && trainer->step % every == 0))
            DHO_TRY(save_checkpoint(trainer));
        if (stop && !last)
            return dho_fail(DHO_PREEMPTED, "stopped by a signal at step %lld; the state is saved",
                            (long long)trainer->step);
    }
    return DHO_OK;
}

static void announce(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    dho_info("%s: %s (width %d, %zu parameters), %lld images of %d classes, %lld labelled",
             dho_method_name(config->method), trainer->student.model, trainer->student.width,
             trainer->parameter_floats, (long long)trainer->dataset.count, trainer->dataset.classes,
             (long long)trainer->labelled.count);
    dho_info("%d rank%s x %d thread%s, backend %s; %d shards of %d images (%d labelled); %lld steps "
             "of which %lld are done; activations %.1f MiB",
             trainer->ranks, trainer->ranks == 1 ? "" : "s", dho_compute_threads(trainer->compute),
             dho_compute_threads(trainer->compute) == 1 ? "" : "s",
             dho_compute_kernels(trainer->compute)->name, trainer->shards, trainer->micro_batch,
             trainer->micro_labelled, (long long)trainer->total_steps, (long long)trainer->step,
             (double)dho_executor_arena_bytes(trainer->executor) / 1048576);
    dho_info("configuration in %s/config.yaml", config->out);
}

static dho_status train_opened(dho_trainer *trainer, const char *resume)
{
    DHO_TRY(resume_run(trainer, resume));
    DHO_TRY(dho_comm_agree(trainer->comm, open_run_folder(trainer)));
    announce(trainer);
    if (trainer->step >= trainer->total_steps) {
        dho_info("nothing to do: all %lld steps are done", (long long)trainer->total_steps);
        return DHO_OK;
    }
    DHO_TRY(dho_trainer_start_loader(trainer));
    const dho_status status = run(trainer);
    if (status != DHO_OK && trainer->progress.terminal) dho_info("%s", ""); /* ends the bar's line */
    return status;
}

dho_status dho_train(const dho_config *config, dho_comm *comm, const char *resume)
{
    dho_trainer trainer;
    dho_stop_signal_install();
    dho_status status = dho_trainer_open(&trainer, config, comm);
    if (status == DHO_OK) status = train_opened(&trainer, resume);
    dho_trainer_close(&trainer);
    return status;
}

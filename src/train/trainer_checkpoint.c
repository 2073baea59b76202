/* A run and its checkpoints: going on from one, and saving one. */
#include "train/trainer_internal.h"

#include "base/activity.h"
#include "checkpoint/resume_check.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/run_setup.h"

#include <string.h>

static dho_checkpoint_info describe_run(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    dho_checkpoint_info info = {
        .step = trainer->step,
        .total_steps = dho_trainer_is_over(trainer) ? trainer->step : trainer->length.total_steps,
        .method = config->method,
        .width = trainer->student.width,
        .layers = trainer->student.layers,
        .head_forms = {trainer->student.head_forms[0], trainer->student.head_forms[1]},
        .head_scale = config->student.head_scale,
        .image_size = trainer->student.image_size,
        .classes = trainer->student.classes,
        .class_names = trainer->dataset.class_names,
        .class_titles = trainer->dataset.class_titles,
        .dataset_fingerprint = trainer->dataset.fingerprint,
        .labelled_crc = dho_setup_labelled_crc(&trainer->dataset, &trainer->labelled),
        .teacher = trainer->teacher,
        .settings = trainer->settings,
        .standing = trainer->standing,
        .spike_step = trainer->progress.spike.step};
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
                                  .moment2 = trainer->moment2,
                                  .ema_parameters = trainer->ema_parameters,
                                  .ema_buffers = trainer->ema_buffers};
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
        status =
            dho_fail(DHO_ERR_CONFIG,
                     "%s: is of a run that differs in %s (another --out starts anew)", path, what);
    if (status == DHO_OK) status = dho_checkpoint_load(path, &found, &trainer->student, &slabs);
    trainer->step = found.step;
    trainer->progress.spike.step = found.spike_step;
    dho_trainer_take_standing(trainer, &found.standing);
    dho_checkpoint_info_free(&found);
    if (status == DHO_OK) dho_info("resumed from %s", path);
    return status;
}

static dho_status set_aside(const dho_trainer *trainer)
{
    return trainer->dry ? DHO_OK : dho_checkpoint_set_aside(trainer->config->out, trainer->step);
}

static dho_status resume_on_rank0(dho_trainer *trainer, const char *resume)
{
    const char *out = trainer->config->out;
    char *newest;
    dho_status status = DHO_OK;
    DHO_TRY(dho_trainer_lock(trainer));
    if (!trainer->dry) DHO_TRY(dho_checkpoint_take_back(out));
    if (strcmp(resume, "auto") != 0 && strcmp(resume, "never") != 0) {
        const dho_checkpoint_choice choice = {.path = resume};
        DHO_TRY(dho_input_status(dho_checkpoint_resolve(&choice, &newest)));
        status = dho_input_status(load_checkpoint(trainer, newest));
        dho_free(newest);
        return status == DHO_OK ? set_aside(trainer) : status;
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
    return status == DHO_OK ? set_aside(trainer) : status;
}

/* Rank 0 reads; all ranks get its state. */
dho_status dho_trainer_resume(dho_trainer *trainer, const char *resume)
{
    const dho_status local = trainer->rank == 0 ? resume_on_rank0(trainer, resume) : DHO_OK;
    DHO_TRY(dho_comm_agree(trainer->comm, local));
    DHO_TRY(dho_comm_broadcast(trainer->comm, &trainer->step, sizeof trainer->step, 0));
    char *const set = trainer->standing.set; /* each rank's own */
    DHO_TRY(dho_comm_broadcast(trainer->comm, &trainer->standing, sizeof trainer->standing, 0));
    trainer->standing.set = set;
    const struct {
        float *slab;
        size_t floats;
    } state[] = {{trainer->parameters, trainer->parameter_floats},
                 {trainer->moment1, trainer->parameter_floats},
                 {trainer->moment2, trainer->parameter_floats},
                 {trainer->ema_parameters, trainer->parameter_floats},
                 {trainer->ema_buffers, trainer->buffer_floats},
                 {trainer->buffers, trainer->buffer_floats}};
    for (size_t i = 0; i < sizeof state / sizeof *state; i++)
        if (state[i].slab != NULL)
            DHO_TRY(dho_comm_broadcast(trainer->comm, state[i].slab,
                                       state[i].floats * sizeof(float), 0));
    return DHO_OK;
}

static dho_checkpoint_writer_options writer_options(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    return (dho_checkpoint_writer_options){.run_folder = config->out,
                                           .student = &trainer->student,
                                           .progress = &trainer->progress,
                                           .parameter_floats = trainer->parameter_floats,
                                           .buffer_floats = trainer->buffer_floats,
                                           .has_moment2 = trainer->moment2 != NULL,
                                           .has_average = trainer->ema_parameters != NULL,
                                           .keep = {.newest = config->train.checkpoint_keep,
                                                    .every = config->train.checkpoint_keep_every}};
}

dho_status dho_trainer_open_writer(dho_trainer *trainer)
{
    const dho_checkpoint_writer_options options = writer_options(trainer);
    if (trainer->rank != 0) return DHO_OK;
    return dho_checkpoint_writer_create(&trainer->writer, &options);
}

int64_t dho_trainer_checkpoint_bytes(const dho_trainer *trainer)
{
    const dho_checkpoint_writer_options options = writer_options(trainer);
    return (int64_t)dho_checkpoint_writer_bytes(&options);
}

/* The next one may go better where a disk was full or memory short; nothing else mends itself. */
static bool may_mend(dho_status status)
{
    return status == DHO_ERR_IO || status == DHO_ERR_MEMORY;
}

static dho_status tell(dho_trainer *trainer, const dho_checkpoint_trouble *found)
{
    const int64_t most = trainer->config->train.checkpoint_failures;
    DHO_TRY(dho_progress_event(&trainer->progress, trainer->step, "checkpoint_failed",
                               json_pack("{s:I, s:I, s:s}", "checkpoint", (json_int_t)found->step,
                                         "in_a_row", (json_int_t)found->in_a_row, "why",
                                         found->message)));
    if (!may_mend(found->status)) return dho_fail(found->status, "%s", found->message);
    if (found->in_a_row > most)
        return dho_fail(found->status,
                        "%s: %lld checkpoints in a row could not be written "
                        "(train.checkpoint_failures: %lld)",
                        found->message, (long long)found->in_a_row, (long long)most);
    dho_warn("the checkpoint of step %lld is not written: %s; the one before stays, and the run "
             "goes on (failure %lld of %lld in a row, train.checkpoint_failures)",
             (long long)found->step, found->message, (long long)found->in_a_row, (long long)most);
    return DHO_OK;
}

void dho_trainer_look_at_writer(dho_trainer *trainer, dho_local_failure *inout_log)
{
    while (trainer->writer != NULL && inout_log->status == DHO_OK) {
        const dho_checkpoint_trouble found = dho_checkpoint_writer_look(trainer->writer);
        if (found.step == 0) break;
        *inout_log = dho_local_failure_of(tell(trainer, &found));
    }
}

static void copy(float *to, const float *from, size_t floats)
{
    if (from != NULL) memcpy(to, from, floats * sizeof *to);
}

static dho_status hand_over(dho_trainer *trainer, const dho_local_failure *log, bool last)
{
    const size_t floats = trainer->parameter_floats, statistics = trainer->buffer_floats;
    DHO_TRY(dho_local_failure_raise(log));
    const dho_checkpoint_info info = describe_run(trainer);
    const dho_checkpoint_slabs from = slabs_of(trainer);
    const dho_checkpoint_slabs to = dho_checkpoint_writer_take(trainer->writer);
    copy(to.parameters, from.parameters, floats);
    copy(to.buffers, from.buffers, statistics);
    copy(to.moment1, from.moment1, floats);
    copy(to.moment2, from.moment2, floats);
    copy(to.ema_parameters, from.ema_parameters, floats);
    copy(to.ema_buffers, from.ema_buffers, statistics);
    dho_checkpoint_writer_put(trainer->writer, &info);
    return last ? dho_checkpoint_writer_wait(trainer->writer) : DHO_OK;
}

static dho_status save(dho_trainer *trainer, const dho_local_failure *log, bool last)
{
    /* Replicas that have drifted apart would train on, wrongly and in silence. */
    DHO_TRY(dho_comm_check_equal(trainer->comm, trainer->parameters,
                                 trainer->parameter_floats * sizeof(float), "the weights"));
    if (trainer->ema_parameters != NULL)
        DHO_TRY(dho_comm_check_equal(trainer->comm, trainer->ema_parameters,
                                     trainer->parameter_floats * sizeof(float),
                                     "the average of the weights"));
    const dho_status local = trainer->rank == 0 ? hand_over(trainer, log, last) : DHO_OK;
    return dho_comm_agree(trainer->comm, local);
}

dho_status dho_trainer_save(dho_trainer *trainer, const dho_local_failure *log, bool last)
{
    dho_activity_begin_step("saves step", trainer->step);
    const dho_status status = save(trainer, log, last);
    dho_activity_end();
    return status;
}

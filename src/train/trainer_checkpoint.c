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
        .head_hidden = {trainer->student.head_hidden[0], trainer->student.head_hidden[1]},
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

/* Where the optimizer's whole state is read to: where it belongs, unless a rank keeps a part of it
 * only. Zero, as at step 0, until a checkpoint is read. To be given back by close_moments, also
 * after a failure. */
static dho_status open_moments(const dho_trainer *trainer, float *out[2])
{
    float *const own[2] = {trainer->moment1, trainer->moment2};
    for (int i = 0; i < 2; i++) {
        out[i] = own[i];
        if (own[i] != NULL && trainer->owned.sharded)
            DHO_TRY(dho_alloc_zero(&out[i], trainer->parameter_floats, sizeof *out[i],
                                   "optimizer state"));
    }
    return DHO_OK;
}

static void close_moments(const dho_trainer *trainer, float *whole[2])
{
    float *const own[2] = {trainer->moment1, trainer->moment2};
    for (int i = 0; i < 2; i++)
        if (whole[i] != own[i]) dho_free(whole[i]);
}

static dho_status load_checkpoint(dho_trainer *trainer, const char *path, float *moments[2])
{
    dho_checkpoint_info found;
    char what[256];
    const dho_checkpoint_info own = describe_run(trainer);
    DHO_TRY(dho_checkpoint_read_info(path, &found));
    dho_checkpoint_slabs slabs = slabs_of(trainer);
    slabs.moment1 = moments[0];
    slabs.moment2 = moments[1];
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

static dho_status resume_on_rank0(dho_trainer *trainer, const char *resume, float *moments[2])
{
    const char *out = trainer->config->out;
    char *newest;
    dho_status status = DHO_OK;
    DHO_TRY(dho_trainer_lock(trainer));
    if (!trainer->dry) DHO_TRY(dho_checkpoint_take_back(out));
    if (strcmp(resume, "auto") != 0 && strcmp(resume, "never") != 0) {
        const dho_checkpoint_choice choice = {.path = resume};
        DHO_TRY(dho_input_status(dho_checkpoint_resolve(&choice, &newest)));
        status = dho_input_status(load_checkpoint(trainer, newest, moments));
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
        status = load_checkpoint(trainer, newest, moments);
    dho_free(newest);
    return status == DHO_OK ? set_aside(trainer) : status;
}

/* What rank 0 has read goes to all ranks. */
static dho_status share_state(dho_trainer *trainer, float *moments[2])
{
    DHO_TRY(dho_comm_broadcast(trainer->comm, &trainer->step, sizeof trainer->step, 0));
    char *const set = trainer->standing.set; /* each rank's own */
    DHO_TRY(dho_comm_broadcast(trainer->comm, &trainer->standing, sizeof trainer->standing, 0));
    trainer->standing.set = set;
    const struct {
        float *slab;
        size_t floats;
    } state[] = {{trainer->parameters, trainer->parameter_floats},
                 {moments[0], trainer->parameter_floats},
                 {moments[1], trainer->parameter_floats},
                 {trainer->ema_parameters, trainer->parameter_floats},
                 {trainer->ema_buffers, trainer->buffer_floats},
                 {trainer->buffers, trainer->buffer_floats}};
    for (size_t i = 0; i < sizeof state / sizeof *state; i++)
        if (state[i].slab != NULL)
            DHO_TRY(dho_comm_broadcast(trainer->comm, state[i].slab,
                                       state[i].floats * sizeof(float), 0));
    if (!trainer->owned.sharded) return DHO_OK;
    dho_owned_take(&trainer->owned, moments[0], trainer->moment1);
    if (trainer->moment2 != NULL) dho_owned_take(&trainer->owned, moments[1], trainer->moment2);
    return DHO_OK;
}

dho_status dho_trainer_resume(dho_trainer *trainer, const char *resume)
{
    float *moments[2] = {trainer->moment1, trainer->moment2};
    dho_status status = open_moments(trainer, moments);
    if (status == DHO_OK && trainer->rank == 0) status = resume_on_rank0(trainer, resume, moments);
    status = dho_comm_agree(trainer->comm, status);
    if (status == DHO_OK) status = share_state(trainer, moments);
    close_moments(trainer, moments);
    return status;
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

/* With all threads, one piece each: training waits for this. */
static void copy(const dho_trainer *trainer, float *to, const float *from, size_t floats)
{
    const int threads = dho_compute_threads(trainer->compute);
    const size_t piece = floats / (size_t)threads + 1;
    if (from == NULL) return;
#pragma omp parallel for schedule(static, 1) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        const size_t begin = piece * (size_t)t, end = begin + piece;
        if (begin < floats)
            memcpy(to + begin, from + begin, ((end < floats ? end : floats) - begin) * sizeof *to);
    }
}

/* A moment of all weights into `to` (rank 0; NULL elsewhere). Collective where each rank has a
 * part. */
static dho_status gather_moment(const dho_trainer *trainer, const float *moment, float *to)
{
    const size_t floats = trainer->parameter_floats;
    /* The gradients of a step that is over. */
    float *whole = trainer->sums[0] + dho_trainer_gradient_offset(trainer);
    if (moment == NULL) return DHO_OK;
    if (trainer->owned.sharded) DHO_TRY(dho_owned_gather(&trainer->owned, moment, whole));
    if (to != NULL) copy(trainer, to, trainer->owned.sharded ? whole : moment, floats);
    return DHO_OK;
}

/* A copy of the run's state, on rank 0. Collective. */
static dho_status copy_state(const dho_trainer *trainer, const dho_checkpoint_slabs *to)
{
    const dho_checkpoint_slabs from = slabs_of(trainer);
    DHO_TRY(gather_moment(trainer, trainer->moment1, to->moment1));
    DHO_TRY(gather_moment(trainer, trainer->moment2, to->moment2));
    if (trainer->rank != 0) return DHO_OK;
    copy(trainer, to->parameters, from.parameters, trainer->parameter_floats);
    copy(trainer, to->buffers, from.buffers, trainer->buffer_floats);
    copy(trainer, to->ema_parameters, from.ema_parameters, trainer->parameter_floats);
    copy(trainer, to->ema_buffers, from.ema_buffers, trainer->buffer_floats);
    return DHO_OK;
}

static dho_status hand_over(dho_trainer *trainer, bool last)
{
    dho_checkpoint_slabs to = {0};
    const dho_checkpoint_info info = describe_run(trainer);
    if (trainer->rank == 0) to = dho_checkpoint_writer_take(trainer->writer);
    DHO_TRY(copy_state(trainer, &to));
    if (trainer->rank != 0) return DHO_OK;
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
    DHO_TRY(dho_comm_agree(trainer->comm, dho_local_failure_raise(log)));
    return dho_comm_agree(trainer->comm, hand_over(trainer, last));
}

dho_status dho_trainer_save(dho_trainer *trainer, const dho_local_failure *log, bool last)
{
    dho_activity_begin_step("saves step", trainer->step);
    const dho_status status = save(trainer, log, last);
    dho_activity_end();
    return status;
}

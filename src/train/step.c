/* One global step: V microbatches, summed over a fixed tree, and one update. */
#include "train/trainer_internal.h"

#include "base/activity.h"
#include "base/clock.h"
#include "dho/log.h"
#include "dho/teacher.h"
#include "train/ema.h"
#include "train/not_finite.h"
#include "train/stop_signal.h"

#include <math.h>
#include <string.h>

enum { LANES = DHO_SLAB_LANES, MOST_SKIPS = 10 };

static float *partial(const dho_trainer *trainer, int slot)
{
    return trainer->partials + (size_t)slot * trainer->slab_floats;
}

/* Where a slab's tail starts. */
static float *tail_of(const dho_trainer *trainer, float *slab)
{
    return slab + trainer->parameter_floats + (size_t)trainer->passes * trainer->buffer_floats;
}

/* The metrics of one microbatch. */
static void take_terms(const dho_loss_terms *terms, float *tail)
{
    tail[DHO_METRIC_LOSS] = (float)terms->total;
    tail[DHO_METRIC_CE] = (float)terms->ce;
    tail[DHO_METRIC_KD_LABELLED] = (float)terms->kd_labelled;
    tail[DHO_METRIC_KD_UNLABELLED] = (float)terms->kd_unlabelled;
    tail[DHO_METRIC_FEATURE_LABELLED] = (float)terms->feature_labelled;
    tail[DHO_METRIC_FEATURE_UNLABELLED] = (float)terms->feature_unlabelled;
    tail[DHO_METRIC_ACCURACY] = (float)terms->correct;
}

/* Gradients, batch statistics and metrics of one microbatch into slot `slot` of the tree. */
static dho_status compute_microbatch(dho_trainer *trainer, const dho_batch *batch, int slot)
{
    float *slab = partial(trainer, slot), *tail = tail_of(trainer, slab);
    if (trainer->cache != NULL)
        DHO_TRY(dho_teacher_logits(trainer->compute, trainer->cache, trainer->head, batch->draws,
                                   batch->count, trainer->teacher_payload, trainer->teacher_scratch,
                                   trainer->teacher_logits));
    const dho_microbatch microbatch = {.executor = trainer->executor,
                                       .student = &trainer->student,
                                       .parameters = trainer->parameters,
                                       .passes = trainer->passes,
                                       .rows = batch->count,
                                       .labelled = batch->labelled,
                                       .images = batch->images,
                                       .labels = batch->labels,
                                       .teacher_logits = trainer->teacher_logits,
                                       .embeddings = trainer->teacher_payload};
    if (dho_step_conflict_due(&trainer->conflict, trainer->step + 1))
        dho_step_conflict_run(&trainer->conflict, &microbatch, &trainer->objective, slot);
    memset(slab, 0, trainer->slab_floats * sizeof *slab);
    const dho_loss_terms terms = dho_microbatch_run(&microbatch, &trainer->objective, slab,
                                                    slab + trainer->parameter_floats, NULL);
    take_terms(&terms, tail);
    if (!isfinite(terms.total)) dho_not_finite_warn(trainer, batch, terms.total);
    return DHO_OK;
}

/* The topmost partial sum, `slot`, into the one below it. */
static void merge(dho_trainer *trainer, int slot)
{
    float *into = partial(trainer, slot - 1);
    dho_compute_kernels(trainer->compute)
        ->add(trainer->compute, trainer->slab_floats, into, partial(trainer, slot), into);
    if (dho_step_conflict_due(&trainer->conflict, trainer->step + 1))
        dho_step_conflict_merge(&trainer->conflict, trainer->compute, slot);
}

/* One microbatch's gradients in partial `top`. */
static dho_status take_microbatch(dho_trainer *trainer, int top, double *data_seconds)
{
    dho_batch batch;
    DHO_TRY(dho_loader_next(trainer->loader, &batch, data_seconds));
    dho_activity_begin("computes", NULL, false);
    const dho_status status = compute_microbatch(trainer, &batch, top);
    dho_activity_end();
    dho_loader_release(trainer->loader, &batch);
    return status;
}

/* All local microbatches, merged into partial 0 in tree order. */
static dho_status compute_local(dho_trainer *trainer, double *data_seconds)
{
    int top = 0;
    for (int k = 0; k < trainer->local_count; k++) {
        DHO_TRY(take_microbatch(trainer, top++, data_seconds));
        for (int m = 0; m < trainer->merges[k]; m++) merge(trainer, --top);
    }
    return DHO_OK;
}

/* |gradient|: chunks of a fixed size summed in order, so the number does not depend on threads. */
static double gradient_norm(const dho_trainer *trainer, const float *gradient)
{
    const size_t floats = trainer->parameter_floats;
    const int64_t chunks = (int64_t)((floats + DHO_NORM_CHUNK - 1) / DHO_NORM_CHUNK);
    const int threads = dho_compute_threads(trainer->compute);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t c = 0; c < chunks; c++) {
        const size_t begin = (size_t)c * DHO_NORM_CHUNK;
        const size_t end = begin + DHO_NORM_CHUNK < floats ? begin + DHO_NORM_CHUNK : floats;
        double sum[LANES] = {0};
        for (size_t i = begin; i < end; i += LANES)
            for (size_t j = 0; j < LANES; j++) sum[j] += (double)gradient[i + j] * gradient[i + j];
        trainer->norm_chunks[c] = 0;
        for (size_t j = 0; j < LANES; j++) trainer->norm_chunks[c] += sum[j];
    }
    double total = 0;
    for (int64_t c = 0; c < chunks; c++) total += trainer->norm_chunks[c];
    return sqrt(total) / trainer->shards;
}

static void update(dho_trainer *trainer, const float *slab, double lr)
{
    const dho_kernels *kernels = dho_compute_kernels(trainer->compute);
    const dho_config *config = trainer->config;
    const float scale = 1.0f / (float)trainer->shards;
    const int64_t step = trainer->step + 1;
    if (config->train.optimizer == DHO_OPTIMIZER_ADAMW)
        kernels->adamw(trainer->compute, trainer->parameter_floats,
                       &(dho_adamw_step){.step = step,
                                         .lr = lr,
                                         .beta1 = config->train.beta1,
                                         .beta2 = config->train.beta2,
                                         .eps = config->train.eps,
                                         .weight_decay = config->train.weight_decay,
                                         .gradient_scale = scale},
                       slab, trainer->parameters, trainer->moment1, trainer->moment2);
    else
        kernels->sgd(trainer->compute, trainer->parameter_floats,
                     &(dho_sgd_step){.step = step,
                                     .lr = lr,
                                     .momentum = config->train.momentum,
                                     .weight_decay = config->train.weight_decay,
                                     .gradient_scale = scale},
                     slab, trainer->parameters, trainer->moment1);
    /* Towards the mean of the microbatches' statistics. */
    dho_microbatch_move_statistics(trainer->buffer_floats, trainer->passes, scale,
                                   slab + trainer->parameter_floats, trainer->buffers);
    if (trainer->ema_parameters == NULL) return;
    const int threads = dho_compute_threads(trainer->compute);
    dho_ema_update(trainer->parameter_floats, config->train.ema, trainer->parameters,
                   trainer->ema_parameters, threads);
    dho_ema_update(trainer->buffer_floats, config->train.ema, trainer->buffers,
                   trainer->ema_buffers, threads);
}

/* The metrics of the step whose sum `slab` is, but for its times. */
static dho_step_metrics describe(const dho_trainer *trainer, float *slab)
{
    dho_step_metrics out = {.step = trainer->step + 1};
    const dho_step_rows rows = dho_sampler_rows(trainer->sampler, trainer->step);
    const double v = trainer->shards;
    dho_metrics_of_step(tail_of(trainer, slab), v, v * (rows.labelled > 0 ? rows.labelled : 1),
                        out.values);
    out.values[DHO_METRIC_EPOCH] = (double)out.step / (double)trainer->length.steps_per_epoch;
    out.values[DHO_METRIC_LR] =
        trainer->config->train.lr * dho_schedule_factor(&trainer->schedule, trainer->step);
    out.values[DHO_METRIC_GRADIENT_NORM] = gradient_norm(trainer, slab);
    out.values[DHO_METRIC_IMAGES_PER_SECOND] = v * (rows.labelled + rows.unlabelled);
    return out;
}

/* All ranks' microbatches into partial 0. A rank's failure, here or in its log before, is all
 * ranks'. */
static dho_status compute_sum(dho_trainer *trainer, const dho_local_failure *log,
                              double *data_seconds, double *comm_seconds)
{
    float *slab = partial(trainer, 0), *tail = tail_of(trainer, slab);
    dho_status local = compute_local(trainer, data_seconds);
    if (local == DHO_OK) local = dho_local_failure_raise(log);
    if (local != DHO_OK) memset(slab, 0, trainer->slab_floats * sizeof *slab);
    tail[TAIL_FAILURE] = local != DHO_OK;
    tail[TAIL_STOP] = dho_stop_signal_received();
    const double before = dho_seconds_now();
    DHO_TRY(dho_comm_tree_sum(trainer->comm, slab, trainer->slab_floats));
    *comm_seconds = dho_seconds_now() - before;
    return tail[TAIL_FAILURE] > 0 ? dho_comm_agree(trainer->comm, local) : DHO_OK;
}

/* Updates the weights, or skips a step that is not finite where the configuration allows it. */
static dho_status update_if_finite(dho_trainer *trainer, const float *slab,
                                   dho_step_metrics *metrics)
{
    if (isfinite(metrics->values[DHO_METRIC_LOSS]) &&
        isfinite(metrics->values[DHO_METRIC_GRADIENT_NORM])) {
        update(trainer, slab, metrics->values[DHO_METRIC_LR]);
        trainer->skips_in_a_row = 0;
        return DHO_OK;
    }
    if (trainer->config->train.on_nonfinite == DHO_POLICY_FAIL ||
        ++trainer->skips_in_a_row == MOST_SKIPS)
        return dho_not_finite_fail(trainer, metrics, slab);
    metrics->skipped = true;
    dho_info("step %lld: not finite, no update", (long long)metrics->step);
    return DHO_OK;
}

static dho_status run_step(dho_trainer *trainer, dho_local_failure *inout_log, bool *out_stop)
{
    const double start = dho_seconds_now();
    float *slab = partial(trainer, 0);
    double data_seconds = 0, comm_seconds = 0;
    DHO_TRY(compute_sum(trainer, inout_log, &data_seconds, &comm_seconds));
    *out_stop = tail_of(trainer, slab)[TAIL_STOP] > 0;

    dho_step_metrics metrics = describe(trainer, slab);
    DHO_TRY(update_if_finite(trainer, slab, &metrics));
    trainer->step++;

    dho_status written = DHO_OK;
    if (dho_step_conflict_due(&trainer->conflict, trainer->step))
        DHO_TRY(dho_step_conflict_finish(&trainer->conflict, trainer->comm, trainer->shards,
                                         trainer->step, &trainer->progress, &written));
    metrics.values[DHO_METRIC_STEP_SECONDS] = dho_seconds_now() - start;
    metrics.values[DHO_METRIC_DATA_SECONDS] = data_seconds;
    metrics.values[DHO_METRIC_COMM_SECONDS] = comm_seconds;
    if (written == DHO_OK) written = dho_progress_step(&trainer->progress, &metrics);
    *inout_log = dho_local_failure_of(written);
    return DHO_OK;
}

dho_status dho_trainer_step(dho_trainer *trainer, dho_local_failure *inout_log, bool *out_stop)
{
    dho_activity_begin_step("step", trainer->step + 1);
    const dho_status status = run_step(trainer, inout_log, out_stop);
    dho_activity_end();
    return status;
}

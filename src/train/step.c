/* One global step: V microbatches, summed over a fixed tree, and one update. */
#include "train/trainer_internal.h"

#include "base/clock.h"
#include "dho/log.h"
#include "dho/teacher.h"
#include "train/stop_signal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LANES = 16, MOST_SKIPS = 10 };

static float *partial(const dho_trainer *trainer, int slot)
{
    return trainer->partials + (size_t)slot * trainer->slab_floats;
}

/* Names the samples of a microbatch whose loss is not finite: the first ones, on this rank. */
static void report_not_finite(const dho_trainer *trainer, const dho_batch *batch, double loss)
{
    char ids[256] = "";
    size_t used = 0;
    for (int r = 0; r < batch->count && used + 24 < sizeof ids; r++)
        used += (size_t)snprintf(ids + used, sizeof ids - used, " %lld",
                                 (long long)batch->draws[r].id);
    dho_warn("step %lld: microbatch %d has loss %g; samples%s", (long long)trainer->step + 1,
             batch->shard, loss, ids);
}

/* Gradients, batch statistics and losses of one microbatch into slab (zeroed before). */
static dho_status compute_microbatch(dho_trainer *trainer, const dho_batch *batch, float *slab)
{
    float *statistics = slab + trainer->parameter_floats;
    float *tail = statistics + trainer->buffer_floats;
    const dho_student *student = &trainer->student;
    const int classes = student->classes;
    if (trainer->cache != NULL)
        DHO_TRY(dho_teacher_logits(trainer->compute, trainer->cache, batch->draws, batch->count,
                                   trainer->teacher_payload, trainer->teacher_logits));
    dho_executor_forward(trainer->executor, batch->count, batch->images, trainer->parameters, NULL,
                         statistics);
    const float *heads[2] = {NULL, NULL};
    float *dheads[2] = {NULL, NULL};
    for (int h = 0; h < student->head_count; h++) {
        heads[h] = dho_executor_output(trainer->executor, student->heads[h]);
        dheads[h] = dho_executor_output_gradient(trainer->executor, student->heads[h]);
    }
    const dho_loss_terms terms =
        dho_objective_evaluate(&trainer->objective, batch->count, batch->labelled, classes,
                               batch->labels, trainer->teacher_logits, heads, dheads);
    dho_executor_backward(trainer->executor, trainer->parameters, slab);
    tail[TAIL_CE] = (float)terms.ce;
    tail[TAIL_KD_LABELLED] = (float)terms.kd_labelled;
    tail[TAIL_KD_UNLABELLED] = (float)terms.kd_unlabelled;
    tail[TAIL_TOTAL] = (float)terms.total;
    tail[TAIL_CORRECT] = (float)terms.correct;
    if (!isfinite(terms.total)) report_not_finite(trainer, batch, terms.total);
    return DHO_OK;
}

/* All local microbatches, merged into partial 0 in tree order. */
static dho_status compute_local(dho_trainer *trainer, double *data_seconds)
{
    const dho_kernels *kernels = dho_compute_kernels(trainer->compute);
    int top = 0;
    for (int k = 0; k < trainer->local_count; k++) {
        dho_batch batch;
        float *slab = partial(trainer, top++);
        DHO_TRY(dho_loader_next(trainer->loader, &batch, data_seconds));
        memset(slab, 0, trainer->slab_floats * sizeof *slab);
        const dho_status status = compute_microbatch(trainer, &batch, slab);
        dho_loader_release(trainer->loader, &batch);
        DHO_TRY(status);
        for (int m = 0; m < trainer->merges[k]; m++, top--)
            kernels->add(trainer->compute, trainer->slab_floats, partial(trainer, top - 2),
                         partial(trainer, top - 1), partial(trainer, top - 2));
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
        double sum[LANES] = {0}; /* slabs are whole multiples of the lanes */
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
        kernels->adamw(trainer->compute, trainer->parameter_floats, trainer->parameters, slab,
                       trainer->moment1, trainer->moment2, scale, lr, config->train.beta1,
                       config->train.beta2, config->train.eps, config->train.weight_decay, step);
    else
        kernels->sgd(trainer->compute, trainer->parameter_floats, trainer->parameters, slab,
                     trainer->moment1, scale, lr, config->train.momentum,
                     config->train.weight_decay, step);
    /* Running statistics move by 0.1 towards the mean of the microbatches' statistics. */
    const float *statistics = slab + trainer->parameter_floats;
    for (size_t i = 0; i < trainer->buffer_floats; i++)
        trainer->buffers[i] = 0.9f * trainer->buffers[i] + 0.1f * (scale * statistics[i]);
}

static dho_step_metrics describe(const dho_trainer *trainer, const float *tail, double lr)
{
    const double v = trainer->shards;
    const double labelled = v * (trainer->micro_labelled > 0 ? trainer->micro_labelled : 1);
    return (dho_step_metrics){
        .step = trainer->step + 1,
        .epoch = (double)(trainer->step + 1) / (double)trainer->steps_per_epoch,
        .loss = tail[TAIL_TOTAL] / v,
        .ce = tail[TAIL_CE] / v,
        .kd_labelled = tail[TAIL_KD_LABELLED] / v,
        .kd_unlabelled = tail[TAIL_KD_UNLABELLED] / v,
        .accuracy = tail[TAIL_CORRECT] / labelled,
        .lr = lr,
        .images = (int64_t)trainer->shards * trainer->micro_batch,
    };
}

dho_status dho_trainer_step(dho_trainer *trainer, bool *out_stop)
{
    const double start = dho_seconds_now();
    const double lr =
        trainer->config->train.lr * dho_schedule_factor(&trainer->schedule, trainer->step);
    float *slab = partial(trainer, 0);
    float *tail = slab + trainer->parameter_floats + trainer->buffer_floats;
    double data_seconds = 0;

    dho_status local = compute_local(trainer, &data_seconds);
    if (local == DHO_OK && trainer->late_failure != DHO_OK)
        local = dho_fail(trainer->late_failure, "%s", trainer->late_message);
    if (local != DHO_OK) memset(slab, 0, trainer->slab_floats * sizeof *slab);
    tail[TAIL_FAILURE] = local != DHO_OK;
    tail[TAIL_STOP] = dho_stop_signal_received();
    const double before = dho_seconds_now();
    DHO_TRY(dho_comm_tree_sum(trainer->comm, slab, trainer->slab_floats));
    const double comm_seconds = dho_seconds_now() - before;
    if (tail[TAIL_FAILURE] > 0) return dho_comm_agree(trainer->comm, local);
    *out_stop = tail[TAIL_STOP] > 0;

    dho_step_metrics metrics = describe(trainer, tail, lr);
    metrics.gradient_norm = gradient_norm(trainer, slab);
    if (!isfinite(metrics.loss) || !isfinite(metrics.gradient_norm)) {
        if (trainer->config->train.on_nonfinite == DHO_POLICY_FAIL ||
            ++trainer->skips_in_a_row == MOST_SKIPS)
            return dho_fail(DHO_ERR_NUMERIC,
                            "step %lld: loss %g, gradient norm %g: not finite%s",
                            (long long)metrics.step, metrics.loss, metrics.gradient_norm,
                            trainer->skips_in_a_row > 0 ? ", as those before it"
                                                        : " (a lower train.lr may help)");
        metrics.skipped = true;
        dho_info("step %lld: not finite, no update", (long long)metrics.step);
    } else {
        update(trainer, slab, lr);
        trainer->skips_in_a_row = 0;
    }
    trainer->step++;
    metrics.seconds = dho_seconds_now() - start;
    metrics.data_seconds = data_seconds;
    metrics.comm_seconds = comm_seconds;
    trainer->late_failure = dho_progress_step(&trainer->progress, &metrics);
    if (trainer->late_failure != DHO_OK)
        snprintf(trainer->late_message, sizeof trainer->late_message, "%s", dho_error_message());
    return DHO_OK;
}

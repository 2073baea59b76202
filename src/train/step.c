/* One global step: V microbatches, summed over a fixed tree, and one update. */
#include "train/trainer_internal.h"

#include "base/activity.h"
#include "base/clock.h"
#include "dho/log.h"
#include "dho/teacher.h"
#include "train/drop_path.h"
#include "train/ema.h"
#include "train/not_finite.h"
#include "train/pcgrad.h"
#include "train/stop_signal.h"

#include <math.h>
#include <string.h>

enum { MOST_SKIPS = 10 };

typedef struct dho_step_times {
    double data; /* seconds that a lane waited for images, the lanes' mean */
    dho_bucket_sum_times sum;
} dho_step_times;

static float *slab_of(const dho_trainer *trainer, int slot)
{
    return trainer->partials + (size_t)slot * trainer->slab_floats;
}

/* Behind the tail. */
static float *statistics_of(float *slab)
{
    return slab + TAIL_FLOATS;
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

/* Of floats begin .. end - 1 of a slab, where the gradients begin: what is in front of them is
 * added up in fp32, whatever comm.dtype is. */
static size_t gradients_in(const dho_trainer *trainer, size_t begin, size_t end)
{
    const size_t gradients = dho_trainer_gradients_begin(trainer);
    return begin > gradients ? begin : gradients < end ? gradients : end;
}

static void add_slabs(const dho_trainer *trainer, float *sum, const float *term, size_t begin,
                      size_t end)
{
    const size_t middle = gradients_in(trainer, begin, end);
    dho_add_floats(NULL, begin, sum + begin, term + begin, middle - begin);
    dho_add_floats(trainer->rounding, middle, sum + middle, term + middle, end - middle);
}

/* A microbatch's gradients, floats begin .. end - 1 of its slab. */
static void round_slab(const dho_trainer *trainer, float *slab, size_t begin, size_t end)
{
    const size_t from = gradients_in(trainer, begin, end);
    dho_round_floats(trainer->rounding, from, slab + from, end - from);
}

/* --- what leaves while backward goes on --- */

/* A lane's last microbatch of the step. */
typedef struct final_gradients {
    dho_trainer *trainer;
    int lane, top; /* top: the slot that it computes in */
    int merges;
    size_t from; /* of the slab: from there on all is final and merged */
} final_gradients;

/* The slab's floats from `from` on are final: added to the lane's other sums, they may leave. */
static void pass_on(final_gradients *f, size_t from)
{
    const dho_trainer *trainer = f->trainer;
    if (from >= f->from) return;
    round_slab(trainer, slab_of(trainer, f->top), from, f->from);
    for (int m = 0; m < f->merges; m++)
        add_slabs(trainer, slab_of(trainer, f->top - m - 1), slab_of(trainer, f->top - m), from,
                  f->from);
    f->from = from;
    dho_bucket_sum_ready(trainer->sum, f->lane, from);
}

static void pass_on_gradients(void *context, size_t from)
{
    final_gradients *f = context;
    pass_on(f, dho_trainer_gradients_begin(f->trainer) + from);
}

/* --- a lane --- */

/* A microbatch's gradients into its slab. Two sets: each loss has a run of its own, the teacher's
 * first, since the sum leaves from the slab's end. */
static dho_loss_terms run_microbatch(const dho_trainer *trainer, dho_microbatch *microbatch,
                                     const dho_objective *objective, float *slab)
{
    float *first = slab + dho_trainer_gradients_begin(trainer), *statistics = statistics_of(slab);
    if (trainer->gradient_sets == 1)
        return dho_microbatch_run(microbatch, objective, first, statistics, NULL);
    const dho_objective ce = dho_objective_only_ce(objective);
    const dho_objective teacher = dho_objective_only_teacher(objective);
    const dho_gradients_final final = microbatch->final;
    microbatch->final = NULL;
    const dho_loss_terms rest = dho_microbatch_run(
        microbatch, &teacher, slab + dho_trainer_gradient_offset(trainer), statistics, NULL);
    microbatch->final = final;
    dho_loss_terms terms = dho_microbatch_run(microbatch, &ce, first, statistics, NULL);
    terms.total += rest.total;
    return terms;
}

/* Gradients, batch statistics and metrics of one microbatch into slot `slot`. final: NULL but for
 * the lane's last one. */
static dho_status compute_microbatch(dho_trainer *trainer, dho_lane *lane, const dho_batch *batch,
                                     int slot, final_gradients *final)
{
    float *slab = slab_of(trainer, slot);
    if (trainer->cache != NULL)
        DHO_TRY(dho_teacher_logits(lane->compute, trainer->cache, trainer->head, batch->draws,
                                   batch->count, lane->teacher_payload, lane->teacher_scratch,
                                   lane->teacher_logits));
    dho_microbatch microbatch = {.executor = lane->executor,
                                 .student = &trainer->student,
                                 .parameters = trainer->parameters,
                                 .buffers = trainer->buffers,
                                 .drops = lane->drops,
                                 .passes = trainer->passes,
                                 .rows = batch->count,
                                 .labelled = batch->labelled,
                                 .images = batch->images,
                                 .labels = batch->labels,
                                 .teacher_logits = lane->teacher_logits,
                                 .embeddings = lane->teacher_payload};
    dho_objective objective =
        dho_objective_at(&trainer->objective, trainer->step, trainer->length.total_steps);
    objective.scratch = lane->loss_scratch;
    if (lane->drops != NULL)
        dho_drop_path_fill(trainer->student.graph, trainer->config, batch, lane->drops);
    if (dho_step_conflict_due(&trainer->conflict, trainer->step + 1))
        dho_step_conflict_run(&trainer->conflict, &microbatch, &objective, lane->index, slot);
    memset(slab, 0, trainer->slab_floats * sizeof *slab);
    if (final != NULL) {
        microbatch.final = pass_on_gradients;
        microbatch.final_context = final;
    }
    const dho_loss_terms terms = run_microbatch(trainer, &microbatch, &objective, slab);
    take_terms(&terms, slab);
    if (trainer->cache != NULL)
        dho_teacher_score_count(batch, trainer->dataset.classes, lane->teacher_logits,
                                &slab[TAIL_TEACHER], &slab[TAIL_TEACHER_RIGHT]);
    if (!isfinite(terms.total)) dho_not_finite_warn(trainer, lane, batch, terms.total);
    if (final != NULL)
        pass_on(final, 0);
    else
        round_slab(trainer, slab, 0, trainer->slab_floats);
    return DHO_OK;
}

/* Microbatch place first + i in slot `top`, and the sums that it makes whole. */
static dho_status take_microbatch(dho_trainer *trainer, dho_lane *lane, int i, int top)
{
    const dho_share *share = &trainer->share;
    const bool last = share->first + i + 1 == share->lane_first[lane->index + 1];
    final_gradients final = {.trainer = trainer,
                             .lane = lane->index,
                             .top = top,
                             .merges = share->merges[i],
                             .from = trainer->slab_floats};
    dho_batch batch;
    DHO_TRY(dho_lanes_take(lane, trainer->loader, share, &batch));
    dho_activity_begin("computes", NULL, false);
    const dho_status status = compute_microbatch(trainer, lane, &batch, top, last ? &final : NULL);
    dho_activity_end();
    dho_lanes_release(lane, trainer->loader, &batch);
    if (status != DHO_OK) return status;
    const bool conflict = dho_step_conflict_due(&trainer->conflict, trainer->step + 1);
    for (int m = 0; m < share->merges[i]; m++, top--) {
        float *sum = slab_of(trainer, top - 1), *term = slab_of(trainer, top);
        if (!last && trainer->rounding != NULL)
            add_slabs(trainer, sum, term, 0, trainer->slab_floats);
        else if (!last) /* with all threads of the lane */
            dho_compute_kernels(lane->compute)
                ->add(lane->compute, trainer->slab_floats, sum, term, sum);
        if (conflict) dho_step_conflict_merge(&trainer->conflict, lane->compute, top - 1, top);
    }
    return DHO_OK;
}

/* A lane's microbatches, added up in its slots in tree order. */
static dho_status compute_lane(void *context, dho_lane *lane)
{
    dho_trainer *trainer = context;
    const dho_share *share = &trainer->share;
    int top = share->lane_slot[lane->index];
    lane->data_seconds = 0;
    for (int place = share->lane_first[lane->index]; place < share->lane_first[lane->index + 1];
         place++) {
        const int i = place - share->first;
        DHO_TRY(take_microbatch(trainer, lane, i, top));
        top += 1 - share->merges[i];
    }
    return DHO_OK;
}

void dho_step_merge_lanes(void *context, size_t begin, size_t end)
{
    const dho_trainer *trainer = context;
    const size_t middle = gradients_in(trainer, begin, end);
    dho_share_merge(&trainer->share, trainer->partials, trainer->slab_floats, begin, middle, NULL);
    dho_share_merge(&trainer->share, trainer->partials, trainer->slab_floats, middle, end,
                    trainer->rounding);
}

/* --- the step --- */

/* |gradient|: chunks of a fixed size summed in order, so the number does not depend on threads, nor
 * on who owns which chunk. Collective. */
static dho_status gradient_norm(const dho_trainer *trainer, const float *gradient, double *out)
{
    const size_t chunks = dho_chunk_count(trainer->parameter_floats);
    memset(trainer->norm_chunks, 0, chunks * sizeof *trainer->norm_chunks);
    for (size_t i = 0; i < trainer->owned.count; i++)
        dho_chunk_sum(dho_compute_threads(trainer->compute), trainer->owned.items[i].begin,
                      trainer->owned.items[i].end, gradient, gradient, trainer->norm_chunks);
    if (trainer->owned.sharded) /* of each chunk all ranks but one have the bits 0 */
        DHO_TRY(dho_comm_sum_int64(trainer->comm, (int64_t *)trainer->norm_chunks, chunks));
    double total = 0;
    for (size_t c = 0; c < chunks; c++) total += trainer->norm_chunks[c];
    *out = sqrt(total) / trainer->shards;
    return DHO_OK;
}

/* Collective where the optimizer is sharded. */
static dho_status update(dho_trainer *trainer, float *slab, const dho_step_metrics *metrics)
{
    const dho_config *config = trainer->config;
    const dho_update step = {.compute = trainer->compute,
                             .config = config,
                             .groups = &trainer->groups,
                             .step = trainer->step + 1,
                             .lr = metrics->values[DHO_METRIC_LR],
                             .gradient_scale =
                                 dho_gradient_scale(trainer->shards, config->train.clip_grad,
                                                    metrics->values[DHO_METRIC_GRADIENT_NORM]),
                             .gradients = slab + dho_trainer_gradient_offset(trainer),
                             .parameters = trainer->parameters,
                             .moment1 = trainer->moment1,
                             .moment2 = trainer->moment2};
    for (size_t i = 0; i < trainer->owned.count; i++) {
        const dho_owned_range *own = &trainer->owned.items[i];
        dho_update_range(&step, own->begin, own->end, own->moment);
    }
    DHO_TRY(dho_owned_spread(&trainer->owned, trainer->parameters));
    /* Towards the mean of the microbatches' statistics. */
    if (config->student.batch_norm == DHO_BATCH_NORM_BATCH)
        dho_microbatch_move_statistics(trainer->buffer_floats, trainer->passes,
                                       1.0f / (float)trainer->shards, statistics_of(slab),
                                       trainer->buffers);
    if (trainer->ema_parameters == NULL) return DHO_OK;
    const int threads = dho_compute_threads(trainer->compute);
    dho_ema_update(trainer->parameter_floats, config->train.ema, trainer->parameters,
                   trainer->ema_parameters, threads);
    dho_ema_update(trainer->buffer_floats, config->train.ema, trainer->buffers,
                   trainer->ema_buffers, threads);
    return DHO_OK;
}

/* The metrics of the step whose sum `slab` is, but for its times. */
static dho_status describe(const dho_trainer *trainer, float *slab, dho_step_metrics *out)
{
    *out = (dho_step_metrics){.step = trainer->step + 1};
    const dho_step_rows rows = dho_sampler_rows(trainer->sampler, trainer->step);
    const double v = trainer->shards;
    dho_metrics_of_step(slab, v, v * (rows.labelled > 0 ? rows.labelled : 1), out->values);
    out->values[DHO_METRIC_EPOCH] = (double)out->step / (double)trainer->length.steps_per_epoch;
    out->values[DHO_METRIC_LR] =
        trainer->config->train.lr * dho_schedule_factor(&trainer->schedule, trainer->step);
    out->values[DHO_METRIC_IMAGES_PER_SECOND] = v * (rows.labelled + rows.unlabelled);
    return gradient_norm(trainer, slab + dho_trainer_gradient_offset(trainer),
                         &out->values[DHO_METRIC_GRADIENT_NORM]);
}

/* All ranks' microbatches into sums[0]. A rank's failure, here or in its log before, is all
 * ranks'. A rank that has failed has sent nothing yet: its part of the sum is then 0, but for the
 * news. */
static dho_status compute_sum(dho_trainer *trainer, const dho_local_failure *log,
                              dho_step_times *out_times)
{
    float *tail = trainer->sums[0];
    dho_status local = dho_local_failure_raise(log);
    trainer->rounding_now = dho_rounding_of_step(trainer->config->seed, trainer->step);
    trainer->rounding =
        trainer->config->comm.dtype == DHO_DTYPE_BF16 ? &trainer->rounding_now : NULL;
    dho_bucket_sum_begin(trainer->sum, trainer->rounding);
    if (local == DHO_OK) local = dho_lanes_run(&trainer->lanes, compute_lane, trainer);
    if (local != DHO_OK)
        memset(trainer->partials, 0,
               (size_t)trainer->share.slots * trainer->slab_floats * sizeof *trainer->partials);
    tail[TAIL_FAILURE] = local != DHO_OK;
    tail[TAIL_STOP] = dho_stop_signal_received();
    out_times->data = 0;
    for (int i = 0; i < trainer->lanes.count; i++)
        out_times->data += trainer->lanes.items[i].data_seconds / trainer->lanes.count;
    DHO_TRY(dho_bucket_sum_finish(trainer->sum, &out_times->sum));
    return tail[TAIL_FAILURE] > 0 ? dho_comm_agree(trainer->comm, local) : DHO_OK;
}

static dho_status fail_step(dho_trainer *trainer, const dho_step_metrics *metrics, float *gradient)
{
    DHO_TRY(dho_owned_spread(&trainer->owned, gradient));
    return dho_not_finite_fail(trainer, metrics, gradient);
}

/* Updates the weights, or skips a step that is not finite where the configuration allows it. */
static dho_status update_if_finite(dho_trainer *trainer, float *slab, dho_step_metrics *metrics)
{
    if (isfinite(metrics->values[DHO_METRIC_LOSS]) &&
        isfinite(metrics->values[DHO_METRIC_GRADIENT_NORM])) {
        trainer->skips_in_a_row = 0;
        return update(trainer, slab, metrics);
    }
    if (trainer->config->train.on_nonfinite == DHO_POLICY_FAIL ||
        ++trainer->skips_in_a_row == MOST_SKIPS)
        return fail_step(trainer, metrics, slab + dho_trainer_gradient_offset(trainer));
    metrics->skipped = true;
    dho_info("step %lld: not finite, no update", (long long)metrics->step);
    return DHO_OK;
}

static void take_times(const dho_step_times *times, double start, dho_step_metrics *metrics)
{
    const double comm = times->sum.waited + times->sum.hidden;
    metrics->values[DHO_METRIC_STEP_SECONDS] = dho_seconds_now() - start;
    metrics->values[DHO_METRIC_DATA_SECONDS] = times->data;
    metrics->values[DHO_METRIC_COMM_SECONDS] = times->sum.waited;
    metrics->values[DHO_METRIC_COMM_HIDDEN] = comm > 0 ? times->sum.hidden / comm : 0;
}

static dho_status run_step(dho_trainer *trainer, dho_local_failure *inout_log, bool *out_stop)
{
    const double start = dho_seconds_now();
    float *slab = trainer->sums[0];
    dho_step_times times;
    DHO_TRY(compute_sum(trainer, inout_log, &times));
    *out_stop = slab[TAIL_STOP] > 0;
    if (trainer->gradient_sets == 2)
        dho_pcgrad_join(dho_compute_threads(trainer->compute), trainer->parameter_floats,
                        slab + dho_trainer_gradients_begin(trainer),
                        slab + dho_trainer_gradient_offset(trainer), trainer->norm_chunks);

    dho_step_metrics metrics;
    DHO_TRY(describe(trainer, slab, &metrics));
    DHO_TRY(update_if_finite(trainer, slab, &metrics));
    trainer->step++;

    dho_status written = DHO_OK;
    if (dho_step_conflict_due(&trainer->conflict, trainer->step))
        DHO_TRY(dho_step_conflict_finish(&trainer->conflict, &trainer->share, trainer->comm,
                                         trainer->shards, trainer->step, &trainer->progress,
                                         &written));
    take_times(&times, start, &metrics);
    if (written == DHO_OK) written = dho_progress_step(&trainer->progress, &metrics);
    const int64_t rows =
        trainer->shards * (int64_t)dho_sampler_rows(trainer->sampler, trainer->step - 1).labelled;
    if (written == DHO_OK)
        written = dho_teacher_score_step(&trainer->teacher_score, trainer->step, rows,
                                         &slab[TAIL_TEACHER], &trainer->progress);
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

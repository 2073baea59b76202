/* A run that is opened, tried for a few steps and thrown away: what it would take, and what it
 * would write. */
#include "base/clock.h"
#include "base/machine.h"
#include "dho/alloc.h"
#include "dho/trainer.h"
#include "train/run_sizes.h"
#include "train/trainer_internal.h"

enum { MOST_TIMED = 20 };
#define TIMED_SECONDS 10.0

/* Until what the loader has decoded ahead is used up, steps are faster than those of a long run. */
static int64_t warm_up_steps(const dho_trainer *trainer)
{
    return 1 + trainer->config->data.prefetch / trainer->share.count + 1;
}

/* Rank 0's clock says for all when it is enough. */
static dho_status is_enough(const dho_trainer *trainer, double seconds, int64_t steps, bool *out)
{
    *out = steps == MOST_TIMED || (steps > 0 && seconds > TIMED_SECONDS);
    return dho_comm_broadcast(trainer->comm, out, sizeof *out, 0);
}

/* Steps on the weights in memory, which are thrown away. */
static dho_status run_steps(dho_trainer *trainer, int64_t warm_up, dho_dry_run *out)
{
    dho_local_failure log = {DHO_OK, ""};
    const int64_t last = trainer->length.total_steps;
    double start = dho_seconds_now();
    bool enough = false;
    while (!enough && trainer->step < last) {
        bool stop;
        DHO_TRY(dho_trainer_step(trainer, &log, &stop));
        if (warm_up > 0 && trainer->step < last) {
            warm_up--;
            out->warm_up++;
            start = dho_seconds_now();
            continue;
        }
        out->timed++;
        const double seconds = dho_seconds_now() - start;
        out->step_seconds = seconds / (double)out->timed;
        DHO_TRY(is_enough(trainer, seconds, out->timed, &enough));
    }
    return DHO_OK;
}

static dho_status run_evaluation(const dho_trainer *trainer, dho_dry_run *out)
{
    int64_t more;
    const int64_t every = trainer->config->train.eval_every;
    out->evaluations =
        dho_progress_evaluations(trainer->step, out->total_steps, every) + trainer->standing.due;
    if (out->evaluations == 0) return DHO_OK;
    DHO_TRY(dho_set_evaluator_time(trainer->evaluator, &out->evaluation_seconds, &more));
    out->evaluation = (int64_t)dho_set_evaluator_bytes(trainer->evaluator);
    if (trainer->rank == 0) out->rank_bytes = more;
    return DHO_OK;
}

/* Of one rank, by the planner and the slabs; and all that was allocated, by the counter. */
static dho_status describe_memory(const dho_trainer *trainer, dho_dry_run *out)
{
    const dho_run_memory kept =
        dho_run_memory_of(trainer->config, trainer->parameter_floats, trainer->buffer_floats,
                          trainer->passes, trainer->share.slots, trainer->owned.floats);
    out->weights = kept.weights;
    out->gradients = kept.gradients;
    out->optimizer = kept.optimizer;
    out->average = kept.average;
    out->activations = (int64_t)dho_trainer_activation_bytes(trainer);
    out->rank_bytes += (int64_t)dho_alloc_get_stats().peak_bytes;
    out->copies = DHO_CHECKPOINTS_PENDING * out->checkpoint_bytes;
    if (trainer->rank == 0) out->rank_bytes += out->copies;
    out->all_bytes = out->rank_bytes;
    out->memory_left = dho_machine_memory("");
    return dho_comm_sum_int64(trainer->comm, &out->all_bytes, 1);
}

static dho_status describe_files(const dho_trainer *trainer, dho_dry_run *out)
{
    enum { LINE_BYTES = 400 }; /* of metrics.jsonl, about */
    const dho_config *config = trainer->config;
    const int64_t left = out->total_steps - out->first_step, every = config->train.checkpoint_every;
    const int64_t best = config->train.keep_best != DHO_BEST_NONE;
    const int64_t most = config->train.checkpoint_keep + best; /* and the one being written */
    const int64_t saved = (every > 0 ? (left + every - 1) / every : 1) + best * out->evaluations;
    out->checkpoint_bytes = dho_trainer_checkpoint_bytes(trainer);
    out->checkpoints = saved <= most ? saved : most + 1;
    out->metrics_bytes = (left / config->train.log_every + 1 + out->evaluations) * LINE_BYTES;
    if (trainer->rank == 0)
        DHO_TRY(dho_trainer_look_at_place(trainer->config->out, &out->disk_left));
    return DHO_OK;
}

static dho_status look(dho_trainer *trainer, const char *resume, dho_dry_run *out)
{
    trainer->dry = true;
    DHO_TRY(dho_trainer_resume(trainer, resume));
    *out = (dho_dry_run){.first_step = trainer->step,
                         .total_steps = trainer->length.total_steps,
                         .parameters = (int64_t)trainer->parameter_floats,
                         .classes = trainer->dataset.classes,
                         .images = dho_dataset_heap_start(&trainer->dataset),
                         .heap = trainer->dataset.count - dho_dataset_heap_start(&trainer->dataset),
                         .labelled = trainer->labelled.count,
                         .held_out = trainer->held_out,
                         .ranks = trainer->ranks,
                         .threads = dho_compute_threads(trainer->compute)};
    dho_run_length_describe(&trainer->length, trainer->config, out->length, sizeof out->length);
    DHO_TRY(run_evaluation(trainer, out));
    DHO_TRY(dho_comm_agree(trainer->comm, describe_files(trainer, out)));
    if (trainer->step < trainer->length.total_steps) {
        DHO_TRY(dho_trainer_start_loader(trainer));
        DHO_TRY(run_steps(trainer, warm_up_steps(trainer), out));
    }
    return describe_memory(trainer, out);
}

dho_status dho_train_dry_run(const dho_config *config, dho_comm *comm, const char *resume,
                             dho_dry_run *out)
{
    dho_trainer trainer;
    *out = (dho_dry_run){0};
    dho_status status = dho_trainer_open(&trainer, config, comm, resume);
    if (status == DHO_OK) status = look(&trainer, resume, out);
    dho_trainer_close(&trainer);
    return status;
}

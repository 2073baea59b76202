/* What each lane has of its own. */
#include "dho/alloc.h"
#include "dho/log.h"
#include "dho/microbatch.h"
#include "train/run_sizes.h"
#include "train/trainer_internal.h"

static dho_status open_teacher(const dho_trainer *trainer, dho_lane *lane)
{
    const size_t rows = (size_t)trainer->micro_batch;
    const size_t dim = (size_t)dho_cache_get_spec(trainer->cache)->dim;
    DHO_TRY(dho_alloc(&lane->teacher_payload, rows * dim, sizeof(float), "teacher"));
    DHO_TRY(dho_alloc(&lane->teacher_logits, rows * (size_t)trainer->dataset.classes, sizeof(float),
                      "teacher"));
    DHO_TRY(dho_alloc(&lane->teacher_scratch, dho_teacher_head_scratch(trainer->head, (int)rows),
                      sizeof(float), "teacher"));
    if (trainer->transport.kernel == NULL) return DHO_OK;
    return dho_alloc(&lane->loss_scratch, dho_transport_scratch(&trainer->transport),
                     sizeof(double), "teacher");
}

/* Its threads: all of the rank's for a single lane. Where a table chooses kernels, it does so for
 * steps alone: evaluations, which have the rank's own kernels, are what dho eval makes of them. */
static dho_status open_compute(const dho_trainer *trainer, dho_lane *lane)
{
    const dho_config *config = trainer->config;
    const int all = dho_compute_threads(trainer->compute);
    const int each = dho_run_lane_threads(config, all, trainer->lanes.count);
    if (trainer->lanes.count == 1 && each == all && trainer->tuning == NULL) {
        lane->compute = trainer->compute;
        return DHO_OK;
    }
    DHO_TRY(
        dho_compute_create(&lane->compute, config->compute.backend, config->compute.dtype, each));
    dho_compute_tune(lane->compute, trainer->tuning);
    return DHO_OK;
}

static dho_status open_lane(const dho_trainer *trainer, dho_lane *lane)
{
    DHO_TRY(open_compute(trainer, lane));
    const dho_executor_options execution = {
        .compute = lane->compute,
        .batch = dho_microbatch_largest_pass(trainer->passes, trainer->micro_batch,
                                             trainer->micro_labelled),
        .training = true,
        .recompute = trainer->config->compute.recompute};
    DHO_TRY(dho_executor_create(&lane->executor, trainer->student.graph, &execution));
    DHO_TRY(dho_trainer_prepare_passes(trainer, lane->executor));
    const int drops = dho_graph_drop_count(trainer->student.graph);
    if (drops > 0)
        DHO_TRY(dho_alloc(&lane->drops, (size_t)trainer->micro_batch * (size_t)drops,
                          sizeof *lane->drops, "factors of branches"));
    return trainer->cache != NULL ? open_teacher(trainer, lane) : DHO_OK;
}

dho_status dho_trainer_open_lanes(dho_trainer *trainer)
{
    DHO_TRY(dho_lanes_create(&trainer->lanes, trainer->share.lane_count));
    for (int i = 0; i < trainer->lanes.count; i++)
        DHO_TRY(open_lane(trainer, &trainer->lanes.items[i]));
    return DHO_OK;
}

size_t dho_trainer_activation_bytes(const dho_trainer *trainer)
{
    size_t bytes = 0;
    for (int i = 0; i < trainer->lanes.count; i++)
        bytes += dho_executor_arena_bytes(trainer->lanes.items[i].executor);
    return bytes;
}

/* Of all ranks: the most microbatches of one. */
static int most_microbatches(const dho_trainer *trainer)
{
    return (trainer->shards + trainer->ranks - 1) / trainer->ranks;
}

void dho_trainer_announce_lanes(const dho_trainer *trainer)
{
    const int each = dho_compute_threads(trainer->lanes.items[0].compute);
    const int lanes = trainer->lanes.count,
              idle = dho_compute_threads(trainer->compute) - lanes * each;
    const int most = most_microbatches(trainer);
    const double even = (double)trainer->shards / ((double)trainer->ranks * most);
    if (even < 1)
        dho_info("%d ranks for %d shards: a rank has %d at most, %.0f %% of the time is idle (none "
                 "where the ranks divide the shards)",
                 trainer->ranks, trainer->shards, most, 100 * (1 - even));
    if (each > 1)
        dho_info("%d threads for each microbatch: the bits are those of so many "
                 "(docs/reproducibility.md)",
                 each);
    if (idle > 0)
        dho_info("%d thread%s idle while gradients are computed: train.shards has %d for each rank",
                 idle, idle == 1 ? " is" : "s are", most);
}

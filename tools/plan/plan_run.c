#include "plan/plan_run.h"

#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/file.h"
#include "dho/microbatch.h"
#include "dho/run_setup.h"
#include "train/checkpoint_writer.h"
#include "train/share.h"

#include <stdio.h>

/* The number of images, labelled ones and those that are drawn as unlabelled ones. */
static dho_status count_images(plan_run *run, int64_t *labelled, int64_t *unlabelled)
{
    dho_id_list list = {0}, holdout = {0}, excluded = {0};
    DHO_TRY(dho_setup_dataset(run->config, &run->dataset));
    dho_status status = dho_setup_split(run->config, &run->dataset, &list, &holdout);
    if (status == DHO_OK) status = dho_setup_excluded(run->config, &list, &holdout, &excluded);
    run->images = run->dataset.count;
    run->classes = run->dataset.classes;
    *labelled = list.count;
    *unlabelled = run->images - excluded.count;
    dho_id_list_free(&list);
    dho_id_list_free(&holdout);
    dho_id_list_free(&excluded);
    return status;
}

static dho_status open_images(plan_run *run, const dho_plan_data *told)
{
    const dho_config *config = run->config;
    int64_t labelled = told->labelled, unlabelled = told->images;
    if (told->images > 0) {
        if (labelled > told->images)
            return dho_fail(DHO_ERR_CONFIG, "--labelled: %lld of %lld images", (long long)labelled,
                            (long long)told->images);
        run->images = told->images;
        run->classes = told->classes;
        if (config->data.exclude_labelled) unlabelled -= labelled;
    } else {
        const dho_status status = count_images(run, &labelled, &unlabelled);
        if (status != DHO_OK && !dho_path_is_folder(config->data.root))
            return dho_fail(status,
                            "%s (to plan without the images: --images, --labelled and --classes)",
                            dho_error_message());
        DHO_TRY(status);
    }
    run->length = dho_run_length_of(config, labelled, unlabelled);
    return DHO_OK;
}

static dho_status open_teacher(plan_run *run, const dho_plan_data *told)
{
    const char *folder = run->config->teacher.cache;
    run->has_teacher = dho_method_uses_teacher(run->config->method);
    if (!run->has_teacher) return DHO_OK;
    run->cache_is_there = folder[0] != '\0' && dho_path_is_folder(folder);
    if (run->cache_is_there) {
        dho_cache *cache;
        DHO_TRY(dho_cache_open(&cache, folder));
        run->cache = *dho_cache_get_spec(cache);
        dho_cache_close(&cache);
        return DHO_OK;
    }
    run->cache = (dho_cache_spec){.count = run->images,
                                  .shards = (int)run->config->train.shards,
                                  .views = told->views,
                                  .payload = DHO_CACHE_EMBEDDING,
                                  .encoding = DHO_CACHE_FP16,
                                  .dim = told->dim,
                                  .classes = run->classes};
    return DHO_OK;
}

dho_status plan_run_create_executor(const plan_run *run, int threads, dho_compute **out_compute,
                                    dho_executor **out_executor)
{
    const dho_config *config = run->config;
    DHO_TRY(
        dho_compute_create(out_compute, config->compute.backend, config->compute.dtype, threads));
    dho_compute_tune(*out_compute, run->tuning);
    const dho_executor_options execution = {.compute = *out_compute,
                                            .batch = run->largest,
                                            .training = true,
                                            .recompute = config->compute.recompute};
    DHO_TRY(dho_executor_create(out_executor, run->student.graph, &execution));
    const int other = run->rows.all - run->largest;
    return run->passes == 2 && other > 0 ? dho_executor_prepare(*out_executor, other) : DHO_OK;
}

/* The executor's memory, by making one. */
static dho_status open_student(plan_run *run)
{
    const dho_config *config = run->config;
    const dho_student_options options = dho_run_student(config, run->classes, run->cache.dim);
    dho_compute *compute = NULL;
    dho_executor *executor = NULL;
    DHO_TRY(dho_student_create(&run->student, &options));
    run->rows = dho_run_rows(config);
    run->passes =
        dho_microbatch_passes(&run->student, config->train.forward == DHO_FORWARD_SEPARATE,
                              run->rows.all, run->rows.labelled);
    DHO_TRY(dho_microbatch_check(&run->student, run->passes, run->rows.all, run->rows.labelled));
    run->largest = dho_microbatch_largest_pass(run->passes, run->rows.all, run->rows.labelled);
    const int64_t before = dho_alloc_get_stats().live_bytes;
    const dho_status status = plan_run_create_executor(run, 1, &compute, &executor);
    run->arena_bytes = dho_alloc_get_stats().live_bytes - before;
    if (status == DHO_OK) {
        run->input_bytes = (int64_t)dho_executor_input_bytes(executor);
        snprintf(run->backend, sizeof run->backend, "%s", dho_compute_kernels(compute)->name);
    }
    dho_executor_destroy(&executor);
    dho_compute_destroy(&compute);
    return status;
}

dho_status plan_run_open(plan_run *out, const dho_config *config, const dho_plan_data *told)
{
    *out = (plan_run){.config = config};
    if (config->compute.tuning[0] != '\0')
        DHO_TRY(dho_tuning_read(&out->tuning, config->compute.tuning));
    DHO_TRY(open_images(out, told));
    DHO_TRY(open_teacher(out, told));
    return open_student(out);
}

void plan_run_free(plan_run *run)
{
    dho_student_destroy(&run->student);
    dho_dataset_free(&run->dataset);
    dho_tuning_destroy(&run->tuning);
}

static dho_run_memory memory_of(const plan_run *run, int slabs, int owners)
{
    const dho_graph *graph = run->student.graph;
    const size_t floats = dho_graph_parameter_floats(graph), ranks = (size_t)owners;
    return dho_run_memory_of(run->config, floats, dho_graph_buffer_floats(graph), run->passes,
                             slabs, (floats + ranks - 1) / ranks);
}

static double checkpoint_bytes(const plan_run *run)
{
    const dho_config *config = run->config;
    const dho_checkpoint_writer_options options = {
        .parameter_floats = dho_graph_parameter_floats(run->student.graph),
        .buffer_floats = dho_graph_buffer_floats(run->student.graph),
        .has_moment2 = config->train.optimizer == DHO_OPTIMIZER_ADAMW,
        .has_average = config->train.ema > 0};
    return (double)dho_checkpoint_writer_bytes(&options);
}

double plan_run_cache_bytes(const plan_run *run)
{
    const dho_cache_spec *spec = &run->cache;
    if (!run->has_teacher) return 0;
    return (double)dho_cache_record_bytes(spec) * spec->views * (double)spec->count;
}

plan_job plan_run_job(const plan_run *run)
{
    const dho_config *config = run->config;
    const dho_run_memory memory = memory_of(run, 1, 1);
    const int64_t every = config->train.checkpoint_every, steps = run->length.total_steps;
    return (plan_job){.shards = (int)config->train.shards,
                      .rows = run->rows.all,
                      .moments = config->train.optimizer == DHO_OPTIMIZER_ADAMW ? 2 : 1,
                      .average = config->train.ema > 0,
                      .weights = (double)dho_graph_parameter_floats(run->student.graph),
                      .slab_bytes = (double)memory.gradients,
                      .packed = config->comm.dtype == DHO_DTYPE_BF16,
                      .record_bytes =
                          run->has_teacher ? (double)dho_cache_record_bytes(&run->cache) : 0,
                      .steps = (double)steps,
                      .checkpoints = (double)(every > 0 ? (steps + every - 1) / every : 1),
                      .checkpoint_steps = (double)every,
                      .checkpoint_bytes = checkpoint_bytes(run)};
}

dho_status plan_run_share(const plan_run *run, const plan_place *place, plan_share *out,
                          int *out_slabs)
{
    const dho_config *config = run->config;
    const int ranks = place->nodes * place->ranks_per_node;
    const int lanes = dho_run_lanes(config, place->threads);
    *out = (plan_share){.bucket_bytes = (double)DHO_RUN_BUCKET_FLOATS * sizeof(float),
                        .shards_optimizer = config->train.shard_optimizer};
    *out_slabs = 0;
    for (int rank = 0; rank < ranks; rank++) {
        dho_share share;
        DHO_TRY(dho_share_create(&share, (int)config->train.shards, ranks, rank, lanes));
        if (share.count > out->most) out->most = share.count;
        if (share.lane_count > out->lanes) out->lanes = share.lane_count;
        if (share.sum_count > out->sums) out->sums = share.sum_count;
        if (share.slots > *out_slabs) *out_slabs = share.slots;
        dho_share_free(&share);
    }
    out->lane_threads = dho_run_lane_threads(config, place->threads, out->lanes);
    return DHO_OK;
}

double plan_run_rank_bytes(const plan_run *run, const plan_share *share, int slabs, int ranks)
{
    const dho_run_memory kept = memory_of(run, slabs, share->shards_optimizer ? ranks : 1);
    const double ahead = (double)(run->config->data.prefetch + 1) * run->rows.all *
                         (double)run->input_bytes; /* the loader's ring */
    return (double)(kept.weights + kept.gradients + kept.optimizer + kept.average) +
           (double)run->arena_bytes * share->lanes + ahead +
           DHO_CHECKPOINTS_PENDING * checkpoint_bytes(run);
}

/* Opening a run: data, student, slabs. The teacher is trainer_teacher.c's. */
#include "train/trainer_internal.h"

#include "base/folder_lock.h"
#include "checkpoint/initial_weights.h"
#include "dho/alloc.h"
#include "dho/log.h"
#include "dho/microbatch.h"
#include "dho/run_setup.h"
#include "dho/teacher.h"
#include "train/run_sizes.h"
#include "train/run_tuning.h"

#include <math.h>
#include <string.h>

static dho_status check_shards(const dho_trainer *trainer)
{
    if (trainer->ranks > trainer->shards)
        return dho_fail(DHO_ERR_CONFIG,
                        "%d ranks but train.shards is %d: each rank needs a shard of its own (use "
                        "at most %d ranks, or more shards)",
                        trainer->ranks, trainer->shards, trainer->shards);
    return DHO_OK;
}

static dho_status open_sampler(dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    const dho_micro_rows rows = dho_run_rows(config);
    trainer->micro_labelled = rows.labelled;
    trainer->micro_batch = rows.all;
    const bool loader = config->train.batches == DHO_BATCHES_LOADER;
    const dho_sampler_options options = {.seed = config->seed,
                                         .shards = trainer->shards,
                                         .labelled = trainer->micro_labelled,
                                         .unlabelled = rows.all - rows.labelled,
                                         .dataset_count = trainer->dataset.count,
                                         .labelled_ids = trainer->labelled.ids,
                                         .labelled_count = trainer->labelled.count,
                                         .excluded_ids = trainer->excluded.ids,
                                         .excluded_count = trainer->excluded.count,
                                         .epoch_steps =
                                             loader ? trainer->length.steps_per_epoch : 0};
    return dho_sampler_create(&trainer->sampler, &options);
}

/* Which images are labelled, and which are not drawn as unlabelled ones. */
static dho_status open_subsets(dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    dho_id_list holdout;
    DHO_TRY(dho_setup_split(config, &trainer->dataset, &trainer->labelled, &holdout));
    trainer->held_out = holdout.count;
    const dho_status status =
        dho_setup_excluded(config, &trainer->labelled, &holdout, &trainer->excluded);
    dho_id_list_free(&holdout);
    return status;
}

static dho_status open_data(dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    DHO_TRY(dho_setup_dataset(config, &trainer->dataset));
    if (trainer->dataset.classes == 1 && trainer->rank == 0)
        dho_warn("%s: the task has one class: there is nothing to learn, and every answer is right",
                 config->data.root);
    DHO_TRY(open_subsets(trainer));
    DHO_TRY(dho_trainer_open_teacher(trainer));
    trainer->length = dho_run_length_of(config, trainer->labelled.count,
                                        trainer->dataset.count - trainer->excluded.count);
    DHO_TRY(open_sampler(trainer));
    trainer->schedule = dho_schedule_create(config, trainer->length.total_steps);
    return dho_schedule_check(&trainer->schedule);
}

static dho_status open_share(dho_trainer *trainer)
{
    DHO_TRY(
        dho_share_create(&trainer->share, trainer->shards, trainer->ranks, trainer->rank,
                         dho_run_lanes(trainer->config, dho_compute_threads(trainer->compute))));
    return dho_comm_set_tree(trainer->comm, trainer->shards);
}

/* The average begins as the weights; a checkpoint to go on from has its own. */
static dho_status open_average(dho_trainer *trainer)
{
    const size_t floats = trainer->parameter_floats, buffer_floats = trainer->buffer_floats;
    const double left = pow(trainer->config->train.ema, (double)trainer->length.total_steps);
    const char *what = "average of the weights";
    DHO_TRY(dho_alloc(&trainer->ema_parameters, floats, sizeof(float), what));
    DHO_TRY(dho_alloc(&trainer->ema_buffers, buffer_floats, sizeof(float), what));
    memcpy(trainer->ema_parameters, trainer->parameters, floats * sizeof(float));
    memcpy(trainer->ema_buffers, trainer->buffers, buffer_floats * sizeof(float));
    if (left > 0.01 && trainer->rank == 0)
        dho_warn(
            "train.ema: %g: after %lld steps, %.0f %% of the average are still the weights that "
            "the run began with",
            trainer->config->train.ema, (long long)trainer->length.total_steps, 100 * left);
    return DHO_OK;
}

static dho_status open_sums(dho_trainer *trainer)
{
    const dho_share *share = &trainer->share;
    DHO_TRY(dho_alloc_zero(&trainer->partials, (size_t)share->slots * trainer->slab_floats,
                           sizeof(float), "gradients"));
    DHO_TRY(
        dho_alloc(&trainer->sums, (size_t)share->sum_count, sizeof *trainer->sums, "gradients"));
    dho_share_sums(share, trainer->partials, trainer->slab_floats, trainer->sums);
    return dho_bucket_sum_create(
        &trainer->sum,
        &(dho_bucket_sum_options){.comm = trainer->comm,
                                  .sums = trainer->sums,
                                  .count = trainer->slab_floats,
                                  .bucket = DHO_RUN_BUCKET_FLOATS,
                                  .whole = dho_trainer_gradients_begin(trainer),
                                  /* Two sets are joined by what each rank knows of all floats. */
                                  .scatter = trainer->owned.sharded && trainer->gradient_sets == 1,
                                  .lanes = share->lane_count,
                                  .merge = dho_step_merge_lanes,
                                  .context = trainer});
}

static dho_status open_slabs(dho_trainer *trainer)
{
    const dho_graph *graph = trainer->student.graph;
    trainer->parameter_floats = dho_graph_parameter_floats(graph);
    trainer->buffer_floats = dho_graph_buffer_floats(graph);
    trainer->gradient_sets = dho_run_gradient_sets(trainer->config);
    trainer->slab_floats = dho_run_slab_floats(trainer->config, trainer->parameter_floats,
                                               trainer->buffer_floats, trainer->passes);
    const size_t floats = trainer->parameter_floats;
    DHO_TRY(dho_alloc_zero(&trainer->parameters, floats, sizeof(float), "parameters"));
    DHO_TRY(dho_parameter_groups_create(&trainer->groups, trainer->config, graph));
    DHO_TRY(dho_owned_create(&trainer->owned, trainer->comm, trainer->config->train.shard_optimizer,
                             floats, DHO_RUN_BUCKET_FLOATS));
    DHO_TRY(
        dho_alloc_zero(&trainer->moment1, trainer->owned.floats, sizeof(float), "optimizer state"));
    if (trainer->config->train.optimizer == DHO_OPTIMIZER_ADAMW)
        DHO_TRY(dho_alloc_zero(&trainer->moment2, trainer->owned.floats, sizeof(float),
                               "optimizer state"));
    DHO_TRY(dho_alloc_zero(&trainer->buffers, trainer->buffer_floats, sizeof(float), "buffers"));
    DHO_TRY(open_sums(trainer));
    DHO_TRY(dho_alloc_zero(&trainer->norm_chunks, floats / DHO_NORM_CHUNK + 1, sizeof(double),
                           "norms"));
    DHO_TRY(dho_step_conflict_create(&trainer->conflict, trainer->config->train.conflict_every,
                                     &trainer->student, &trainer->share, trainer->micro_batch,
                                     trainer->passes));
    dho_graph_initialise(graph, trainer->config->seed, trainer->parameters, trainer->buffers);
    DHO_TRY(dho_initial_weights_load(trainer->config, &trainer->student, &trainer->dataset,
                                     trainer->parameters, trainer->buffers));
    return trainer->config->train.ema > 0 ? open_average(trainer) : DHO_OK;
}

static dho_status open_model(dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    DHO_TRY(dho_compute_create(&trainer->compute, config->compute.backend, config->compute.dtype,
                               dho_setup_threads(config->compute.threads)));
    const int dim = trainer->cache != NULL ? dho_cache_get_spec(trainer->cache)->dim : 0;
    const dho_student_options options = dho_run_student(config, trainer->dataset.classes, dim);
    DHO_TRY(dho_student_create(&trainer->student, &options));
    trainer->passes =
        dho_microbatch_passes(&trainer->student, config->train.forward == DHO_FORWARD_SEPARATE,
                              trainer->micro_batch, trainer->micro_labelled);
    DHO_TRY(dho_trainer_check_passes(trainer));
    DHO_TRY(open_share(trainer));
    DHO_TRY(dho_trainer_open_lanes(trainer));
    DHO_TRY(
        dho_class_balance_create(&trainer->balance, config, &trainer->dataset, &trainer->labelled));
    trainer->objective = dho_objective_create(config);
    trainer->objective.balance = &trainer->balance;
    if (trainer->transport.kernel != NULL) trainer->objective.transport = &trainer->transport;
    return open_slabs(trainer);
}

static dho_status open_local(dho_trainer *trainer)
{
    DHO_TRY(check_shards(trainer));
    DHO_TRY(dho_config_format_keys(trainer->config, DHO_DECIDES_NUMBERS, &trainer->settings));
    DHO_TRY(open_data(trainer));
    const dho_status status = open_model(trainer);
    if (status != DHO_ERR_MEMORY) return status;
    return dho_fail_prefix(status,
                           "student.width %d with %d images a microbatch (train.batch_*) at "
                           "data.image_size %d is too large: ",
                           trainer->student.width, trainer->micro_batch,
                           (int)trainer->config->data.image_size);
}

dho_status dho_trainer_open(dho_trainer *trainer, const dho_config *config, dho_comm *comm,
                            const char *resume)
{
    *trainer = (dho_trainer){.config = config,
                             .comm = comm,
                             .rank = dho_comm_rank(comm),
                             .ranks = dho_comm_size(comm),
                             .lock = -1,
                             .shards = (int)config->train.shards};
    DHO_TRY(dho_run_tuning_open(&trainer->tuning, config, resume, comm));
    DHO_TRY(dho_comm_agree(comm, open_local(trainer)));
    DHO_TRY(dho_trainer_open_evaluation(trainer));
    DHO_TRY(dho_comm_check_equal(comm, &trainer->dataset.fingerprint,
                                 sizeof trainer->dataset.fingerprint, "the list of images"));
    return dho_comm_check_equal(comm, trainer->labelled.ids,
                                (size_t)trainer->labelled.count * sizeof(int64_t),
                                "the labelled subset");
}

dho_status dho_trainer_start_loader(dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    const bool boxes = trainer->cache != NULL && !dho_cache_get_spec(trainer->cache)->free_crops;
    dho_loader_options options = dho_setup_loader(config, &trainer->dataset);
    options.augmentation = dho_setup_augmentation(config);
    trainer->teacher_score =
        dho_teacher_score_begin(trainer->labelled.count, trainer->cache != NULL, trainer->step);
    options.view_source = boxes ? dho_teacher_view : NULL;
    options.view_context = trainer->cache;
    options.prefetch += 2 * (trainer->lanes.count - 1); /* what lanes hold and wait for */
    const dho_loader_steps steps = {.sampler = trainer->sampler,
                                    .shards = trainer->share.wanted,
                                    .shard_count = trainer->share.count,
                                    .first = trainer->step,
                                    .last = trainer->length.total_steps};
    return dho_comm_agree(trainer->comm, dho_loader_create(&trainer->loader, &options, &steps));
}

void dho_trainer_close(dho_trainer *trainer)
{
    dho_checkpoint_writer_destroy(&trainer->writer);
    dho_progress_close(&trainer->progress);
    dho_folder_unlock(&trainer->lock);
    dho_free(trainer->settings);
    dho_free(trainer->teacher);
    dho_set_evaluator_close(&trainer->evaluator);
    dho_loader_destroy(&trainer->loader);
    dho_sampler_destroy(&trainer->sampler);
    dho_bucket_sum_destroy(&trainer->sum);
    dho_lanes_free(&trainer->lanes, trainer->compute);
    dho_student_destroy(&trainer->student);
    dho_compute_destroy(&trainer->compute);
    dho_tuning_destroy(&trainer->tuning);
    dho_cache_close(&trainer->cache);
    dho_class_balance_free(&trainer->balance);
    dho_transport_free(&trainer->transport);
    dho_id_list_free(&trainer->labelled);
    dho_id_list_free(&trainer->excluded);
    dho_dataset_free(&trainer->dataset);
    dho_share_free(&trainer->share);
    dho_owned_free(&trainer->owned);
    dho_parameter_groups_free(&trainer->groups);
    dho_free(trainer->parameters);
    dho_free(trainer->moment1);
    dho_free(trainer->moment2);
    dho_free(trainer->buffers);
    dho_free(trainer->ema_parameters);
    dho_free(trainer->ema_buffers);
    dho_free(trainer->partials);
    dho_free(trainer->sums);
    dho_free(trainer->norm_chunks);
    dho_teacher_head_free(&trainer->own_head);
    dho_step_conflict_free(&trainer->conflict);
    *trainer = (dho_trainer){0};
}

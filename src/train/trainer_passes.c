/* The passes through the student that an epoch has: all can be trained, and all are prepared. Their
 * sizes differ where the last batches of an epoch are smaller. */
#include "dho/microbatch.h"
#include "train/trainer_internal.h"

dho_status dho_trainer_check_passes(const dho_trainer *trainer)
{
    const dho_config *config = trainer->config;
    dho_status status = DHO_OK;
    for (int64_t step = 0; status == DHO_OK && step < trainer->length.steps_per_epoch; step++) {
        const dho_step_rows rows = dho_sampler_rows(trainer->sampler, step);
        status = dho_microbatch_check(&trainer->student, trainer->passes,
                                      rows.labelled + rows.unlabelled, rows.labelled);
    }
    if (status == DHO_OK) return DHO_OK;
    return dho_fail(status,
                    "%s: fewer train.shards (%d), a larger train.batch_labelled (%lld) or "
                    "batch_unlabelled (%lld), or a larger data.image_size (%lld)",
                    dho_error_message(), trainer->shards, (long long)config->train.batch_labelled,
                    (long long)config->train.batch_unlabelled, (long long)config->data.image_size);
}

dho_status dho_trainer_prepare_passes(const dho_trainer *trainer, dho_executor *executor)
{
    for (int64_t step = 0; step < trainer->length.steps_per_epoch; step++) {
        const dho_step_rows rows = dho_sampler_rows(trainer->sampler, step);
        if (trainer->passes == 1) {
            DHO_TRY(dho_executor_prepare(executor, rows.labelled + rows.unlabelled));
            continue;
        }
        DHO_TRY(dho_executor_prepare(executor, rows.labelled));
        DHO_TRY(dho_executor_prepare(executor, rows.unlabelled));
    }
    return DHO_OK;
}

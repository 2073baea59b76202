#include "train/run_length.h"

#include "dho/loader.h"
#include "train/run_sizes.h"

#include <stdio.h>

/* Steps that a pass over so many images takes; 0: there is no such batch. */
static int64_t pass_steps(const dho_config *config, int64_t images, int64_t batch)
{
    const int64_t shards = config->train.shards;
    if (images == 0 || batch == 0) return 0;
    if (config->train.batches == DHO_BATCHES_LOADER)
        return dho_loader_batches(images, (int)shards, (int)(batch / shards));
    return images < batch ? 1 : images / batch;
}

static int64_t epoch_steps(const dho_config *config, int64_t labelled, int64_t unlabelled)
{
    const int64_t l = pass_steps(config, labelled, config->train.batch_labelled);
    const int64_t u = pass_steps(config, unlabelled, config->train.batch_unlabelled);
    if (l == 0 || u == 0) return l + u;
    switch (config->train.epoch_of) {
    case DHO_EPOCH_LABELLED:
        return l;
    case DHO_EPOCH_SHORTER:
        return l < u ? l : u;
    case DHO_EPOCH_UNLABELLED:
        break;
    }
    return u;
}

dho_run_length dho_run_length_of(const dho_config *config, int64_t labelled, int64_t unlabelled)
{
    dho_run_length out = {.labelled = labelled, .unlabelled = unlabelled};
    out.steps_per_epoch = epoch_steps(config, labelled, unlabelled);
    if (out.steps_per_epoch < 1) out.steps_per_epoch = 1;
    out.total_steps = config->train.steps;
    if (out.total_steps == 0)
        out.total_steps = (int64_t)(config->train.epochs * (double)out.steps_per_epoch + 0.5);
    if (out.total_steps < 1) out.total_steps = 1;
    return out;
}

static double passes_of(const dho_run_length *length, const dho_config *config, bool labelled)
{
    const int64_t images = labelled ? length->labelled : length->unlabelled;
    const int64_t batch = labelled ? config->train.batch_labelled : config->train.batch_unlabelled;
    const int64_t steps = pass_steps(config, images, batch);
    const double each = steps > 0 ? (double)batch / (double)images : 0;
    if (steps == 0) return 0;
    if (config->train.batches == DHO_BATCHES_STREAM) return (double)length->total_steps * each;
    /* Whole passes in a whole epoch, and the first batches of one more; then the rest. */
    const int64_t epochs = length->total_steps / length->steps_per_epoch;
    const int64_t rest = length->total_steps % length->steps_per_epoch;
    const int64_t in_epoch = length->steps_per_epoch;
    return (double)epochs * ((double)(in_epoch / steps) + (double)(in_epoch % steps) * each) +
           (double)(rest / steps) + (double)(rest % steps) * each;
}

static const char *plural(double count)
{
    return count == 1 ? "" : "s";
}

void dho_run_length_describe(const dho_run_length *length, const dho_config *config, char *out,
                             size_t bytes)
{
    static const char *const words[] = {[DHO_EPOCH_UNLABELLED] = "unlabelled",
                                        [DHO_EPOCH_LABELLED] = "labelled",
                                        [DHO_EPOCH_SHORTER] = "shorter"};
    const double passes[2] = {passes_of(length, config, true), passes_of(length, config, false)};
    const double epochs = (double)length->total_steps / (double)length->steps_per_epoch;
    int used = snprintf(out, bytes, "%lld step%s: %.4g epoch%s of %lld step%s (train.epoch_of: %s)",
                        (long long)length->total_steps, plural((double)length->total_steps), epochs,
                        plural(epochs), (long long)length->steps_per_epoch,
                        plural((double)length->steps_per_epoch), words[config->train.epoch_of]);
    if (passes[0] > 0)
        used +=
            snprintf(out + used, bytes - (size_t)used, "; %.4g pass%s over %lld labelled images",
                     passes[0], passes[0] == 1 ? "" : "es", (long long)length->labelled);
    if (passes[1] > 0 && dho_run_rows(config).all > dho_run_rows(config).labelled)
        snprintf(out + used, bytes - (size_t)used, "; %.4g pass%s over %lld unlabelled images",
                 passes[1], passes[1] == 1 ? "" : "es", (long long)length->unlabelled);
}

#include "train/run_sizes.h"

#include "dho/distill.h"
#include "train/trainer_internal.h"

dho_micro_rows dho_run_rows(const dho_config *config)
{
    const int64_t shards = config->train.shards;
    const int labelled = (int)(config->train.batch_labelled / shards);
    const bool both = dho_method_uses_teacher(config->method) && config->distill.unlabelled;
    return (dho_micro_rows){labelled,
                            labelled + (both ? (int)(config->train.batch_unlabelled / shards) : 0)};
}

int dho_run_lanes(const dho_config *config, int threads)
{
    const int each = (int)config->compute.microbatch_threads;
    if (each == 0) return threads;
    return threads > each ? threads / each : 1;
}

int dho_run_lane_threads(const dho_config *config, int threads, int lanes)
{
    const int asked = (int)config->compute.microbatch_threads;
    return asked > 0 ? asked : threads / lanes;
}

dho_student_options dho_run_student(const dho_config *config, int classes, int projection)
{
    return (dho_student_options){
        .model = config->student.model,
        .width = (int)config->student.width,
        .layers = (int)config->student.layers,
        .image_size = (int)config->data.image_size,
        .classes = classes,
        .dual_head = dho_method_is_dual(config->method),
        .head_forms = {config->student.head_ce, config->student.head_kd},
        .head_scale = (float)config->student.head_scale,
        .head_hidden = {(int)config->student.head_ce_hidden, (int)config->student.head_kd_hidden},
        .freeze_backbone = config->student.freeze == DHO_FREEZE_BACKBONE,
        .freeze_batch_norm = config->student.batch_norm == DHO_BATCH_NORM_FROZEN,
        .drop_path = config->student.drop_path > 0,
        .projection = dho_method_uses_features(config->method) ? projection : 0};
}

int dho_run_gradient_sets(const dho_config *config)
{
    return config->distill.gradients == DHO_GRADIENTS_PCGRAD ? 2 : 1;
}

size_t dho_run_slab_floats(const dho_config *config, size_t parameters, size_t buffers, int passes)
{
    return (size_t)dho_run_gradient_sets(config) * parameters + (size_t)passes * buffers +
           TAIL_FLOATS;
}

dho_run_memory dho_run_memory_of(const dho_config *config, size_t parameters, size_t buffers,
                                 int passes, int slabs, size_t owned)
{
    const size_t moments = config->train.optimizer == DHO_OPTIMIZER_ADAMW ? 2 : 1;
    const size_t slab = dho_run_slab_floats(config, parameters, buffers, passes);
    dho_run_memory out = {.weights = (int64_t)((parameters + buffers) * sizeof(float)),
                          .gradients = (int64_t)((size_t)slabs * slab * sizeof(float)),
                          .optimizer = (int64_t)(moments * owned * sizeof(float))};
    if (config->train.ema > 0) out.average = out.weights;
    return out;
}

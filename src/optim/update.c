#include "dho/optim.h"

/* Floats begin .. end - 1, which are of one group. */
static void update_group(const dho_update *u, const dho_parameter_group *group, size_t begin,
                         size_t end, size_t moment)
{
    const dho_kernels *kernels = dho_compute_kernels(u->compute);
    const dho_config *config = u->config;
    const double lr = u->lr * group->lr_factor;
    if (config->train.optimizer == DHO_OPTIMIZER_ADAMW)
        kernels->adamw(u->compute, end - begin,
                       &(dho_adamw_step){.step = u->step,
                                         .lr = lr,
                                         .beta1 = config->train.beta1,
                                         .beta2 = config->train.beta2,
                                         .eps = config->train.eps,
                                         .weight_decay = group->weight_decay,
                                         .gradient_scale = u->gradient_scale},
                       u->gradients + begin, u->parameters + begin, u->moment1 + moment,
                       u->moment2 + moment);
    else
        kernels->sgd(u->compute, end - begin,
                     &(dho_sgd_step){.step = u->step,
                                     .lr = lr,
                                     .momentum = config->train.momentum,
                                     .weight_decay = group->weight_decay,
                                     .gradient_scale = u->gradient_scale},
                     u->gradients + begin, u->parameters + begin, u->moment1 + moment);
}

void dho_update_range(const dho_update *update, size_t begin, size_t end, size_t moment)
{
    for (size_t i = 0; i < update->groups->count; i++) {
        const dho_parameter_group *group = &update->groups->items[i];
        const size_t from = begin > group->begin ? begin : group->begin;
        const size_t to = end < group->end ? end : group->end;
        if (from < to) update_group(update, group, from, to, moment + (from - begin));
    }
}

float dho_gradient_scale(int count, double largest, double norm)
{
    const double clip = largest > 0 ? largest / (norm + 1e-6) : 1;
    return clip < 1 ? (float)(clip / count) : 1.0f / (float)count;
}

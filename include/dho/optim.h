/* Learning-rate schedules, groups of parameters, and the update of the weights. Local. */
#ifndef DHO_OPTIM_H
#define DHO_OPTIM_H

#include "dho/config.h"
#include "dho/graph.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_schedule {
    dho_schedule_kind kind;
    int64_t total_steps, warmup_steps;
    double warmup_start; /* factor at step 0 when there is a warm-up */
} dho_schedule;

/* The schedule of a run of total_steps. */
dho_schedule dho_schedule_create(const dho_config *config, int64_t total_steps);

/* DHO_ERR_CONFIG when the warm-up leaves no step of the run: no schedule is defined there. */
dho_status dho_schedule_check(const dho_schedule *schedule);

/* Factor of the base learning rate of a checked schedule at step t = 0 .. total-1: during warm-up
 * linear from warmup_start to 1; then, with u = (t - warmup) / (total - warmup), cosine (1 + cos(pi
 * u)) / 2, linear 1 - u, or constant 1. warmup_times_cosine is what torch's LinearLR and
 * CosineAnnealingLR(T_max = total - warmup) give when both are stepped from step 0: the warm-up's
 * factor times (1 + cos(pi t / T_max)) / 2. The cosine reaches 0 `warmup` steps before the end and
 * rises again: the public code's choice. */
double dho_schedule_factor(const dho_schedule *schedule, int64_t step);

/* Floats begin .. end - 1 of the slab of weights, whole parameters, that are updated alike. */
typedef struct dho_parameter_group {
    size_t begin, end;   /* multiples of 16 */
    double lr_factor;    /* of the step's learning rate */
    double weight_decay; /* decoupled: weights shrink by lr * lr_factor * weight_decay a step */
} dho_parameter_group;

/* In the order of the slab. What is in no group is not trained (dho_graph_freeze). */
typedef struct dho_parameter_groups {
    dho_parameter_group *items; /* owned, [count] */
    size_t count;
} dho_parameter_groups;

/* train.weight_decay is on all parameters or, with weight_decay_on: matrices, on the weights of
 * convolutions and linear layers alone. The factor is train.layer_decay ^ (layers above), the
 * layers being those of dho_graph_layer_of: the last one, with the heads, has 1. That is BEiT's
 * rule (Bao et al. 2021, arXiv 2106.08254), and timm's but for the last normalisation of a ViT,
 * which timm counts as a layer of its own. Neighbours of equal numbers are one group: one in all by
 * default. *out: owned (dho_parameter_groups_free). Errors: DHO_ERR_CONFIG for layer_decay of a
 * model without blocks, DHO_ERR_MEMORY. */
dho_status dho_parameter_groups_create(dho_parameter_groups *out, const dho_config *config,
                                       const dho_graph *graph);
void dho_parameter_groups_free(dho_parameter_groups *groups);

/* One step of train.optimizer. Slabs are those of the graph; moments of a part of it may be a slab
 * of their own (dho_update_range). */
typedef struct dho_update {
    dho_compute *compute;
    const dho_config *config;
    const dho_parameter_groups *groups;
    int64_t step;         /* from 1 */
    double lr;            /* of a group whose factor is 1 */
    float gradient_scale; /* of the slab of gradients */
    const float *gradients;
    float *parameters, *moment1, *moment2; /* moment2: of adamw */
} dho_update;

/* Updates what is trained of floats begin .. end - 1; the moments of the first one lie at float
 * `moment` of their slabs. begin and end are multiples of 16. */
void dho_update_range(const dho_update *update, size_t begin, size_t end, size_t moment);

/* The scale of a sum of `count` gradients that makes it their mean, or less where the mean's norm
 * is above `largest` (> 0; 0: no limit): then also times largest / (norm + 1e-6), as torch's
 * clip_grad_norm_. */
float dho_gradient_scale(int count, double largest, double norm);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

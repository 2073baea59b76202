/* Learning-rate schedules. Local. The optimiser steps themselves are kernels (compute.h). */
#ifndef DHO_OPTIM_H
#define DHO_OPTIM_H

#include "dho/config.h"

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

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

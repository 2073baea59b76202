#include "dho/optim.h"

#include <math.h>

dho_schedule dho_schedule_create(const dho_config *config, int64_t total_steps)
{
    dho_schedule schedule = {.kind = config->train.schedule,
                             .total_steps = total_steps,
                             .warmup_steps = config->train.warmup_steps,
                             .warmup_start = config->train.warmup_start};
    if (config->train.warmup_fraction > 0)
        schedule.warmup_steps = llround(config->train.warmup_fraction * (double)total_steps);
    return schedule;
}

dho_status dho_schedule_check(const dho_schedule *schedule)
{
    if (schedule->warmup_steps == 0 || schedule->warmup_steps < schedule->total_steps)
        return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "train.warmup_steps: the warm-up has %lld steps, the whole run %lld: a shorter "
                    "warm-up (train.warmup_steps or warmup_fraction), or more train.epochs or "
                    "train.steps",
                    (long long)schedule->warmup_steps, (long long)schedule->total_steps);
}

static double cosine(double u)
{
    return 0.5 * (1 + cos(3.141592653589793 * u));
}

double dho_schedule_factor(const dho_schedule *schedule, int64_t step)
{
    const int64_t rest = schedule->total_steps - schedule->warmup_steps;
    double warmup = 1;
    if (step < schedule->warmup_steps) {
        const double done = (double)step / (double)schedule->warmup_steps;
        warmup = schedule->warmup_start + (1 - schedule->warmup_start) * done;
    }
    if (schedule->kind == DHO_SCHEDULE_WARMUP_TIMES_COSINE)
        return warmup * cosine((double)step / (double)rest);
    if (step < schedule->warmup_steps) return warmup;
    const double u = (double)(step - schedule->warmup_steps) / (double)rest;
    switch (schedule->kind) {
    case DHO_SCHEDULE_COSINE:
        return cosine(u);
    case DHO_SCHEDULE_LINEAR:
        return 1 - u;
    case DHO_SCHEDULE_CONSTANT:
    case DHO_SCHEDULE_WARMUP_TIMES_COSINE:
        break;
    }
    return 1;
}

#include "checkpoint/checkpoint_steps.h"

#include "dho/alloc.h"
#include "dho/log.h"

#include <stdio.h>

int64_t dho_checkpoint_step_of(const char *name)
{
    long long step;
    char rest;
    return sscanf(name, "step-%lld%c", &step, &rest) == 1 ? step : -1;
}

dho_status dho_checkpoint_list_steps(const char *checkpoints, dho_name_list *out)
{
    *out = (dho_name_list){0};
    if (!dho_path_is_folder(checkpoints)) return DHO_OK;
    DHO_TRY(dho_list_folder(out, checkpoints));
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        if (dho_checkpoint_step_of(out->names[i]) >= 0)
            out->names[kept++] = out->names[i];
        else
            dho_free(out->names[i]);
    }
    out->count = kept;
    return DHO_OK;
}

void dho_checkpoint_link_best(const char *run_folder, const dho_checkpoint_info *info)
{
    const int64_t best = info->standing.best_step;
    char *path;
    if (best <= 0 ||
        dho_asprintf(&path, "%s/checkpoints/step-%08lld", run_folder, (long long)best) != DHO_OK)
        return;
    if (best == info->step || dho_path_exists(path)) dho_checkpoint_mark_best(run_folder, best);
    dho_free(path);
}

static dho_status remove_one(const char *checkpoints, const char *name)
{
    char *path;
    DHO_TRY(dho_path_join(&path, checkpoints, name));
    const dho_status status = dho_remove_tree(path);
    dho_free(path);
    return status;
}

void dho_checkpoint_remove_old(const char *run_folder, const char *checkpoints,
                               const dho_checkpoint_info *info, const dho_checkpoint_keep *keep)
{
    const int64_t best = info->standing.best_step, linked = dho_checkpoint_best_step(run_folder);
    dho_name_list steps;
    dho_status status = dho_checkpoint_list_steps(checkpoints, &steps);
    int64_t before_spike = -1;
    size_t own = 0;
    for (; own < steps.count; own++) {
        const int64_t step = dho_checkpoint_step_of(steps.names[own]);
        if (step > info->step) break; /* of a run that has been further */
        if (step < info->spike_step) before_spike = step;
    }
    for (size_t i = 0; i + (size_t)keep->newest < own && status == DHO_OK; i++) {
        const int64_t step = dho_checkpoint_step_of(steps.names[i]);
        if (step == best || step == linked || step == before_spike ||
            (keep->every > 0 && step % keep->every == 0))
            continue;
        status = remove_one(checkpoints, steps.names[i]);
    }
    dho_name_list_free(&steps);
    if (status != DHO_OK) dho_warn("an old checkpoint stays: %s", dho_error_message());
}

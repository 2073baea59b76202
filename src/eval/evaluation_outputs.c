/* The stored head outputs behind an evaluation's numbers. */
#include "dho/evaluation.h"

#include "dho/alloc.h"
#include "dho/file.h"

dho_combination dho_evaluation_combination(const dho_evaluation *evaluation, dho_score_kind kind)
{
    const dho_plateau *plateaus = evaluation->plateaus;
    if (kind == DHO_SCORE_CE_HEAD) return (dho_combination){1, 1, 1};
    if (kind == DHO_SCORE_KD_HEAD) return (dho_combination){0, 1, 1};
    if (kind == DHO_SCORE_EXACT && evaluation->plateau_count > 0) {
        const dho_plateau *best = &plateaus[dho_plateau_best(plateaus, evaluation->plateau_count)];
        return (dho_combination){dho_plateau_alpha(best), best->beta, 1};
    }
    if (kind == DHO_SCORE_FIXED)
        return (dho_combination){evaluation->fixed_alpha, evaluation->fixed_beta, 1};
    return (dho_combination){evaluation->alpha, evaluation->beta, 1};
}

dho_status dho_evaluation_load_outputs(const dho_evaluation *evaluation, const char *run_folder,
                                       const dho_evaluated_set *set, dho_head_outputs *out)
{
    char *path;
    const dho_outputs_origin origin = {evaluation->method, evaluation->checkpoint, evaluation->step,
                                       evaluation->ema};
    *out = (dho_head_outputs){0};
    DHO_TRY(dho_asprintf(&path, "%s/eval/%s.safetensors", run_folder, set->name));
    dho_status status = dho_outputs_load(path, &origin, out);
    if (status == DHO_OK && out->count != set->images)
        status = dho_fail(DHO_ERR_FORMAT, "%s: has %lld rows, eval.json says %lld images", path,
                          (long long)out->count, (long long)set->images);
    if (status == DHO_OK && set->classes == out->classes) { /* all, whichever the set has */
        dho_free(out->mask);
        out->mask = NULL;
    }
    if (status != DHO_OK) dho_head_outputs_free(out);
    dho_free(path);
    return status;
}

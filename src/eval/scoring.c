#include "eval/scoring.h"

#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/log.h"

#include <string.h>

typedef struct scoring {
    const dho_config *config;
    int threads;
    dho_head_outputs *sets; /* owned array, [eval.set_count], of views: mask NULL where all classes
                               take part */
} scoring;

static int count_classes(const dho_head_outputs *outputs)
{
    int used = 0;
    for (int c = 0; c < outputs->classes; c++) used += outputs->mask == NULL || outputs->mask[c];
    return used;
}

/* Among one class every answer is right: such a set is scored over all of them, and said. */
static bool is_of_one_class(const dho_config_set *set, const dho_head_outputs *outputs)
{
    if (count_classes(outputs) != 1) return false;
    if (outputs->classes == 1)
        dho_warn("eval.sets %s: the task has one class: every answer is right", set->name);
    else if (set->mask_classes)
        dho_warn("eval.sets %s: its images are of one class: among the classes that it has every "
                 "answer is right, so all %d of the student take part",
                 set->name, outputs->classes);
    return true;
}

/* The classes that the set has take part, or all of them. */
static dho_head_outputs view_to_score(const dho_config_set *set, const dho_head_outputs *outputs)
{
    dho_head_outputs view = *outputs;
    if (is_of_one_class(set, outputs) || !set->mask_classes) view.mask = NULL;
    return view;
}

/* alpha and beta from the grid on eval.select_on; and, beside the grid, the plateaus of that set.
 */
static dho_status choose(const scoring *job, dho_evaluation *out)
{
    const dho_config *config = job->config;
    const size_t alphas = config->eval.alpha_count, betas = config->eval.beta_count;
    dho_accuracy *grid;
    size_t chosen = 0;
    while (strcmp(config->eval.sets[chosen].name, config->eval.select_on) != 0) chosen++;
    DHO_TRY(dho_alloc(&grid, alphas * betas, sizeof *grid, "alpha-beta grid"));
    dho_status status = dho_outputs_sweep(&job->sets[chosen], config->eval.alphas, alphas,
                                          config->eval.betas, betas, job->threads, grid);
    if (status == DHO_OK) {
        const size_t best = dho_sweep_best(grid, config->eval.alphas, alphas, config->eval.betas,
                                           betas, config->eval.ties);
        out->alpha = config->eval.alphas[best / betas];
        out->beta = config->eval.betas[best % betas];
        status = dho_alloc(&out->plateaus, betas, sizeof *out->plateaus, "plateaus");
    }
    if (status == DHO_OK)
        status = dho_outputs_plateaus(&job->sets[chosen], grid, config->eval.alphas, alphas,
                                      config->eval.betas, betas, job->threads, out->plateaus);
    if (status == DHO_OK) out->plateau_count = betas;
    dho_free(grid);
    return status;
}

static dho_status score(const scoring *job, size_t i, double alpha, double beta, dho_score *out)
{
    dho_accuracy accuracy;
    DHO_TRY(dho_outputs_sweep(&job->sets[i], &alpha, 1, &beta, 1, job->threads, &accuracy));
    *out = dho_score_of(&accuracy);
    return DHO_OK;
}

static dho_status score_set(const scoring *job, size_t i, const dho_evaluation *evaluation,
                            dho_evaluated_set *out)
{
    const dho_config *config = job->config;
    out->images = job->sets[i].count;
    out->classes = count_classes(&job->sets[i]);
    DHO_TRY(dho_strdup(&out->name, config->eval.sets[i].name));
    DHO_TRY(score(job, i, evaluation->alpha, evaluation->beta, &out->scores[DHO_SCORE_COMBINED]));
    if (!evaluation->dual) return DHO_OK;
    out->chosen_here = strcmp(out->name, config->eval.select_on) == 0;
    DHO_TRY(score(job, i, 1, 1, &out->scores[DHO_SCORE_CE_HEAD]));
    DHO_TRY(score(job, i, 0, 1, &out->scores[DHO_SCORE_KD_HEAD]));
    if (evaluation->plateau_count == 0) return DHO_OK;
    const dho_plateau *best =
        &evaluation->plateaus[dho_plateau_best(evaluation->plateaus, evaluation->plateau_count)];
    return score(job, i, dho_plateau_alpha(best), best->beta, &out->scores[DHO_SCORE_EXACT]);
}

dho_status dho_evaluation_score(const dho_config *config, const dho_head_outputs *outputs,
                                int threads, dho_evaluation *out)
{
    const size_t count = config->eval.set_count;
    scoring job = {.config = config, .threads = threads};
    dho_status status;
    *out = (dho_evaluation){.dual = dho_method_is_dual(config->method),
                            .alpha = config->eval.alpha,
                            .beta = config->eval.beta};
    DHO_TRY_GOTO(dho_alloc(&job.sets, count, sizeof *job.sets, "evaluation"));
    DHO_TRY_GOTO(dho_alloc_zero(&out->sets, count, sizeof *out->sets, "evaluation"));
    out->set_count = count;
    for (size_t i = 0; i < count; i++)
        job.sets[i] = view_to_score(&config->eval.sets[i], &outputs[i]);
    if (out->dual) DHO_TRY_GOTO(dho_strdup(&out->chosen_on, config->eval.select_on));
    if (out->dual && config->eval.select_on[0] != '\0') DHO_TRY_GOTO(choose(&job, out));
    for (size_t i = 0; i < count; i++) DHO_TRY_GOTO(score_set(&job, i, out, &out->sets[i]));
fail:
    dho_free(job.sets);
    return status;
}

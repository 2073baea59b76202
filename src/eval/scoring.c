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

/* alpha and beta: the best of the grid on a set. *grid: owned, also on failure. */
static dho_status choose_on_grid(const dho_config *config, const dho_head_outputs *set, int threads,
                                 dho_accuracy **grid, double *alpha, double *beta)
{
    const size_t alphas = config->eval.alpha_count, betas = config->eval.beta_count;
    DHO_TRY(dho_alloc(grid, alphas * betas, sizeof **grid, "alpha-beta grid"));
    DHO_TRY(dho_outputs_sweep(set, config->eval.alphas, alphas, config->eval.betas, betas, threads,
                              *grid));
    const size_t best = dho_sweep_best(*grid, config->eval.alphas, alphas, config->eval.betas,
                                       betas, config->eval.ties);
    *alpha = config->eval.alphas[best / betas];
    *beta = config->eval.betas[best % betas];
    return DHO_OK;
}

/* alpha and beta from the grid on eval.select_on; and, beside the grid, the plateaus of that set.
 */
static dho_status choose(const scoring *job, size_t chosen, dho_evaluation *out)
{
    const dho_config *config = job->config;
    const size_t betas = config->eval.beta_count;
    dho_accuracy *grid = NULL;
    dho_status status;
    DHO_TRY_GOTO(
        choose_on_grid(config, &job->sets[chosen], job->threads, &grid, &out->alpha, &out->beta));
    DHO_TRY_GOTO(dho_alloc(&out->plateaus, betas, sizeof *out->plateaus, "plateaus"));
    DHO_TRY_GOTO(dho_outputs_plateaus(&job->sets[chosen], grid, config->eval.alphas,
                                      config->eval.alpha_count, config->eval.betas, betas,
                                      job->threads, out->plateaus));
    out->plateau_count = betas;
fail:
    dho_free(grid);
    return status;
}

/* What beside the accuracies is said of a kind of prediction. Counts of classes go to `counts`. */
static dho_status describe(const scoring *job, size_t i, const dho_combination *by,
                           const double *temperature, dho_class_count *counts, dho_score *out)
{
    const dho_head_outputs *outputs = &job->sets[i];
    dho_combination scaled = *by;
    dho_prediction *predictions = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&predictions, (size_t)outputs->count, sizeof *predictions, "scores"));
    DHO_TRY_GOTO(dho_outputs_predict(outputs, by->alpha, by->beta, job->threads, predictions));
    dho_outputs_count_classes(outputs, predictions, counts);
    out->macro = 100 * dho_macro_accuracy(counts, outputs->classes);
    DHO_TRY_GOTO(dho_outputs_calibrate(outputs, by, predictions, job->threads, &out->plain, NULL));
    if (temperature != NULL) {
        scaled.temperature = *temperature;
        status =
            dho_outputs_calibrate(outputs, &scaled, predictions, job->threads, &out->scaled, NULL);
    }
fail:
    dho_free(predictions);
    return status;
}

/* The kinds of scores that a set has. */
static bool is_scored(const scoring *job, const dho_evaluation *evaluation, dho_score_kind kind)
{
    switch (kind) {
    case DHO_SCORE_COMBINED:
        return true;
    case DHO_SCORE_EXACT:
    case DHO_SCORE_FIXED:
        return evaluation->plateau_count > 0;
    case DHO_SCORE_ENTROPY:
        return dho_method_combines(job->config->method);
    case DHO_SCORE_CE_HEAD:
    case DHO_SCORE_KD_HEAD:
    case DHO_SCORE_KINDS:
        break;
    }
    return evaluation->dual;
}

static dho_status count_hits(const scoring *job, const dho_head_outputs *outputs,
                             dho_score_kind kind, const dho_combination *by, dho_accuracy *out)
{
    if (kind == DHO_SCORE_ENTROPY)
        return dho_outputs_by_entropy(outputs, by->beta, job->threads, out);
    return dho_outputs_sweep(outputs, &by->alpha, 1, &by->beta, 1, job->threads, out);
}

static dho_status score_set(const scoring *job, size_t i, const dho_evaluation *evaluation,
                            dho_evaluated_set *out)
{
    const dho_config *config = job->config;
    const dho_head_outputs *outputs = &job->sets[i];
    dho_class_count *counts = NULL;
    dho_accuracy accuracy;
    dho_status status;
    out->images = outputs->count;
    out->classes = count_classes(outputs);
    out->chosen_here =
        evaluation->dual && strcmp(config->eval.sets[i].name, evaluation->chosen_on) == 0;
    DHO_TRY_GOTO(dho_strdup(&out->name, config->eval.sets[i].name));
    DHO_TRY_GOTO(dho_alloc(&counts, (size_t)outputs->classes, sizeof *counts, "classes"));
    DHO_TRY_GOTO(dho_alloc(&out->counts, (size_t)outputs->classes, sizeof *counts, "classes"));
    for (int k = 0; k < DHO_SCORE_KINDS; k++) {
        if (!is_scored(job, evaluation, k)) continue;
        const dho_combination by = dho_evaluation_combination(evaluation, k);
        const double *temperature =
            evaluation->scaled_on != NULL ? &evaluation->temperatures[k] : NULL;
        DHO_TRY_GOTO(count_hits(job, outputs, k, &by, &accuracy));
        out->scores[k] = dho_score_of(&accuracy);
        if (k < DHO_SCORE_EXACT)
            DHO_TRY_GOTO(describe(job, i, &by, temperature,
                                  k == DHO_SCORE_COMBINED ? out->counts : counts, &out->scores[k]));
    }
fail:
    dho_free(counts);
    return status;
}

/* The temperatures on eval.select_on, after alpha and beta. */
static dho_status choose_temperatures(const scoring *job, size_t chosen, dho_evaluation *out)
{
    if (job->sets[chosen].count == 0) return DHO_OK;
    for (int k = 0; k < DHO_SCORE_EXACT; k++) {
        if (!is_scored(job, out, k)) continue;
        const dho_combination by = dho_evaluation_combination(out, k);
        DHO_TRY(
            dho_outputs_temperature(&job->sets[chosen], &by, job->threads, &out->temperatures[k]));
    }
    return dho_strdup(&out->scaled_on, job->config->eval.sets[chosen].name);
}

dho_status dho_evaluation_score(const dho_config *config, const dho_head_outputs *outputs,
                                int threads, dho_evaluation *out)
{
    const size_t count = config->eval.set_count;
    const bool dual = dho_method_is_dual(config->method),
               only_ce = dual && !dho_method_combines(config->method);
    scoring job = {.config = config, .threads = threads};
    dho_status status;
    *out = (dho_evaluation){.dual = dual,
                            .alpha = only_ce ? 1 : config->eval.alpha,
                            .beta = only_ce ? 1 : config->eval.beta};
    out->fixed_alpha = out->alpha;
    out->fixed_beta = out->beta;
    DHO_TRY_GOTO(dho_alloc(&job.sets, count, sizeof *job.sets, "evaluation"));
    DHO_TRY_GOTO(dho_alloc_zero(&out->sets, count, sizeof *out->sets, "evaluation"));
    out->set_count = count;
    for (size_t i = 0; i < count; i++)
        job.sets[i] = view_to_score(&config->eval.sets[i], &outputs[i]);
    if (dual) DHO_TRY_GOTO(dho_strdup(&out->chosen_on, only_ce ? "" : config->eval.select_on));
    size_t chosen = 0;
    while (chosen < count && strcmp(config->eval.sets[chosen].name, config->eval.select_on) != 0)
        chosen++;
    if (dual && !only_ce && chosen < count) DHO_TRY_GOTO(choose(&job, chosen, out));
    for (int k = 0; k < DHO_SCORE_KINDS; k++) out->temperatures[k] = 1;
    if (chosen < count) DHO_TRY_GOTO(choose_temperatures(&job, chosen, out));
    for (size_t i = 0; i < count; i++) DHO_TRY_GOTO(score_set(&job, i, out, &out->sets[i]));
fail:
    dho_free(job.sets);
    return status;
}

/* Top-1, top-5 and negative log-likelihood at one alpha and beta. */
typedef struct point_scores {
    double top1, top5, nll;
} point_scores;

static dho_status score_at(const dho_head_outputs *set, double alpha, double beta, int threads,
                           point_scores *out)
{
    const dho_combination by = {alpha, beta, 1};
    dho_prediction *predictions = NULL;
    dho_calibration calibration;
    dho_accuracy accuracy;
    dho_status status;
    DHO_TRY_GOTO(dho_outputs_sweep(set, &alpha, 1, &beta, 1, threads, &accuracy));
    DHO_TRY_GOTO(dho_alloc(&predictions, (size_t)set->count, sizeof *predictions, "scores"));
    DHO_TRY_GOTO(dho_outputs_predict(set, alpha, beta, threads, predictions));
    DHO_TRY_GOTO(dho_outputs_calibrate(set, &by, predictions, threads, &calibration, NULL));
    *out = (point_scores){.top1 = (double)accuracy.top1 / (double)accuracy.count,
                          .top5 = (double)accuracy.top5 / (double)accuracy.count,
                          .nll = calibration.nll};
fail:
    dho_free(predictions);
    return status;
}

dho_status dho_set_score(const dho_config *config, const dho_config_set *set,
                         const dho_head_outputs *outputs, int threads, dho_set_scores *out)
{
    const dho_head_outputs view = view_to_score(set, outputs);
    const bool dual = view.logits[1] != NULL, combines = dho_method_combines(config->method);
    point_scores combined, head;
    *out = (dho_set_scores){.alpha = combines ? config->eval.alpha : 1,
                            .beta = combines ? config->eval.beta : 1};
    if (combines && strcmp(set->name, config->eval.select_on) == 0) {
        dho_accuracy *grid = NULL;
        const dho_status status =
            choose_on_grid(config, &view, threads, &grid, &out->alpha, &out->beta);
        dho_free(grid);
        DHO_TRY(status);
    }
    for (int h = 0; h < 2 && dual; h++) {
        DHO_TRY(score_at(&view, h == 0, 1, threads, &head));
        out->head_top1[h] = head.top1;
        out->head_nll[h] = head.nll;
    }
    DHO_TRY(score_at(&view, out->alpha, out->beta, threads, &combined));
    out->top1 = combined.top1;
    out->top5 = combined.top5;
    out->nll = combined.nll;
    return DHO_OK;
}

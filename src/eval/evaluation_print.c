#include "eval/evaluation_print.h"

#include "base/json.h"

#include <stdio.h>

static double percent(int64_t k, int64_t n)
{
    return n > 0 ? 100.0 * (double)k / (double)n : 0;
}

static void print_choice(const dho_evaluation *evaluation)
{
    if (evaluation->plateau_count == 0) {
        printf("alpha %g, beta %g: from the configuration\n", evaluation->alpha, evaluation->beta);
        return;
    }
    const dho_plateau *best =
        &evaluation->plateaus[dho_plateau_best(evaluation->plateaus, evaluation->plateau_count)];
    printf("alpha %g, beta %g: the grid's best on %s\n", evaluation->alpha, evaluation->beta,
           evaluation->select_on);
    const int digits = dho_plateau_digits(best);
    printf("alpha %.4g, beta %g: the best of all alphas on %s, ", dho_plateau_alpha(best),
           best->beta, evaluation->select_on);
    if (best->low < best->high)
        printf("constant for %.*g < alpha < %.*g", digits, best->low, digits, best->high);
    else
        printf("at this one of the grid alone");
    printf(" (column exact %%)\n");
}

void dho_evaluation_print(const dho_evaluation *evaluation)
{
    printf("checkpoint %s (method %s, step %lld)\n", evaluation->checkpoint, evaluation->method,
           (long long)evaluation->step);
    const bool exact = evaluation->plateau_count > 0;
    if (evaluation->dual) print_choice(evaluation);
    printf("%-14s %8s %8s  %8s  %-15s  %8s", "set", "images", "classes", "top-1 %", "95 % interval",
           "top-5 %");
    if (evaluation->dual) printf("  %8s  %8s", "CE head", "KD head");
    printf(exact ? "  %8s\n" : "\n", "exact %");
    for (size_t i = 0; i < evaluation->set_count; i++) {
        const dho_set_result *set = &evaluation->sets[i];
        double low, high;
        dho_wilson_interval(set->combined.top1, set->combined.count, &low, &high);
        printf("%-14s %8lld %8d  %8.2f  [%6.2f %6.2f]  %8.2f", set->name,
               (long long)set->combined.count, set->classes_used,
               percent(set->combined.top1, set->combined.count), 100 * low, 100 * high,
               percent(set->combined.top5, set->combined.count));
        if (evaluation->dual)
            printf("  %8.2f  %8.2f", percent(set->ce.top1, set->ce.count),
                   percent(set->kd.top1, set->kd.count));
        if (exact) printf("  %8.2f", percent(set->exact.top1, set->exact.count));
        printf("%s\n", set->selected_on ? "  (alpha, beta chosen here)" : "");
    }
    fflush(stdout);
}

static json_t *accuracy_json(const dho_accuracy *accuracy)
{
    double low, high;
    dho_wilson_interval(accuracy->top1, accuracy->count, &low, &high);
    return json_pack("{s:f, s:f, s:[f,f]}", "top1", percent(accuracy->top1, accuracy->count),
                     "top5", percent(accuracy->top5, accuracy->count), "top1_interval95", 100 * low,
                     100 * high);
}

static json_t *plateau_json(const dho_plateau *plateau, int64_t count)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "beta", plateau->beta, "alpha",
                     dho_plateau_alpha(plateau), "alpha_low", plateau->low, "alpha_high",
                     plateau->high, "top1", percent(plateau->top1, count));
}

/* The exact choice, and the best plateau at each beta. */
static json_t *exact_json(const dho_evaluation *evaluation)
{
    int64_t count = 0;
    for (size_t i = 0; i < evaluation->set_count; i++)
        if (evaluation->sets[i].selected_on) count = evaluation->sets[i].exact.count;
    json_t *all = json_array();
    for (size_t b = 0; b < evaluation->plateau_count; b++)
        json_array_append_new(all, plateau_json(&evaluation->plateaus[b], count));
    const size_t best = dho_plateau_best(evaluation->plateaus, evaluation->plateau_count);
    return json_pack("{s:o, s:o}", "best", plateau_json(&evaluation->plateaus[best], count),
                     "by_beta", all);
}

dho_status dho_evaluation_save(const dho_evaluation *evaluation, const char *path)
{
    json_t *sets = json_array();
    for (size_t i = 0; i < evaluation->set_count; i++) {
        const dho_set_result *set = &evaluation->sets[i];
        json_t *entry = json_pack("{s:s, s:I, s:i, s:b, s:o}", "name", set->name, "images",
                                  (json_int_t)set->combined.count, "classes", set->classes_used,
                                  "alpha_beta_chosen_here", set->selected_on, "combined",
                                  accuracy_json(&set->combined));
        if (evaluation->dual) {
            json_object_set_new(entry, "ce_head", accuracy_json(&set->ce));
            json_object_set_new(entry, "kd_head", accuracy_json(&set->kd));
        }
        if (evaluation->plateau_count > 0)
            json_object_set_new(entry, "exact", accuracy_json(&set->exact));
        json_array_append_new(sets, entry);
    }
    json_t *root =
        json_pack("{s:s, s:s, s:I, s:o}", "checkpoint", evaluation->checkpoint, "method",
                  evaluation->method, "step", (json_int_t)evaluation->step, "sets", sets);
    if (root == NULL) return dho_fail(DHO_ERR_MEMORY, "%s: cannot format", path);
    if (evaluation->dual) {
        json_object_set_new(root, "alpha", json_real(evaluation->alpha));
        json_object_set_new(root, "beta", json_real(evaluation->beta));
        json_object_set_new(root, "chosen_on", json_string(evaluation->select_on));
    }
    if (evaluation->plateau_count > 0)
        json_object_set_new(root, "exact_choice", exact_json(evaluation));
    const dho_status status = dho_json_save(root, path);
    json_decref(root);
    return status;
}

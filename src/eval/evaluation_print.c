#include "eval/evaluation_print.h"

#include <stdio.h>

static void print_choice(const dho_evaluation *evaluation)
{
    if (evaluation->plateau_count == 0) {
        printf("alpha %g, beta %g: from the configuration\n", evaluation->alpha, evaluation->beta);
        return;
    }
    const dho_plateau *best =
        &evaluation->plateaus[dho_plateau_best(evaluation->plateaus, evaluation->plateau_count)];
    printf("alpha %g, beta %g: the grid's best on %s\n", evaluation->alpha, evaluation->beta,
           evaluation->chosen_on);
    const int digits = dho_plateau_digits(best);
    printf("alpha %.4g, beta %g: the best of all alphas on %s, ", dho_plateau_alpha(best),
           best->beta, evaluation->chosen_on);
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
        const dho_evaluated_set *set = &evaluation->sets[i];
        const dho_score *combined = &set->scores[DHO_SCORE_COMBINED];
        printf("%-14s %8lld %8lld  %8.2f  [%6.2f %6.2f]  %8.2f", set->name, (long long)set->images,
               (long long)set->classes, combined->top1, combined->low, combined->high,
               combined->top5);
        if (evaluation->dual)
            printf("  %8.2f  %8.2f", set->scores[DHO_SCORE_CE_HEAD].top1,
                   set->scores[DHO_SCORE_KD_HEAD].top1);
        if (exact) printf("  %8.2f", set->scores[DHO_SCORE_EXACT].top1);
        printf("%s\n", set->chosen_here ? "  (alpha, beta chosen here)" : "");
    }
    fflush(stdout);
}

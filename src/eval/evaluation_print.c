#include "eval/evaluation_print.h"

#include "dho/config.h"

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
    printf("alpha %g, beta %g: from the configuration (column fixed %%)\n", evaluation->fixed_alpha,
           evaluation->fixed_beta);
}

/* A line a set and prediction. */
static void print_calibration(const dho_evaluation *evaluation)
{
    static const char *const names[] = {"combined", "CE head", "KD head"};
    const bool scaled = evaluation->scaled_on != NULL;
    printf("calibration    %-10s %9s  %6s  %8s  %7s  %6s", "of", "macro-1 %", "ECE %", "adaptive",
           "NLL", "Brier");
    if (scaled) printf("  | %6s  %6s  %7s", "T", "ECE %", "NLL");
    putchar('\n');
    for (size_t i = 0; i < evaluation->set_count; i++)
        for (int k = 0; k < DHO_SCORE_EXACT; k++) {
            const dho_score *score = &evaluation->sets[i].scores[k];
            if (!score->present) continue;
            printf("  %-12s %-10s %9.2f  %6.2f  %8.2f  %7.4f  %6.4f", evaluation->sets[i].name,
                   names[k], score->macro, 100 * score->plain.ece, 100 * score->plain.ece_adaptive,
                   score->plain.nll, score->plain.brier);
            if (scaled)
                printf("  | %6.3f  %6.2f  %7.4f", evaluation->temperatures[k],
                       100 * score->scaled.ece, score->scaled.nll);
            putchar('\n');
        }
    if (scaled)
        printf("right of |: at T, the temperature with the least NLL on %s\n",
               evaluation->scaled_on);
}

void dho_evaluation_print(const dho_evaluation *evaluation)
{
    printf("checkpoint %s (method %s, step %lld)\n", evaluation->checkpoint, evaluation->method,
           (long long)evaluation->step);
    const bool chosen = evaluation->plateau_count > 0;
    const bool entropy =
        evaluation->set_count > 0 && evaluation->sets[0].scores[DHO_SCORE_ENTROPY].present;
    if (evaluation->dual) print_choice(evaluation);
    if (evaluation->holdout != NULL) printf("%s: %s\n", DHO_HOLDOUT_NAME, evaluation->holdout);
    printf("%-14s %8s %8s  %8s  %-15s  %8s", "set", "images", "classes", "top-1 %", "95 % interval",
           "top-5 %");
    if (evaluation->dual) printf("  %8s  %8s", "CE head", "KD head");
    if (chosen) printf("  %8s  %8s", "fixed %", "exact %");
    printf(entropy ? "  %9s\n" : "\n", "entropy %");
    for (size_t i = 0; i < evaluation->set_count; i++) {
        const dho_evaluated_set *set = &evaluation->sets[i];
        const dho_score *combined = &set->scores[DHO_SCORE_COMBINED];
        printf("%-14s %8lld %8lld  %8.2f  [%6.2f %6.2f]  %8.2f", set->name, (long long)set->images,
               (long long)set->classes, combined->top1, combined->low, combined->high,
               combined->top5);
        if (evaluation->dual)
            printf("  %8.2f  %8.2f", set->scores[DHO_SCORE_CE_HEAD].top1,
                   set->scores[DHO_SCORE_KD_HEAD].top1);
        if (chosen)
            printf("  %8.2f  %8.2f", set->scores[DHO_SCORE_FIXED].top1,
                   set->scores[DHO_SCORE_EXACT].top1);
        if (entropy) printf("  %9.2f", set->scores[DHO_SCORE_ENTROPY].top1);
        printf("%s\n", set->chosen_here ? "  (alpha, beta chosen here)" : "");
    }
    print_calibration(evaluation);
    fflush(stdout);
}

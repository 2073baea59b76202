/* The best alpha, exactly.
 *
 * For a fixed beta a row is right where alpha a_y + (1 - alpha) b_y exceeds alpha a_c + (1 - alpha)
 * b_c for all classes c != y (a, b: the heads' probabilities): each c gives a half-line of alpha,
 * so the row an open interval, and the hits as a function of alpha are constant between the
 * intervals' ends. No grid is needed: the ends are sorted and swept. */
#ifndef DHO_PLATEAU_H
#define DHO_PLATEAU_H

#include "dho/evaluate.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* A range of alpha, low < alpha < high, with equal hits: as dho_outputs_sweep counts them at its
 * middle. low = high: that alpha alone. */
typedef struct dho_plateau {
    double beta, low, high;
    int64_t top1;
} dho_plateau;

/* In ranges narrower than this, rounding may decide: softmax is computed in float, and sums of two
 * products in double only just tell such alphas apart. They count only for what dho_outputs_sweep
 * finds there, and where it is more than in any wider one. */
#define DHO_PLATEAU_LEAST 1e-8

/* Significant digits that tell its ends apart. */
int dho_plateau_digits(const dho_plateau *plateau);
/* The middle: the alpha that is farthest from changing a prediction of the set. */
double dho_plateau_alpha(const dho_plateau *plateau);

/* The best plateau of each beta, out[beta_count]: the most hits (ties count against the label, as
 * in dho_outputs_sweep), then the widest, then the one whose middle is nearest 0.5. `grid`: what
 * dho_outputs_sweep found for these alphas and betas; no plateau has fewer hits than its beta's
 * best there. Two heads. O(N C + N log N) for each beta, which are shared out to `threads`. Local.
 */
dho_status dho_outputs_plateaus(const dho_head_outputs *outputs, const dho_accuracy *grid,
                                const double *alphas, size_t alpha_count, const double *betas,
                                size_t beta_count, int threads, dho_plateau *out);

/* Index of the best: the most hits, then the widest, then the beta nearest 1. */
size_t dho_plateau_best(const dho_plateau *plateaus, size_t count);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

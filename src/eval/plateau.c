#include "dho/plateau.h"

#include "base/compare.h"
#include "dho/alloc.h"
#include "dho/distill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double dho_plateau_alpha(const dho_plateau *plateau)
{
    return 0.5 * (plateau->low + plateau->high);
}

int dho_plateau_digits(const dho_plateau *plateau)
{
    return plateau->high - plateau->low < 1e-3 ? 12 : 4;
}

/* Where a row is right: low < alpha < high inside [0, 1]; low >= high for nowhere. */
typedef struct interval {
    double low, high;
} interval;

/* The label leads class c by ahead_kd at alpha = 0 and by ahead_ce at alpha = 1, linearly between.
 */
static void cut(interval *range, double ahead_kd, double ahead_ce)
{
    if (ahead_kd > 0 && ahead_ce > 0) return;
    if (ahead_kd > 0 && ahead_ce <= 0) {
        range->high = dho_smaller(range->high, ahead_kd / (ahead_kd - ahead_ce));
    } else if (ahead_kd <= 0 && ahead_ce > 0) {
        range->low = dho_larger(range->low, ahead_kd / (ahead_kd - ahead_ce));
    } else { /* nowhere; NaN ends here, too */
        range->high = -1;
    }
}

static interval row_interval(int classes, int32_t label, const float *ce, const float *kd)
{
    interval range = {0, 1};
    for (int c = 0; c < classes && range.low < range.high; c++)
        if (c != label) cut(&range, (double)kd[label] - kd[c], (double)ce[label] - ce[c]);
    /* One class: right wherever its probability is a number. */
    if (!(kd[label] > 0 || ce[label] > 0)) range.high = -1;
    return range;
}

static bool is_better(const dho_plateau *a, const dho_plateau *b)
{
    if (a->top1 != b->top1) return a->top1 > b->top1;
    const double width = (a->high - a->low) - (b->high - b->low);
    if (width != 0) return width > 0;
    return fabs(dho_plateau_alpha(a) - 0.5) < fabs(dho_plateau_alpha(b) - 0.5);
}

/* The candidates of one beta: the best of the ranges that rounding does not reach, and the narrow
 * ones with the most hits. */
enum { MOST_NARROW = 32 };
typedef struct candidates {
    dho_plateau wide, narrow[MOST_NARROW]; /* narrow: the best first */
    size_t narrow_count;
} candidates;

static void offer_narrow(candidates *inout, const dho_plateau *plateau)
{
    size_t at = inout->narrow_count;
    while (at > 0 && is_better(plateau, &inout->narrow[at - 1])) at--;
    if (at == MOST_NARROW) return;
    if (inout->narrow_count < MOST_NARROW) inout->narrow_count++;
    memmove(inout->narrow + at + 1, inout->narrow + at,
            (inout->narrow_count - at - 1) * sizeof *plateau);
    inout->narrow[at] = *plateau;
}

/* starts and ends, [count], are sorted; between two neighbouring ones the hits are the intervals
 * that have started less those that have ended. Neighbours with equal hits are not one plateau
 * where an interval ends and another starts: at that very alpha both are wrong. */
static void sweep(const double *starts, const double *ends, int64_t count, double beta,
                  candidates *out)
{
    int64_t started = 0, ended = 0;
    double at = 0;
    *out = (candidates){.wide = {.beta = beta, .low = 0, .high = 0, .top1 = -1}};
    while (at < 1) {
        while (started < count && starts[started] <= at) started++;
        while (ended < count && ends[ended] <= at) ended++;
        double next = 1;
        if (started < count) next = dho_smaller(next, starts[started]);
        if (ended < count) next = dho_smaller(next, ends[ended]);
        const dho_plateau here = {.beta = beta, .low = at, .high = next, .top1 = started - ended};
        if (next - at < DHO_PLATEAU_LEAST)
            offer_narrow(out, &here);
        else if (is_better(&here, &out->wide))
            out->wide = here;
        at = next;
    }
}

/* ends: [2][outputs->count]; probabilities: [2][classes]. */
static void find(const dho_head_outputs *outputs, double beta, double *ends, float *probabilities,
                 candidates *out)
{
    const size_t classes = (size_t)outputs->classes;
    double *starts = ends + outputs->count;
    float *ce = probabilities, *kd = probabilities + classes;
    int64_t count = 0;
    for (int64_t i = 0; i < outputs->count; i++) {
        dho_masked_softmax(outputs->classes, outputs->mask,
                           outputs->logits[0] + (size_t)i * classes, 1, ce);
        dho_masked_softmax(outputs->classes, outputs->mask,
                           outputs->logits[1] + (size_t)i * classes, beta, kd);
        const interval range = row_interval(outputs->classes, outputs->labels[i], ce, kd);
        if (range.low >= range.high) continue;
        starts[count] = range.low;
        ends[count++] = range.high;
    }
    qsort(starts, (size_t)count, sizeof *starts, dho_compare_doubles);
    qsort(ends, (size_t)count, sizeof *ends, dho_compare_doubles);
    sweep(starts, ends, count, beta, out);
}

/* Of these plateaus, with the hits that the evaluation counts at their middles: the best. */
static dho_status best_counted(const dho_head_outputs *outputs, dho_plateau *plateaus, size_t count,
                               int threads, dho_plateau *inout)
{
    double alphas[MOST_NARROW];
    dho_accuracy counted[MOST_NARROW];
    if (count == 0) return DHO_OK;
    for (size_t i = 0; i < count; i++) alphas[i] = dho_plateau_alpha(&plateaus[i]);
    DHO_TRY(dho_outputs_sweep(outputs, alphas, count, &inout->beta, 1, threads, counted));
    for (size_t i = 0; i < count; i++) {
        plateaus[i].top1 = counted[i].top1;
        if (is_better(&plateaus[i], inout)) *inout = plateaus[i];
    }
    return DHO_OK;
}

/* What the evaluation itself says has the last word: of the wide plateau, of narrow ones that would
 * be better than it, and of the grid's alphas. */
static dho_status choose(const dho_head_outputs *outputs, candidates *from, int threads,
                         dho_plateau *out)
{
    *out = (dho_plateau){.beta = from->wide.beta, .top1 = -1};
    if (from->wide.top1 >= 0) DHO_TRY(best_counted(outputs, &from->wide, 1, threads, out));
    size_t better = 0;
    while (better < from->narrow_count && from->narrow[better].top1 > out->top1) better++;
    return best_counted(outputs, from->narrow, better, threads, out);
}

dho_status dho_outputs_plateaus(const dho_head_outputs *outputs, const dho_accuracy *grid,
                                const double *alphas, size_t alpha_count, const double *betas,
                                size_t beta_count, int threads, dho_plateau *out)
{
    const size_t rows = (size_t)outputs->count, classes = (size_t)outputs->classes;
    const size_t workers = (size_t)threads < beta_count ? (size_t)threads : beta_count;
    double *ends = NULL;
    float *probabilities = NULL;
    candidates *found = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&ends, 2 * workers * rows, sizeof *ends, "plateaus"));
    DHO_TRY_GOTO(
        dho_alloc(&probabilities, 2 * workers * classes, sizeof *probabilities, "plateaus"));
    DHO_TRY_GOTO(dho_alloc(&found, beta_count, sizeof *found, "plateaus"));
#pragma omp parallel for schedule(static) num_threads((int)workers) if (workers > 1)
    for (size_t w = 0; w < workers; w++)
        for (size_t b = w; b < beta_count; b += workers)
            find(outputs, betas[b], ends + 2 * w * rows, probabilities + 2 * w * classes,
                 &found[b]);
    for (size_t b = 0; b < beta_count; b++) {
        DHO_TRY_GOTO(choose(outputs, &found[b], threads, &out[b]));
        for (size_t a = 0; a < alpha_count; a++) {
            const dho_plateau point = {betas[b], alphas[a], alphas[a],
                                       grid[a * beta_count + b].top1};
            if (point.top1 > out[b].top1 ||
                (point.top1 == out[b].top1 && out[b].low == out[b].high &&
                 is_better(&point, &out[b])))
                out[b] = point;
        }
    }
fail:
    dho_free(ends);
    dho_free(probabilities);
    dho_free(found);
    return status;
}

size_t dho_plateau_best(const dho_plateau *plateaus, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        const dho_plateau *a = &plateaus[i], *b = &plateaus[best];
        const double width = (a->high - a->low) - (b->high - b->low);
        const bool nearer = fabs(log(a->beta)) < fabs(log(b->beta));
        if (a->top1 > b->top1 || (a->top1 == b->top1 && (width > 0 || (width == 0 && nearer))))
            best = i;
    }
    return best;
}

#include "eval/plateau.h"

#include "dho/alloc.h"
#include "dho/distill.h"

#include <math.h>
#include <stdlib.h>

double dho_plateau_alpha(const dho_plateau *plateau)
{
    return 0.5 * (plateau->low + plateau->high);
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
        range->high = fmin(range->high, ahead_kd / (ahead_kd - ahead_ce));
    } else if (ahead_kd <= 0 && ahead_ce > 0) {
        range->low = fmax(range->low, ahead_kd / (ahead_kd - ahead_ce));
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

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool is_better(const dho_plateau *a, const dho_plateau *b)
{
    if (a->top1 != b->top1) return a->top1 > b->top1;
    const double width = (a->high - a->low) - (b->high - b->low);
    if (width != 0) return width > 0;
    return fabs(dho_plateau_alpha(a) - 0.5) < fabs(dho_plateau_alpha(b) - 0.5);
}

/* starts and ends, [count], are sorted; between two neighbouring ones the hits are the intervals
 * that have started less those that have ended. Neighbours with equal hits are not one plateau
 * where an interval ends and another starts: at that very alpha both are wrong. */
static dho_plateau sweep(const double *starts, const double *ends, int64_t count, double beta)
{
    dho_plateau best = {.beta = beta, .low = 0, .high = 0, .top1 = -1};
    int64_t started = 0, ended = 0;
    double at = 0;
    while (at < 1) {
        while (started < count && starts[started] <= at) started++;
        while (ended < count && ends[ended] <= at) ended++;
        double next = 1;
        if (started < count) next = fmin(next, starts[started]);
        if (ended < count) next = fmin(next, ends[ended]);
        const dho_plateau here = {.beta = beta, .low = at, .high = next, .top1 = started - ended};
        if (next - at >= DHO_PLATEAU_LEAST && is_better(&here, &best)) best = here;
        at = next;
    }
    return best;
}

/* ends: [2][outputs->count]; probabilities: [2][classes]. */
static dho_plateau find(const dho_head_outputs *outputs, double beta, double *ends,
                        float *probabilities)
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
    qsort(starts, (size_t)count, sizeof *starts, compare);
    qsort(ends, (size_t)count, sizeof *ends, compare);
    return sweep(starts, ends, count, beta);
}

dho_status dho_outputs_plateaus(const dho_head_outputs *outputs, const double *betas,
                                size_t beta_count, int threads, dho_plateau *out)
{
    const size_t rows = (size_t)outputs->count, classes = (size_t)outputs->classes;
    const size_t workers = (size_t)threads < beta_count ? (size_t)threads : beta_count;
    double *ends = NULL;
    float *probabilities = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&ends, 2 * workers * rows, sizeof *ends, "plateaus"));
    DHO_TRY_GOTO(
        dho_alloc(&probabilities, 2 * workers * classes, sizeof *probabilities, "plateaus"));
#pragma omp parallel for schedule(static) num_threads((int)workers) if (workers > 1)
    for (size_t w = 0; w < workers; w++)
        for (size_t b = w; b < beta_count; b += workers)
            out[b] = find(outputs, betas[b], ends + 2 * w * rows, probabilities + 2 * w * classes);
fail:
    dho_free(ends);
    dho_free(probabilities);
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

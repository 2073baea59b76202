/* Hits of the combined prediction, and the best of a grid of alpha and beta. */
#include "dho/evaluate.h"

#include "dho/alloc.h"
#include "dho/distill.h"

#include <math.h>
#include <string.h>

void dho_wilson_interval(int64_t k, int64_t n, double *low, double *high)
{
    const double z = 1.959963984540054, total = (double)n;
    *low = 0;
    *high = 1;
    if (n <= 0) return;
    const double p = (double)k / total, denominator = 1 + z * z / total;
    const double centre = (p + z * z / (2 * total)) / denominator;
    const double half = z * sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / denominator;
    *low = k == 0 ? 0 : centre - half;
    *high = k == n ? 1 : centre + half;
}

/* One thread's part of a sweep: counts and memory of its own, merged in the end. */
typedef struct sweep_worker {
    dho_accuracy *grid; /* [alpha_count][beta_count] */
    float *ce, *kd;     /* [classes] */
    double *p;          /* [classes] */
} sweep_worker;

static void add_row(const dho_head_outputs *outputs, int64_t row, const double *alphas,
                    size_t alpha_count, const double *betas, size_t beta_count,
                    sweep_worker *worker)
{
    const int classes = outputs->classes;
    const size_t offset = (size_t)row * (size_t)classes;
    const bool dual = outputs->logits[1] != NULL;
    dho_masked_softmax(classes, outputs->mask, outputs->logits[0] + offset, 1, worker->ce);
    for (size_t b = 0; b < beta_count; b++) {
        if (dual)
            dho_masked_softmax(classes, outputs->mask, outputs->logits[1] + offset, betas[b],
                               worker->kd);
        for (size_t a = 0; a < alpha_count; a++) {
            dho_combine(classes, alphas[a], worker->ce, dual ? worker->kd : NULL, worker->p);
            const int rank = dho_rank_of(classes, worker->p, outputs->labels[row]);
            dho_accuracy *cell = &worker->grid[a * beta_count + b];
            cell->count++;
            cell->top1 += rank == 0;
            cell->top5 += rank < 5;
        }
    }
}

dho_status dho_outputs_sweep(const dho_head_outputs *outputs, const double *alphas,
                             size_t alpha_count, const double *betas, size_t beta_count,
                             int threads, dho_accuracy *out)
{
    const size_t cells = alpha_count * beta_count, classes = (size_t)outputs->classes;
    const size_t n = (size_t)threads;
    dho_accuracy *grids = NULL;
    float *rows = NULL;
    double *combined = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc_zero(&grids, n * cells, sizeof *grids, "sweep"));
    DHO_TRY_GOTO(dho_alloc_zero(&rows, n * 2 * classes, sizeof *rows, "sweep"));
    DHO_TRY_GOTO(dho_alloc(&combined, n * classes, sizeof *combined, "sweep"));
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        sweep_worker worker = {.grid = grids + (size_t)t * cells,
                               .ce = rows + 2 * (size_t)t * classes,
                               .kd = rows + (2 * (size_t)t + 1) * classes,
                               .p = combined + (size_t)t * classes};
        const int64_t begin = outputs->count * t / threads,
                      end = outputs->count * (t + 1) / threads;
        for (int64_t i = begin; i < end; i++)
            add_row(outputs, i, alphas, alpha_count, betas, beta_count, &worker);
    }
    memset(out, 0, cells * sizeof *out);
    for (size_t i = 0; i < n * cells; i++) {
        out[i % cells].count += grids[i].count;
        out[i % cells].top1 += grids[i].top1;
        out[i % cells].top5 += grids[i].top5;
    }
fail:
    dho_free(grids);
    dho_free(rows);
    dho_free(combined);
    return status;
}

/* -1, 0, 1. Distances on the grid that differ by rounding alone are equal: 0.55 and 0.45 lie
 * equally far from 0.5. */
static int compare_distances(double a, double b)
{
    if (fabs(a - b) < 1e-9) return 0;
    return a < b ? -1 : 1;
}

/* Does cell a come before b: more hits, then alpha nearer 0.5, then beta nearer 1. */
static bool is_better(const dho_accuracy *a, const dho_accuracy *b, const double alphas[2],
                      const double betas[2])
{
    if (a->top1 != b->top1) return a->top1 > b->top1;
    const int middle = compare_distances(fabs(alphas[0] - 0.5), fabs(alphas[1] - 0.5));
    if (middle != 0) return middle < 0;
    return compare_distances(fabs(log(betas[0])), fabs(log(betas[1]))) < 0;
}

size_t dho_sweep_best(const dho_accuracy *grid, const double *alphas, size_t alpha_count,
                      const double *betas, size_t beta_count, dho_ties ties)
{
    size_t best = 0;
    for (size_t i = 1; i < alpha_count * beta_count; i++) {
        if (ties == DHO_TIES_FIRST) { /* beta by beta, alpha by alpha */
            const size_t at = i % alpha_count * beta_count + i / alpha_count;
            if (grid[at].top1 > grid[best].top1) best = at;
            continue;
        }
        const double alpha[2] = {alphas[i / beta_count], alphas[best / beta_count]};
        const double beta[2] = {betas[i % beta_count], betas[best % beta_count]};
        if (is_better(&grid[i], &grid[best], alpha, beta)) best = i;
    }
    return best;
}

/* The exact choice of alpha against brute force. */
#include "base/compare.h"
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/plateau.h"
#include "dho/rng.h"

#include <math.h>

enum { ROWS = 60, CLASSES = 5, CASES = 40, BREAKS = ROWS * CLASSES + 2 };
static const double betas[] = {0.5, 1, 3};
enum { BETAS = sizeof betas / sizeof *betas };

typedef struct fixture {
    float logits[2][ROWS * CLASSES];
    int32_t labels[ROWS];
    bool mask[CLASSES];
    dho_head_outputs outputs;
} fixture;

/* Every fourth case has whole-numbered logits: many ties inside the heads and between rows. */
static void make(fixture *f, int number)
{
    dho_rng rng;
    dho_rng_init(&rng, 21, DHO_RNG_TEST, 0, (uint64_t)number);
    for (int c = 0; c < CLASSES; c++) f->mask[c] = number % 3 != 0 || c != 1;
    for (int r = 0; r < ROWS; r++) {
        do f->labels[r] = (int32_t)dho_rng_below(&rng, CLASSES);
        while (!f->mask[f->labels[r]]);
        for (int h = 0; h < 2; h++) {
            for (int c = 0; c < CLASSES; c++) {
                double x = 2 * dho_rng_normal(&rng) + (c == f->labels[r]);
                if (number % 4 == 0) x = round(0.7 * x);
                if (number % 7 == 0 && r % 2 == 1) x = f->logits[h][(r - 1) * CLASSES + c];
                f->logits[h][r * CLASSES + c] = (float)x;
            }
        }
        if (number % 7 == 0 && r % 2 == 1) f->labels[r] = f->labels[r - 1]; /* the row before */
    }
    f->outputs = (dho_head_outputs){.count = ROWS,
                                    .classes = CLASSES,
                                    .logits = {f->logits[0], f->logits[1]},
                                    .labels = f->labels,
                                    .mask = f->mask};
}

/* Every alpha at which some class meets the label in some row, with 0 and 1. */
static int all_breaks(const fixture *f, double beta, double *out)
{
    int count = 0;
    for (int r = 0; r < ROWS; r++) {
        float a[CLASSES], b[CLASSES];
        const int y = f->labels[r];
        dho_masked_softmax(CLASSES, f->mask, f->logits[0] + r * CLASSES, 1, a);
        dho_masked_softmax(CLASSES, f->mask, f->logits[1] + r * CLASSES, beta, b);
        for (int c = 0; c < CLASSES; c++) {
            const double at0 = (double)b[y] - b[c], at1 = (double)a[y] - a[c];
            if (at0 * at1 < 0) out[count++] = at0 / (at0 - at1);
        }
    }
    out[count++] = 0;
    out[count++] = 1;
    qsort(out, (size_t)count, sizeof *out, dho_compare_doubles);
    return count;
}

/* The most hits anywhere: between all neighbouring breakpoints, at them, at the ends. */
static void brute_force(const fixture *f, double beta, dho_plateau *out)
{
    static double breaks[BREAKS];
    const int count = all_breaks(f, beta, breaks);
    *out = (dho_plateau){.beta = beta, .top1 = -1};
    for (int i = 0; i + 1 < count; i++) {
        const double alpha = 0.5 * (breaks[i] + breaks[i + 1]);
        dho_accuracy accuracy;
        if (breaks[i + 1] - breaks[i] < DHO_PLATEAU_LEAST) continue;
        ck_assert_ok(dho_outputs_sweep(&f->outputs, &alpha, 1, &beta, 1, 1, &accuracy));
        if (accuracy.top1 > out->top1) *out = (dho_plateau){beta, alpha, alpha, accuracy.top1};
    }
}

START_TEST(test_against_brute_force)
{
    fixture f;
    dho_plateau found[BETAS], again[BETAS], expected;
    make(&f, _i);
    ck_assert_ok(dho_outputs_plateaus(&f.outputs, NULL, NULL, 0, betas, BETAS, 1, found));
    ck_assert_ok(dho_outputs_plateaus(&f.outputs, NULL, NULL, 0, betas, BETAS, 3, again));
    for (int b = 0; b < BETAS; b++) {
        dho_accuracy accuracy;
        ck_assert(found[b].low == again[b].low && found[b].high == again[b].high);
        brute_force(&f, betas[b], &expected);
        ck_assert_int_eq(found[b].top1, expected.top1);
        ck_assert(found[b].low >= 0 && found[b].high <= 1 && found[b].low < found[b].high);
        /* All over the plateau, and no more of it beyond its ends. */
        for (int i = 1; i < 20; i++) {
            const double alpha = found[b].low + (found[b].high - found[b].low) * i / 20;
            ck_assert_ok(dho_outputs_sweep(&f.outputs, &alpha, 1, &betas[b], 1, 1, &accuracy));
            ck_assert_int_eq(accuracy.top1, found[b].top1);
        }
        const double step = 1e-7; /* two plateaus with equal hits may touch */
        const double beyond[2] = {found[b].low - step, found[b].high + step};
        for (int i = 0; i < 2; i++) {
            if (beyond[i] <= 0 || beyond[i] >= 1) continue;
            ck_assert_ok(dho_outputs_sweep(&f.outputs, &beyond[i], 1, &betas[b], 1, 1, &accuracy));
            ck_assert_int_le(accuracy.top1, found[b].top1);
        }
    }
    /* No grid does better than the best of all. */
    double grid[101];
    dho_accuracy cells[101 * BETAS];
    for (int i = 0; i <= 100; i++) grid[i] = i / 100.0;
    ck_assert_ok(dho_outputs_sweep(&f.outputs, grid, 101, betas, BETAS, 1, cells));
    const size_t best = dho_plateau_best(found, BETAS);
    for (int i = 0; i < 101 * BETAS; i++) ck_assert_int_le(cells[i].top1, found[best].top1);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* One row whose answer is plain: the CE head says (1/2, 1/4, 1/4), the KD head (1/5, 3/5, 1/5). */
START_TEST(test_by_hand)
{
    float ce[3] = {logf(2), 0, 0}, kd[3] = {0, logf(3), 0};
    int32_t label = 0;
    const double beta = 1;
    dho_plateau plateau;
    const dho_head_outputs outputs = {
        .count = 1, .classes = 3, .logits = {ce, kd}, .labels = &label};
    ck_assert_ok(dho_outputs_plateaus(&outputs, NULL, NULL, 0, &beta, 1, 1, &plateau));
    ck_assert_int_eq(plateau.top1, 1);
    /* alpha/2 + (1 - alpha)/5 > alpha/4 + 3 (1 - alpha)/5 from 0.4 / 0.65 on. */
    ck_assert_double_eq_tol(plateau.low, 0.4 / 0.65, 1e-6);
    ck_assert_double_eq(plateau.high, 1);
    ck_assert_double_eq_tol(dho_plateau_alpha(&plateau), 0.5 * (1 + 0.4 / 0.65), 1e-6);
}
END_TEST

/* A tie counts against the label; NaN is a miss; what is right everywhere gives all of [0, 1]. */
START_TEST(test_edges)
{
    float ce[2] = {1, 1}, kd[2] = {0, 0};
    int32_t label = 0;
    const double beta = 2;
    dho_plateau plateau;
    const dho_head_outputs outputs = {
        .count = 1, .classes = 2, .logits = {ce, kd}, .labels = &label};
    ck_assert_ok(dho_outputs_plateaus(&outputs, NULL, NULL, 0, &beta, 1, 1, &plateau));
    ck_assert_int_eq(plateau.top1, 0);
    ce[0] = NAN;
    kd[0] = 5;
    ck_assert_ok(dho_outputs_plateaus(&outputs, NULL, NULL, 0, &beta, 1, 1, &plateau));
    ck_assert_int_eq(plateau.top1, 0);
    ce[0] = 2;
    ck_assert_ok(dho_outputs_plateaus(&outputs, NULL, NULL, 0, &beta, 1, 1, &plateau));
    ck_assert_int_eq(plateau.top1, 1);
    ck_assert(plateau.low == 0 && plateau.high == 1);
    kd[0] = 0; /* a tie at alpha = 0 only */
    ck_assert_ok(dho_outputs_plateaus(&outputs, NULL, NULL, 0, &beta, 1, 1, &plateau));
    ck_assert_int_eq(plateau.top1, 1);
    ck_assert(plateau.low == 0 && plateau.high == 1);
}
END_TEST

/* Heads that are sure and disagree: all that happens, happens beside alpha = 0.5, in ranges that
 * are narrower than rounding is certain of. What the evaluation counts is what is reported, and no
 * grid has more. */
START_TEST(test_confident_heads)
{
    enum { ALPHAS = 21 };
    fixture f;
    dho_rng rng;
    double alphas[ALPHAS];
    dho_accuracy grid[ALPHAS * BETAS], counted;
    dho_plateau found[BETAS];
    make(&f, 1);
    dho_rng_init(&rng, 22, DHO_RNG_TEST, 0, (uint64_t)_i);
    for (int h = 0; h < 2; h++)
        for (int r = 0; r < ROWS; r++) {
            const int right = (int)dho_rng_below(&rng, 2) == h;
            const int top = right ? f.labels[r] : (int)dho_rng_below(&rng, CLASSES);
            for (int c = 0; c < CLASSES; c++)
                f.logits[h][r * CLASSES + c] =
                    (float)(dho_rng_normal(&rng) + (c == top ? 18 + 12 * (_i % 3) : 0));
        }
    for (int a = 0; a < ALPHAS; a++) alphas[a] = a / (ALPHAS - 1.0);
    ck_assert_ok(dho_outputs_sweep(&f.outputs, alphas, ALPHAS, betas, BETAS, 1, grid));
    ck_assert_ok(dho_outputs_plateaus(&f.outputs, grid, alphas, ALPHAS, betas, BETAS, 2, found));
    for (int b = 0; b < BETAS; b++) {
        const double alpha = dho_plateau_alpha(&found[b]);
        ck_assert_ok(dho_outputs_sweep(&f.outputs, &alpha, 1, &betas[b], 1, 1, &counted));
        ck_assert_int_eq(counted.top1, found[b].top1);
        for (int a = 0; a < ALPHAS; a++) ck_assert_int_le(grid[a * BETAS + b].top1, found[b].top1);
    }
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Two rows that are both right within 5e-11 of alpha = 0.5 only. */
START_TEST(test_narrow)
{
    float ce[4] = {0, 23, 30, 0}, kd[4] = {30, 0, 0, 23};
    int32_t labels[2] = {0, 0};
    const double beta = 1;
    dho_plateau plateau;
    const dho_head_outputs outputs = {
        .count = 2, .classes = 2, .logits = {ce, kd}, .labels = labels};
    ck_assert_ok(dho_outputs_plateaus(&outputs, NULL, NULL, 0, &beta, 1, 1, &plateau));
    ck_assert_int_eq(plateau.top1, 2);
    ck_assert(plateau.low < plateau.high && plateau.high - plateau.low < 1e-9);
    ck_assert_double_eq_tol(dho_plateau_alpha(&plateau), 0.5, 1e-9);
}
END_TEST

START_TEST(test_out_of_memory)
{
    fixture f;
    dho_plateau found[BETAS];
    make(&f, 1);
    ck_assert_allocations(dho_outputs_plateaus(&f.outputs, NULL, NULL, 0, betas, BETAS, 2, found));
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plateau");
    TCase *tests = tcase_create("plateau");
    tcase_add_loop_test(tests, test_against_brute_force, 0, CASES);
    tcase_add_test(tests, test_by_hand);
    tcase_add_test(tests, test_edges);
    tcase_add_loop_test(tests, test_confident_heads, 0, 30);
    tcase_add_test(tests, test_narrow);
    tcase_add_test(tests, test_out_of_memory);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

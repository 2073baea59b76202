#include "check_main.h"
#include "dho/evaluate.h"
#include "dho/rng.h"

#include <math.h>

enum { ROWS = 400, CLASSES = 12 };

typedef struct fixture {
    float ce[ROWS * CLASSES], kd[ROWS * CLASSES];
    int32_t labels[ROWS];
    bool mask[CLASSES];
    dho_head_outputs outputs;
} fixture;

static void make(fixture *f, bool masked)
{
    dho_rng rng;
    dho_rng_init(&rng, 3, DHO_RNG_TEST, 0, 0);
    for (int c = 0; c < CLASSES; c++) f->mask[c] = !masked || c % 3 != 0;
    for (int r = 0; r < ROWS; r++) {
        do f->labels[r] = (int32_t)dho_rng_below(&rng, CLASSES);
        while (!f->mask[f->labels[r]]);
        for (int c = 0; c < CLASSES; c++) {
            f->ce[r * CLASSES + c] = (float)dho_rng_normal(&rng) + 1.0f * (c == f->labels[r]);
            f->kd[r * CLASSES + c] = (float)dho_rng_normal(&rng) + 1.5f * (c == f->labels[r]);
        }
    }
    f->outputs = (dho_head_outputs){.count = ROWS,
                                    .classes = CLASSES,
                                    .logits = {f->ce, f->kd},
                                    .labels = f->labels,
                                    .mask = f->mask};
}

/* The definition, naively: mask first, softmax, combine, rank. */
static dho_accuracy naive(const fixture *f, double alpha, double beta)
{
    dho_accuracy result = {.count = ROWS};
    for (int r = 0; r < ROWS; r++) {
        double a[CLASSES] = {0}, b[CLASSES] = {0}, za = 0, zb = 0;
        int better = 0;
        for (int c = 0; c < CLASSES; c++) {
            if (!f->mask[c]) continue;
            za += a[c] = exp(f->ce[r * CLASSES + c]);
            zb += b[c] = exp(f->kd[r * CLASSES + c] / beta);
        }
        const int32_t label = f->labels[r];
        const double own = alpha * a[label] / za + (1 - alpha) * b[label] / zb;
        for (int c = 0; c < CLASSES; c++)
            better += f->mask[c] && alpha * a[c] / za + (1 - alpha) * b[c] / zb > own;
        result.top1 += better == 0;
        result.top5 += better < 5;
    }
    return result;
}

START_TEST(test_sweep_is_the_definition)
{
    fixture f;
    const double alphas[] = {0, 0.3, 0.5, 1}, betas[] = {0.5, 1, 4};
    dho_accuracy grid[12], other[12];
    make(&f, _i == 1);
    ck_assert_ok(dho_outputs_sweep(&f.outputs, alphas, 4, betas, 3, 1, grid));
    ck_assert_ok(dho_outputs_sweep(&f.outputs, alphas, 4, betas, 3, 3, other));
    ck_assert_mem_eq(grid, other, sizeof grid);
    for (int a = 0; a < 4; a++) {
        for (int b = 0; b < 3; b++) {
            const dho_accuracy expected = naive(&f, alphas[a], betas[b]);
            ck_assert_int_eq(grid[a * 3 + b].count, ROWS);
            /* One row may fall on the other side of a tie in float. */
            ck_assert_int_le(llabs(grid[a * 3 + b].top1 - expected.top1), 1);
            ck_assert_int_le(llabs(grid[a * 3 + b].top5 - expected.top5), 1);
        }
    }
    const size_t best = dho_sweep_best(grid, alphas, 4, betas, 3, DHO_TIES_MIDDLE);
    for (int i = 0; i < 12; i++) ck_assert_int_le(grid[i].top1, grid[best].top1);
}
END_TEST

START_TEST(test_ties_count_against_the_label)
{
    float logits[3] = {1, 1, 0};
    int32_t label = 0;
    bool mask[3] = {true, true, true};
    const double one = 1;
    dho_accuracy accuracy;
    const dho_head_outputs outputs = {
        .count = 1, .classes = 3, .logits = {logits, NULL}, .labels = &label, .mask = mask};
    ck_assert_ok(dho_outputs_sweep(&outputs, &one, 1, &one, 1, 1, &accuracy));
    ck_assert_int_eq(accuracy.top1, 0);
    mask[1] = false;
    ck_assert_ok(dho_outputs_sweep(&outputs, &one, 1, &one, 1, 1, &accuracy));
    ck_assert_int_eq(accuracy.top1, 1);
}
END_TEST

START_TEST(test_not_a_number_is_a_miss)
{
    float logits[6] = {NAN, NAN, NAN, NAN, NAN, NAN};
    int32_t label = 2;
    const double one = 1;
    dho_accuracy accuracy;
    const dho_head_outputs outputs = {
        .count = 1, .classes = 6, .logits = {logits, NULL}, .labels = &label, .mask = NULL};
    ck_assert_ok(dho_outputs_sweep(&outputs, &one, 1, &one, 1, 1, &accuracy));
    ck_assert_int_eq(accuracy.count, 1);
    ck_assert_int_eq(accuracy.top1, 0);
    ck_assert_int_eq(accuracy.top5, 0);
}
END_TEST

/* |0.55 - 0.5| and |0.45 - 0.5| differ in their last bit: then beta has a word. */
START_TEST(test_ties_of_the_grid)
{
    const double alphas[] = {0.4, 0.45, 0.55}, betas[] = {0.5, 1, 2};
    dho_accuracy grid[9] = {{0}};
    grid[1 * 3 + 2].top1 = grid[2 * 3 + 1].top1 = 7; /* (0.45, 2), (0.55, 1) */
    ck_assert_uint_eq(dho_sweep_best(grid, alphas, 3, betas, 3, DHO_TIES_MIDDLE), 2 * 3 + 1);
    grid[1 * 3 + 1].top1 = 7; /* (0.45, 1): alike in both, so the first */
    ck_assert_uint_eq(dho_sweep_best(grid, alphas, 3, betas, 3, DHO_TIES_MIDDLE), 1 * 3 + 1);
    /* The public code's first: beta 1 comes before beta 2, then alpha 0.45 before 0.55. */
    ck_assert_uint_eq(dho_sweep_best(grid, alphas, 3, betas, 3, DHO_TIES_FIRST), 1 * 3 + 1);
    grid[2 * 3 + 0].top1 = 7;
    ck_assert_uint_eq(dho_sweep_best(grid, alphas, 3, betas, 3, DHO_TIES_FIRST), 2 * 3 + 0);
    grid[2 * 3 + 2].top1 = 8;
    ck_assert_uint_eq(dho_sweep_best(grid, alphas, 3, betas, 3, DHO_TIES_FIRST), 2 * 3 + 2);
    grid[2 * 3 + 2].top1 = 0;
    grid[0 * 3 + 0].top1 = 8;
    ck_assert_uint_eq(dho_sweep_best(grid, alphas, 3, betas, 3, DHO_TIES_MIDDLE), 0);
}
END_TEST

START_TEST(test_wilson)
{
    double low, high;
    /* Newcombe 1998, table I: 81/263 gives 0.2553 .. 0.3662; 0/20 gives 0 .. 0.1611. */
    dho_wilson_interval(81, 263, &low, &high);
    ck_assert_double_eq_tol(low, 0.2553, 5e-5);
    ck_assert_double_eq_tol(high, 0.3662, 5e-5);
    dho_wilson_interval(0, 20, &low, &high);
    ck_assert_double_eq_tol(low, 0, 1e-12);
    ck_assert_double_eq_tol(high, 0.1611, 5e-5);
    dho_wilson_interval(20, 20, &low, &high);
    ck_assert_double_eq_tol(high, 1, 1e-12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("accuracy");
    TCase *tests = tcase_create("accuracy");
    tcase_add_loop_test(tests, test_sweep_is_the_definition, 0, 2);
    tcase_add_test(tests, test_ties_count_against_the_label);
    tcase_add_test(tests, test_not_a_number_is_a_miss);
    tcase_add_test(tests, test_ties_of_the_grid);
    tcase_add_test(tests, test_wilson);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

/* Calibration against its definition, written out naively; temperatures that are known. */
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/calibration.h"
#include "dho/rng.h"

#include <math.h>
#include <string.h>

enum { ROWS = 500, CLASSES = 7 };

typedef struct fixture {
    float ce[ROWS * CLASSES], kd[ROWS * CLASSES];
    int32_t labels[ROWS];
    bool mask[CLASSES];
    dho_prediction predictions[ROWS];
    dho_head_outputs outputs;
} fixture;

static void make(fixture *f, bool masked)
{
    dho_rng rng;
    dho_rng_init(&rng, 4, DHO_RNG_TEST, 0, 0);
    for (int c = 0; c < CLASSES; c++) f->mask[c] = !masked || c % 3 != 1;
    for (int r = 0; r < ROWS; r++) {
        do f->labels[r] = (int32_t)dho_rng_below(&rng, CLASSES);
        while (!f->mask[f->labels[r]]);
        for (int c = 0; c < CLASSES; c++) {
            f->ce[r * CLASSES + c] = 2 * (float)dho_rng_normal(&rng) + 2.0f * (c == f->labels[r]);
            f->kd[r * CLASSES + c] = 9 * (float)dho_rng_normal(&rng) + 1.5f * (c == f->labels[r]);
        }
    }
    f->outputs = (dho_head_outputs){.count = ROWS,
                                    .classes = CLASSES,
                                    .logits = {f->ce, f->kd},
                                    .labels = f->labels,
                                    .mask = masked ? f->mask : NULL};
}

static void predict(fixture *f, const dho_combination *by)
{
    ck_assert_ok(dho_outputs_predict(&f->outputs, by->alpha, by->beta, 2, f->predictions));
}

/* q of a row, from the formula. */
static void definition(const fixture *f, int r, const dho_combination *by, double *q)
{
    double a[CLASSES] = {0}, b[CLASSES] = {0}, za = 0, zb = 0, z = 0;
    for (int c = 0; c < CLASSES; c++) {
        if (!f->mask[c]) continue;
        za += a[c] = exp(f->ce[r * CLASSES + c]);
        zb += b[c] = exp(f->kd[r * CLASSES + c] / by->beta);
    }
    for (int c = 0; c < CLASSES; c++) {
        const double p = by->alpha * a[c] / za + (1 - by->alpha) * b[c] / zb;
        z += q[c] = f->mask[c] ? pow(p, 1 / by->temperature) : 0;
    }
    for (int c = 0; c < CLASSES; c++) q[c] /= z;
}

static const dho_combination combinations[] = {
    {0.4, 1.5, 1}, {0.4, 1.5, 2.5}, {1, 1, 1}, {0, 1, 0.7}};

START_TEST(test_definition)
{
    fixture f;
    const dho_combination *by = &combinations[_i / 2];
    dho_calibration found, other;
    dho_calibration_bin bins[DHO_CALIBRATION_BINS], other_bins[DHO_CALIBRATION_BINS];
    double nll = 0, brier = 0, gaps[DHO_CALIBRATION_BINS] = {0}, ece = 0;
    make(&f, _i % 2);
    predict(&f, by);
    for (int r = 0; r < ROWS; r++) {
        double q[CLASSES];
        int best = 0;
        definition(&f, r, by, q);
        for (int c = 0; c < CLASSES; c++) {
            best = q[c] > q[best] ? c : best;
            brier += (q[c] - (c == f.labels[r])) * (q[c] - (c == f.labels[r])) / ROWS;
        }
        ck_assert_int_eq(best, f.predictions[r].top);
        nll -= log(q[f.labels[r]]) / ROWS;
        int bin = 0;
        while (bin + 1 < DHO_CALIBRATION_BINS && q[best] > (bin + 1) / 15.0) bin++;
        gaps[bin] += q[best] - (best == f.labels[r]);
    }
    for (int b = 0; b < DHO_CALIBRATION_BINS; b++) ece += fabs(gaps[b]) / ROWS;
    ck_assert_ok(dho_outputs_calibrate(&f.outputs, by, f.predictions, 1, &found, bins));
    ck_assert_ok(dho_outputs_calibrate(&f.outputs, by, f.predictions, 3, &other, other_bins));
    ck_assert_mem_eq(&found, &other, sizeof found);
    ck_assert_mem_eq(bins, other_bins, sizeof bins);
    ck_assert_double_eq_tol(found.nll, nll, 1e-9);
    ck_assert_double_eq_tol(found.brier, brier, 1e-12);
    ck_assert_double_eq_tol(found.ece, ece, 1e-12);
    int64_t count = 0, right = 0, expected = 0;
    for (int b = 0; b < DHO_CALIBRATION_BINS; b++) count += bins[b].count, right += bins[b].right;
    for (int r = 0; r < ROWS; r++) expected += f.predictions[r].top == f.labels[r];
    ck_assert_int_eq(count, ROWS);
    ck_assert_int_eq(right, expected);
}
END_TEST

/* 500 images in 15 bins of 33 or 34; the order of the images does not matter, equal ones stay
 * together. */
START_TEST(test_adaptive)
{
    fixture f;
    const dho_combination by = {1, 1, 1};
    dho_calibration found, turned;
    make(&f, false);
    for (int r = 0; r < ROWS; r += 3) /* many equal confidences */
        for (int c = 0; c < CLASSES; c++) f.ce[r * CLASSES + c] = c == 2 ? 1 : 0;
    predict(&f, &by);
    ck_assert_ok(dho_outputs_calibrate(&f.outputs, &by, f.predictions, 1, &found, NULL));
    for (int r = 0; r < ROWS / 2; r++) {
        const int other = ROWS - 1 - r;
        float row[CLASSES];
        const int32_t label = f.labels[r];
        memcpy(row, f.ce + r * CLASSES, sizeof row);
        memcpy(f.ce + r * CLASSES, f.ce + other * CLASSES, sizeof row);
        memcpy(f.ce + other * CLASSES, row, sizeof row);
        f.labels[r] = f.labels[other];
        f.labels[other] = label;
    }
    predict(&f, &by);
    ck_assert_ok(dho_outputs_calibrate(&f.outputs, &by, f.predictions, 1, &turned, NULL));
    ck_assert_double_eq_tol(found.ece_adaptive, turned.ece_adaptive, 1e-12);
    ck_assert_double_gt(found.ece_adaptive, 0.01);
    ck_assert_double_eq_tol(found.ece, turned.ece, 1e-12);
}
END_TEST

/* No temperature near it has a lower nll, and three times the logits want three times as much. */
START_TEST(test_temperature)
{
    fixture f;
    dho_combination by = {_i == 0 ? 1 : 0.3, 1.25, 1};
    dho_calibration at, near;
    double t, other;
    make(&f, _i == 1);
    predict(&f, &by);
    ck_assert_ok(dho_outputs_temperature(&f.outputs, &by, 1, &t));
    ck_assert_ok(dho_outputs_temperature(&f.outputs, &by, 3, &other));
    ck_assert_double_eq(t, other);
    by.temperature = t;
    ck_assert_ok(dho_outputs_calibrate(&f.outputs, &by, f.predictions, 1, &at, NULL));
    for (int side = -1; side <= 1; side += 2) {
        by.temperature = t * (1 + 1e-3 * side);
        ck_assert_ok(dho_outputs_calibrate(&f.outputs, &by, f.predictions, 1, &near, NULL));
        ck_assert_double_gt(near.nll, at.nll);
    }
    if (_i != 0) return;
    for (int i = 0; i < ROWS * CLASSES; i++) f.ce[i] *= 4;
    ck_assert_ok(dho_outputs_temperature(&f.outputs, &by, 1, &other));
    ck_assert_double_eq_tol(other, 4 * t, 1e-5);
}
END_TEST

/* All right: the sharper the better; all wrong: the flatter the better. */
START_TEST(test_temperature_bounds)
{
    float logits[4] = {1, 0, 0, 1};
    int32_t labels[2] = {0, 1};
    dho_head_outputs outputs = {
        .count = 2, .classes = 2, .logits = {logits, NULL}, .labels = labels};
    const dho_combination by = {1, 1, 1};
    double t;
    ck_assert_ok(dho_outputs_temperature(&outputs, &by, 1, &t));
    ck_assert_double_eq_tol(t, DHO_TEMPERATURE_LEAST, 1e-6);
    labels[0] = 1;
    labels[1] = 0;
    ck_assert_ok(dho_outputs_temperature(&outputs, &by, 1, &t));
    ck_assert_double_eq_tol(t, DHO_TEMPERATURE_MOST, 1e-4);
    outputs.count = 0;
    ck_assert_ok(dho_outputs_temperature(&outputs, &by, 1, &t));
    ck_assert_double_eq(t, 1);
}
END_TEST

/* Sure and wrong by 1000: no logarithm of 0. */
START_TEST(test_far_apart)
{
    float ce[2] = {1000, 0}, kd[2] = {2000, -2000};
    int32_t label = 1;
    const dho_head_outputs outputs = {
        .count = 1, .classes = 2, .logits = {ce, kd}, .labels = &label};
    const dho_combination by = {0.5, 0.5, 1};
    const dho_prediction wrong = {.top = 0};
    dho_calibration found;
    ck_assert_ok(dho_outputs_calibrate(&outputs, &by, &wrong, 1, &found, NULL));
    ck_assert_double_eq_tol(found.nll, 1000 + log(2), 1e-9);
    ck_assert_double_eq_tol(found.brier, 2, 1e-12);
    ck_assert_double_eq_tol(found.ece, 1, 1e-12);
    ck_assert_double_eq_tol(found.ece_adaptive, 1, 1e-12);
}
END_TEST

START_TEST(test_classes)
{
    int32_t labels[5] = {0, 0, 0, 1, 3};
    const dho_head_outputs outputs = {.count = 5, .classes = 4, .labels = labels};
    const dho_prediction predictions[5] = {
        {.top = 0}, {.top = 0}, {.top = 1}, {.top = 1}, {.top = -1}};
    dho_class_count counts[4];
    dho_outputs_count_classes(&outputs, predictions, counts);
    ck_assert_int_eq(counts[0].images, 3);
    ck_assert_int_eq(counts[0].right, 2);
    ck_assert_int_eq(counts[0].predicted, 2);
    ck_assert_int_eq(counts[1].predicted, 2);
    ck_assert_int_eq(counts[2].images + counts[2].predicted, 0);
    ck_assert_int_eq(counts[3].images, 1);
    ck_assert_double_eq_tol(dho_macro_accuracy(counts, 4), (2.0 / 3 + 1 + 0) / 3, 1e-12);
    ck_assert_double_eq(dho_macro_accuracy(counts + 2, 1), 0);
}
END_TEST

START_TEST(test_memory)
{
    fixture f;
    const dho_combination by = {0.5, 1, 1};
    dho_calibration found;
    double t;
    make(&f, false);
    predict(&f, &by);
    ck_assert_allocations(dho_outputs_calibrate(&f.outputs, &by, f.predictions, 1, &found, NULL));
    ck_assert_allocations(dho_outputs_temperature(&f.outputs, &by, 1, &t));
    ck_assert_allocations(dho_outputs_predict(&f.outputs, 0.5, 1, 1, f.predictions));
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("calibration");
    TCase *tests = tcase_create("calibration");
    tcase_add_loop_test(tests, test_definition, 0, 8);
    tcase_add_test(tests, test_adaptive);
    tcase_add_loop_test(tests, test_temperature, 0, 2);
    tcase_add_test(tests, test_temperature_bounds);
    tcase_add_test(tests, test_far_apart);
    tcase_add_test(tests, test_classes);
    tcase_add_test(tests, test_memory);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

/* Losses against central differences and against their definitions in double precision. */
#include "check_main.h"
#include "dho/distill.h"
#include "dho/rng.h"

#include <math.h>
#include <string.h>

enum { ROWS = 5, LABELLED = 2, CLASSES = 7 };

static void fill(dho_rng *rng, float scale, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) out[i] = scale * (float)dho_rng_normal(rng);
}

/* Independent formula: straight from the definition, no shift by the maximum. */
static double kl_by_definition(const float *teacher, const float *student, double t)
{
    double total = 0;
    for (int r = 0; r < ROWS; r++) {
        double zt = 0, zs = 0;
        for (int c = 0; c < CLASSES; c++) {
            zt += exp(teacher[r * CLASSES + c] / t);
            zs += exp(student[r * CLASSES + c] / t);
        }
        for (int c = 0; c < CLASSES; c++) {
            const double p = exp(teacher[r * CLASSES + c] / t) / zt;
            const double q = exp(student[r * CLASSES + c] / t) / zs;
            total += p * log(p / q);
        }
    }
    return t * t * total / ROWS;
}

START_TEST(test_kl_value_and_gradient)
{
    const double temperatures[] = {1, 2, 4.5};
    const double t = temperatures[_i];
    dho_rng rng;
    float teacher[ROWS * CLASSES], student[ROWS * CLASSES], gradient[ROWS * CLASSES] = {0};
    float ignored[ROWS * CLASSES];
    dho_rng_init(&rng, 11, DHO_RNG_TEST, 0, (uint64_t)_i);
    fill(&rng, 3, ROWS * CLASSES, teacher);
    fill(&rng, 3, ROWS * CLASSES, student);
    const double value =
        dho_kl_divergence(ROWS, CLASSES, teacher, student, t, 0.7f, gradient);
    ck_assert_double_eq_tol(value, kl_by_definition(teacher, student, t), 1e-9);
    /* Float inputs limit the step: h = 1e-2 leaves an O(h^2) = 1e-4 error of O(1) values. */
    const float h = 1e-2f;
    for (int i = 0; i < ROWS * CLASSES; i++) {
        const float kept = student[i];
        student[i] = kept + h;
        const double high = dho_kl_divergence(ROWS, CLASSES, teacher, student, t, 0, ignored);
        student[i] = kept - h;
        const double low = dho_kl_divergence(ROWS, CLASSES, teacher, student, t, 0, ignored);
        student[i] = kept;
        ck_assert_double_eq_tol(gradient[i], 0.7 * (high - low) / (2 * (double)h), 2e-4);
    }
}
END_TEST

START_TEST(test_cross_entropy_value_and_gradient)
{
    dho_rng rng;
    float logits[ROWS * CLASSES], gradient[ROWS * CLASSES] = {0}, ignored[ROWS * CLASSES];
    const int32_t labels[ROWS] = {0, 6, 3, 3, 1};
    int correct, expected_correct = 0;
    double expected = 0;
    dho_rng_init(&rng, 12, DHO_RNG_TEST, 0, 0);
    fill(&rng, 2, ROWS * CLASSES, logits);
    const double value =
        dho_cross_entropy(ROWS, CLASSES, logits, labels, NULL, 0.3f, gradient, &correct);
    for (int r = 0; r < ROWS; r++) {
        double z = 0;
        int best = 0;
        for (int c = 0; c < CLASSES; c++) {
            z += exp(logits[r * CLASSES + c]);
            if (logits[r * CLASSES + c] > logits[r * CLASSES + best]) best = c;
        }
        expected -= log(exp(logits[r * CLASSES + labels[r]]) / z) / ROWS;
        expected_correct += best == labels[r];
    }
    ck_assert_double_eq_tol(value, expected, 1e-9);
    ck_assert_int_eq(correct, expected_correct);
    const float h = 1e-2f;
    for (int i = 0; i < ROWS * CLASSES; i++) {
        const float kept = logits[i];
        logits[i] = kept + h;
        const double high = dho_cross_entropy(ROWS, CLASSES, logits, labels, NULL, 0, ignored, NULL);
        logits[i] = kept - h;
        const double low = dho_cross_entropy(ROWS, CLASSES, logits, labels, NULL, 0, ignored, NULL);
        logits[i] = kept;
        ck_assert_double_eq_tol(gradient[i], 0.3 * (high - low) / (2 * (double)h), 2e-4);
    }
}
END_TEST

START_TEST(test_extreme_logits_stay_finite)
{
    const float teacher[CLASSES] = {1e4f, -1e4f, 0, 0, 0, 0, 0};
    const float student[CLASSES] = {-1e4f, 1e4f, 0, 0, 0, 0, 0};
    const int32_t label = 0;
    float gradient[CLASSES] = {0};
    ck_assert(isfinite(dho_kl_divergence(1, CLASSES, teacher, student, 2, 1, gradient)));
    ck_assert(isfinite(dho_cross_entropy(1, CLASSES, student, &label, NULL, 1, gradient, NULL)));
    for (int c = 0; c < CLASSES; c++) ck_assert(isfinite(gradient[c]));
}
END_TEST

START_TEST(test_feature_distance)
{
    const dho_feature_loss kind = (dho_feature_loss)_i;
    dho_rng rng;
    float target[ROWS * CLASSES], x[ROWS * CLASSES], gradient[ROWS * CLASSES] = {0};
    float ignored[ROWS * CLASSES];
    double expected = 0;
    dho_rng_init(&rng, 14, DHO_RNG_TEST, 0, (uint64_t)_i);
    fill(&rng, 1, ROWS * CLASSES, target);
    fill(&rng, 2, ROWS * CLASSES, x);
    const double value = dho_feature_distance(kind, ROWS, CLASSES, target, x, 0.7f, gradient);
    for (int r = 0; r < ROWS; r++) {
        double dot = 0, xx = 0, tt = 0;
        for (int c = r * CLASSES; c < (r + 1) * CLASSES; c++) {
            dot += (double)x[c] * target[c];
            xx += (double)x[c] * x[c];
            tt += (double)target[c] * target[c];
        }
        expected +=
            kind == DHO_FEATURE_MSE ? (xx - 2 * dot + tt) / CLASSES : 1 - dot / sqrt(xx * tt);
    }
    ck_assert_double_eq_tol(value, expected / ROWS, 1e-9);
    const float h = 1e-2f;
    for (int i = 0; i < ROWS * CLASSES; i++) {
        const float kept = x[i];
        x[i] = kept + h;
        const double high = dho_feature_distance(kind, ROWS, CLASSES, target, x, 0, ignored);
        x[i] = kept - h;
        const double low = dho_feature_distance(kind, ROWS, CLASSES, target, x, 0, ignored);
        x[i] = kept;
        ck_assert_double_eq_tol(gradient[i], 0.7 * (high - low) / (2 * (double)h), 2e-4);
    }
    memset(x, 0, sizeof x); /* a direction that is none: finite */
    ck_assert(isfinite(dho_feature_distance(kind, ROWS, CLASSES, target, x, 1, gradient)));
    for (int i = 0; i < ROWS * CLASSES; i++) ck_assert(isfinite(gradient[i]));
    ck_assert_double_eq(dho_feature_distance(kind, 0, CLASSES, target, x, 1, gradient), 0);
}
END_TEST

/* The parts of an objective add up to it; each weighs its own rows. */
START_TEST(test_parts_of_the_objective)
{
    dho_rng rng;
    const dho_method method = (dho_method)_i;
    const int32_t labels[LABELLED] = {1, 4};
    float head[2][ROWS * CLASSES], teacher[ROWS * CLASSES], projected[ROWS * CLASSES];
    float d[3][3][ROWS * CLASSES]; /* whole, CE, teacher; head 0, head 1, projection */
    dho_rng_init(&rng, 15, DHO_RNG_TEST, 0, 0);
    fill(&rng, 1, 2 * ROWS * CLASSES, head[0]);
    fill(&rng, 1, ROWS * CLASSES, teacher);
    fill(&rng, 1, ROWS * CLASSES, projected);
    memset(d, 0, sizeof d);
    dho_config config = {.method = method};
    config.distill.temperature = 2;
    config.distill.lambda_ce = 0.5;
    config.distill.lambda_kd = 0.25;
    config.distill.lambda_feature = 3;
    const dho_objective whole = dho_objective_create(&config);
    const dho_objective parts[3] = {whole, dho_objective_only_ce(&whole),
                                    dho_objective_only_teacher(&whole)};
    const bool dual = dho_method_is_dual(method);
    double totals[3];
    for (int p = 0; p < 3; p++) {
        const float *heads[2] = {head[0], dual ? head[1] : NULL};
        float *dheads[2] = {d[p][0], dual ? d[p][1] : NULL};
        dho_loss_terms terms = dho_objective_evaluate(&parts[p], ROWS, LABELLED, CLASSES, labels,
                                                      teacher, heads, dheads);
        if (dho_method_uses_features(method))
            dho_objective_add_features(&parts[p], ROWS, LABELLED, CLASSES, teacher, projected,
                                       d[p][2], &terms);
        totals[p] = terms.total;
    }
    ck_assert_double_eq_tol(totals[0], totals[1] + totals[2], 1e-6);
    for (int h = 0; h < 3; h++)
        for (int i = 0; i < ROWS * CLASSES; i++)
            ck_assert_double_eq_tol(d[0][h][i], d[1][h][i] + d[2][h][i], 1e-6);
    if (dual)
        for (int i = 0; i < ROWS * CLASSES; i++) ck_assert(d[1][1][i] == 0 && d[2][0][i] == 0);
}
END_TEST

/* Which rows of which head each method sends gradients to. */
START_TEST(test_objective_of_each_method)
{
    dho_rng rng;
    const dho_method method = (dho_method)_i;
    const int32_t labels[LABELLED] = {1, 4};
    float head_ce[ROWS * CLASSES], head_kd[ROWS * CLASSES], teacher[ROWS * CLASSES];
    float d0[ROWS * CLASSES], d1[ROWS * CLASSES], want0[ROWS * CLASSES] = {0};
    float want1[ROWS * CLASSES] = {0};
    dho_rng_init(&rng, 13, DHO_RNG_TEST, 0, 0);
    fill(&rng, 1, ROWS * CLASSES, head_ce);
    fill(&rng, 1, ROWS * CLASSES, head_kd);
    fill(&rng, 1, ROWS * CLASSES, teacher);
    const dho_objective objective = {
        .method = method, .temperature = 2, .lambda_ce = 0.5f, .lambda_kd = 0.25f};
    const bool dual = method == DHO_METHOD_DHO;
    const float *heads[2] = {head_ce, dual ? head_kd : NULL};
    float *dheads[2] = {d0, dual ? d1 : NULL};
    const dho_loss_terms terms = dho_objective_evaluate(&objective, ROWS, LABELLED, CLASSES, labels,
                                                        teacher, heads, dheads);
    double total = 0;
    if (method != DHO_METHOD_KD)
        total += 0.5 * dho_cross_entropy(LABELLED, CLASSES, head_ce, labels, NULL, 0.5f, want0, NULL);
    if (method != DHO_METHOD_CE && method != DHO_METHOD_FEATURE) {
        const float *student = dual ? head_kd : head_ce;
        float *want = dual ? want1 : want0;
        const int split = LABELLED * CLASSES;
        total += 0.25 * dho_kl_divergence(LABELLED, CLASSES, teacher, student, 2, 0.25f, want);
        total += 0.25 * dho_kl_divergence(ROWS - LABELLED, CLASSES, teacher + split,
                                          student + split, 2, 0.25f, want + split);
    }
    ck_assert_double_eq_tol(terms.total, total, 1e-6);
    ck_assert_mem_eq(d0, want0, sizeof d0);
    if (dual) ck_assert_mem_eq(d1, want1, sizeof d1);
}
END_TEST

START_TEST(test_masked_softmax)
{
    const float logits[CLASSES] = {5, 1, 2, 3, -1, 0, 4};
    bool mask[CLASSES] = {false, true, true, true, false, true, true};
    float p[CLASSES];
    double sum = 0, z = 0;
    dho_masked_softmax(CLASSES, mask, logits, 2, p);
    for (int c = 0; c < CLASSES; c++)
        if (mask[c]) z += exp(logits[c] / 2.0);
    for (int c = 0; c < CLASSES; c++) {
        ck_assert_double_eq_tol(p[c], mask[c] ? exp(logits[c] / 2.0) / z : 0, 1e-6);
        sum += p[c];
    }
    ck_assert_double_eq_tol(sum, 1, 1e-6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("losses");
    TCase *tests = tcase_create("losses");
    tcase_add_loop_test(tests, test_kl_value_and_gradient, 0, 3);
    tcase_add_test(tests, test_cross_entropy_value_and_gradient);
    tcase_add_test(tests, test_extreme_logits_stay_finite);
    tcase_add_loop_test(tests, test_feature_distance, 0, 2);
    tcase_add_loop_test(tests, test_parts_of_the_objective, 0, DHO_METHOD_COUNT);
    tcase_add_loop_test(tests, test_objective_of_each_method, 0, DHO_METHOD_COUNT);
    tcase_add_test(tests, test_masked_softmax);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

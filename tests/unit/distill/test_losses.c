/* Losses against central differences and against their definitions in double precision. */
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/distill.h"
#include "dho/rng.h"

#include <math.h>
#include <string.h>

enum { ROWS = 5, LABELLED = 2, CLASSES = 7 };

static void fill(dho_rng *rng, float scale, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) out[i] = scale * (float)dho_rng_normal(rng);
}

/* d loss / dx, times a weight, by central differences. Float inputs limit the step: h = 1e-2 leaves
 * an O(h^2) = 1e-4 error of O(1) values. */
#define check_gradient(x, gradient, weight, loss)                                             \
    for (int i_ = 0; i_ < ROWS * CLASSES; i_++) {                                             \
        const float h_ = 1e-2f, kept_ = (x)[i_];                                              \
        (x)[i_] = kept_ + h_;                                                                 \
        const double high_ = loss;                                                            \
        (x)[i_] = kept_ - h_;                                                                 \
        const double low_ = loss;                                                             \
        (x)[i_] = kept_;                                                                      \
        ck_assert_double_eq_tol((gradient)[i_], (weight) * (high_ - low_) / (2 * (double)h_), \
                                2e-4);                                                        \
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
    const double value = dho_kl_divergence(ROWS, CLASSES, teacher, student, t, 0.7f, gradient);
    ck_assert_double_eq_tol(value, kl_by_definition(teacher, student, t), 1e-9);
    check_gradient(student, gradient, 0.7,
                   dho_kl_divergence(ROWS, CLASSES, teacher, student, t, 0, ignored));
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
    check_gradient(logits, gradient, 0.3,
                   dho_cross_entropy(ROWS, CLASSES, logits, labels, NULL, 0, ignored, NULL));
}
END_TEST

/* What distill.divergence computes, by its parts, in double precision and without shifts. */
static double decoupled_by_definition(const dho_objective *o, const int32_t *labels,
                                      const float *teacher, const float *student)
{
    const double t = o->temperature;
    double total = 0;
    for (int r = 0; r < ROWS; r++) {
        const float *tr = teacher + r * CLASSES, *sr = student + r * CLASSES;
        const int y = labels[r];
        double zt = 0, zs = 0, nckd = 0;
        for (int c = 0; c < CLASSES; c++) {
            zt += exp(tr[c] / t);
            zs += exp(sr[c] / t);
        }
        const double p = exp(tr[y] / t) / zt, q = exp(sr[y] / t) / zs;
        for (int c = 0; c < CLASSES; c++) {
            if (c == y) continue;
            const double pc = exp(tr[c] / t) / (zt * (1 - p)), qc = exp(sr[c] / t) / (zs * (1 - q));
            nckd += pc * log(pc / qc);
        }
        total +=
            o->dkd_alpha * (p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))) + o->dkd_beta * nckd;
    }
    return t * t * total / ROWS;
}

/* Sinkhorn's iteration over the classes but the label, as its formula has it. */
static double wasserstein_by_definition(const dho_objective *o, const int32_t *labels,
                                        const float *teacher, const float *student)
{
    const double t = o->temperature;
    double total = 0;
    for (int r = 0; r < ROWS; r++) {
        const float *tr = teacher + r * CLASSES, *sr = student + r * CLASSES;
        const int y = labels[r];
        double zt = 0, zs = 0, zt1 = 0, zs1 = 0, a[CLASSES] = {0}, b[CLASSES] = {0};
        double u[CLASSES], v[CLASSES] = {0};
        for (int c = 0; c < CLASSES; c++) {
            zt += c == y ? 0 : exp(tr[c] / t);
            zs += c == y ? 0 : exp(sr[c] / t);
            zt1 += exp(tr[c]);
            zs1 += exp(sr[c]);
        }
        for (int c = 0; c < CLASSES; c++) {
            u[c] = c == y ? 0 : 1.0 / (CLASSES - 1);
            a[c] = c == y ? 0 : exp(sr[c] / t) / zs;
            b[c] = c == y ? 0 : exp(tr[c] / t) / zt;
        }
        for (int i = 0; i < o->transport->iterations; i++)
            for (int half = 0; half < 2; half++)
                for (int c = 0; c < CLASSES; c++) {
                    double sum = 1e-8;
                    for (int d = 0; d < CLASSES; d++)
                        sum += o->transport->kernel[c * CLASSES + d] * (half == 0 ? u[d] : v[d]);
                    *(half == 0 ? &v[c] : &u[c]) = (half == 0 ? b[c] : a[c]) / sum;
                }
        for (int c = 0; c < CLASSES; c++)
            for (int d = 0; d < CLASSES; d++)
                total += o->wkd_weight * u[c] * o->transport->priced[c * CLASSES + d] * v[d];
        total -= exp(tr[y]) / zt1 * log(exp(sr[y]) / zs1);
    }
    return total / ROWS;
}

/* dkd (0, 1, 2) and wkd (3, 4, 5) at three temperatures: value, gradient, one class, no rows. */
START_TEST(test_divergences_that_know_the_label)
{
    static const double temperatures[] = {1, 2, 4.5};
    const bool wkd = _i >= 3;
    const int32_t labels[ROWS] = {0, 6, 3, 3, 1};
    double (*loss)(const dho_objective *, int, int, const int32_t *, const float *, const float *,
                   float, float *) = wkd ? dho_wasserstein_divergence : dho_decoupled_divergence;
    dho_rng rng;
    float teacher[ROWS * CLASSES], student[ROWS * CLASSES], gradient[ROWS * CLASSES] = {0};
    float ignored[ROWS * CLASSES], prototypes[3 * CLASSES];
    dho_transport transport;
    dho_rng_init(&rng, 16, DHO_RNG_TEST, 0, (uint64_t)_i);
    fill(&rng, 2, ROWS * CLASSES, teacher);
    fill(&rng, 2, ROWS * CLASSES, student);
    fill(&rng, 1, 3 * CLASSES, prototypes);
    dho_config config = {.method = DHO_METHOD_SINGLE_HEAD};
    config.distill.wkd_sharpen = 1.5;
    config.distill.wkd_entropy = 0.1;
    config.distill.wkd_iterations = 7;
    ck_assert_ok(dho_transport_create(&transport, &config, CLASSES, 3, prototypes));
    double *scratch;
    ck_assert_ok(dho_alloc(&scratch, dho_transport_scratch(&transport), sizeof *scratch, "test"));
    const dho_objective o = {.temperature = (float)temperatures[_i % 3],
                             .dkd_alpha = 0.6,
                             .dkd_beta = 1.7,
                             .wkd_weight = 5,
                             .transport = &transport,
                             .scratch = scratch};
    const double value = loss(&o, ROWS, CLASSES, labels, teacher, student, 0.7f, gradient);
    const double expected = wkd ? wasserstein_by_definition(&o, labels, teacher, student)
                                : decoupled_by_definition(&o, labels, teacher, student);
    ck_assert_double_eq_tol(value, expected, 1e-9);
    check_gradient(student, gradient, 0.7,
                   loss(&o, ROWS, CLASSES, labels, teacher, student, 0, ignored));
    memset(gradient, 0, sizeof gradient);
    ck_assert_double_eq(loss(&o, 0, CLASSES, labels, teacher, student, 1, gradient), 0);
    ck_assert_double_eq(loss(&o, 1, 1, labels, teacher, student, 1, gradient), 0);
    for (int i = 0; i < ROWS * CLASSES; i++) ck_assert(gradient[i] == 0);
    teacher[0] = student[1] = 1e4f; /* far apart: finite */
    teacher[1] = student[0] = -1e4f;
    ck_assert(isfinite(loss(&o, ROWS, CLASSES, labels, teacher, student, 1, gradient)));
    for (int i = 0; i < ROWS * CLASSES; i++) ck_assert(isfinite(gradient[i]));
    dho_transport_free(&transport);
    dho_free(scratch);
}
END_TEST

/* The target of equal distributions is the teacher's entropy at its label; DKD is 0 there. */
START_TEST(test_divergences_of_the_teacher_itself)
{
    const int32_t labels[ROWS] = {0, 6, 3, 3, 1};
    dho_rng rng;
    float teacher[ROWS * CLASSES], gradient[ROWS * CLASSES] = {0};
    dho_rng_init(&rng, 17, DHO_RNG_TEST, 0, 0);
    fill(&rng, 2, ROWS * CLASSES, teacher);
    const dho_objective o = {.temperature = 2, .dkd_alpha = 1, .dkd_beta = 8};
    ck_assert_double_eq_tol(
        dho_decoupled_divergence(&o, ROWS, CLASSES, labels, teacher, teacher, 1, gradient), 0,
        1e-12);
    ck_assert_double_eq_tol(dho_binary_divergence(ROWS, CLASSES, teacher, teacher, 2, 1, gradient),
                            0, 1e-12);
    for (int i = 0; i < ROWS * CLASSES; i++) ck_assert_double_eq_tol(gradient[i], 0, 1e-7);
}
END_TEST

START_TEST(test_binary_divergence)
{
    const double t = 1.5;
    const float h = 1e-2f;
    dho_rng rng;
    float teacher[ROWS * CLASSES], student[ROWS * CLASSES], gradient[ROWS * CLASSES] = {0};
    float ignored[ROWS * CLASSES];
    double expected = 0;
    dho_rng_init(&rng, 18, DHO_RNG_TEST, 0, 0);
    fill(&rng, 3, ROWS * CLASSES, teacher);
    fill(&rng, 3, ROWS * CLASSES, student);
    const double value = dho_binary_divergence(ROWS, CLASSES, teacher, student, t, 0.7f, gradient);
    for (int i = 0; i < ROWS * CLASSES; i++) {
        const double q = 1 / (1 + exp(-((double)student[i] - teacher[i]) / t));
        expected += t * t * (0.5 * log(0.5 / q) + 0.5 * log(0.5 / (1 - q))) / ROWS;
        const float kept = student[i];
        student[i] = kept + h;
        const double high = dho_binary_divergence(ROWS, CLASSES, teacher, student, t, 0, ignored);
        student[i] = kept - h;
        const double low = dho_binary_divergence(ROWS, CLASSES, teacher, student, t, 0, ignored);
        student[i] = kept;
        ck_assert_double_eq_tol(gradient[i], 0.7 * (high - low) / (2 * (double)h), 2e-4);
    }
    ck_assert_double_eq_tol(value, expected, 1e-9);
    student[0] = 1e30f;
    ck_assert(isfinite(dho_binary_divergence(ROWS, CLASSES, teacher, student, t, 1, gradient)));
    ck_assert(isfinite(gradient[0]));
}
END_TEST

/* Costs: symmetric, from 0 for a class itself and for one in its direction, to what opposite
 * prototypes cost; a class without a prototype is at a right angle. */
START_TEST(test_costs_between_classes)
{
    const float prototypes[] = {1, 0, 3, 0, 0, 2, -1, 0, 0, 0};
    dho_config config = {0};
    dho_transport transport;
    config.distill.wkd_sharpen = 2;
    config.distill.wkd_entropy = 0.5;
    config.distill.wkd_iterations = 1;
    ck_assert_ok(dho_transport_create(&transport, &config, 5, 2, prototypes));
    const double expected[] = {0, 0, 1 - exp(-2.0), 1 - exp(-4.0), 1 - exp(-2.0)};
    for (int c = 0; c < 5; c++) {
        ck_assert_double_eq_tol(transport.kernel[c], exp(-(expected[c] + 1e-8) / 0.5), 1e-6);
        ck_assert_double_eq_tol(transport.priced[c], (expected[c] + 1e-8) * transport.kernel[c],
                                1e-6);
        ck_assert(transport.kernel[c] == transport.kernel[5 * c]);
    }
    dho_transport_free(&transport);
}
END_TEST

/* distill.ce_from and distill.kd_until over a run of ten steps. */
START_TEST(test_losses_over_the_steps)
{
    const dho_objective both = {
        .lambda_ce = 2, .lambda_kd = 3, .lambda_feature = 4, .ce_from = 0.3, .kd_until = 0.55};
    for (int step = 0; step < 10; step++) {
        const dho_objective now = dho_objective_at(&both, step, 10);
        ck_assert(now.lambda_ce == (step >= 3 ? 2.0f : 0.0f));
        ck_assert(now.lambda_kd == (step <= 5 ? 3.0f : 0.0f));
        ck_assert(now.lambda_feature == (step <= 5 ? 4.0f : 0.0f));
    }
    const dho_objective always = {.lambda_ce = 2, .lambda_kd = 3, .kd_until = 1};
    for (int step = 0; step < 10; step++) {
        const dho_objective now = dho_objective_at(&always, step, 10);
        ck_assert(now.lambda_ce == 2 && now.lambda_kd == 3);
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
    check_gradient(x, gradient, 0.7,
                   dho_feature_distance(kind, ROWS, CLASSES, target, x, 0, ignored));
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
    if (dual &&
        method != DHO_METHOD_SSKD) /* whose supervised head has the teacher's labelled rows */
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
    const bool dual = dho_method_is_dual(method);
    const float *heads[2] = {head_ce, dual ? head_kd : NULL};
    float *dheads[2] = {d0, dual ? d1 : NULL};
    const dho_loss_terms terms =
        dho_objective_evaluate(&objective, ROWS, LABELLED, CLASSES, labels, teacher, heads, dheads);
    double total = 0;
    if (method != DHO_METHOD_KD)
        total +=
            0.5 * dho_cross_entropy(LABELLED, CLASSES, head_ce, labels, NULL, 0.5f, want0, NULL);
    if (method != DHO_METHOD_CE && method != DHO_METHOD_FEATURE) {
        /* The heads that meet the teacher: on the labelled rows, on the others. */
        const bool first[2] = {!dual || method == DHO_METHOD_SSKD, !dual};
        double (*loss)(int, int, const float *, const float *, double, float, float *) =
            method == DHO_METHOD_DHKD ? dho_binary_divergence : dho_kl_divergence;
        const int split = LABELLED * CLASSES;
        total += 0.25 * loss(LABELLED, CLASSES, teacher, first[0] ? head_ce : head_kd, 2, 0.25f,
                             first[0] ? want0 : want1);
        total += 0.25 * loss(ROWS - LABELLED, CLASSES, teacher + split,
                             (first[1] ? head_ce : head_kd) + split, 2, 0.25f,
                             (first[1] ? want0 : want1) + split);
    }
    ck_assert_double_eq_tol(terms.total, total, 1e-6);
    ck_assert_mem_eq(d0, want0, sizeof d0);
    if (dual) ck_assert_mem_eq(d1, want1, sizeof d1);
}
END_TEST

/* DKD at the head that learns the labels: of one head in the place of KL, of dho's beside it. */
START_TEST(test_divergence_of_each_head)
{
    static const dho_method methods[] = {DHO_METHOD_SINGLE_HEAD, DHO_METHOD_LOGIT_FEATURE,
                                         DHO_METHOD_DHO};
    dho_rng rng;
    const dho_method method = methods[_i];
    const int32_t labels[LABELLED] = {1, 4};
    const int split = LABELLED * CLASSES;
    float head_ce[ROWS * CLASSES], head_kd[ROWS * CLASSES], teacher[ROWS * CLASSES];
    float d0[ROWS * CLASSES], d1[ROWS * CLASSES], want0[ROWS * CLASSES] = {0};
    float want1[ROWS * CLASSES] = {0};
    dho_rng_init(&rng, 19, DHO_RNG_TEST, 0, 0);
    fill(&rng, 1, ROWS * CLASSES, head_ce);
    fill(&rng, 1, ROWS * CLASSES, head_kd);
    fill(&rng, 1, ROWS * CLASSES, teacher);
    const dho_objective o = {.method = method,
                             .temperature = 2,
                             .lambda_ce = 0.5f,
                             .lambda_kd = 0.25f,
                             .divergence = DHO_DIVERGENCE_DKD,
                             .dkd_alpha = 1,
                             .dkd_beta = 8};
    const bool dual = method == DHO_METHOD_DHO;
    const float *heads[2] = {head_ce, dual ? head_kd : NULL};
    float *dheads[2] = {d0, dual ? d1 : NULL};
    const dho_loss_terms terms =
        dho_objective_evaluate(&o, ROWS, LABELLED, CLASSES, labels, teacher, heads, dheads);
    double kd = 0;
    const double ce =
        dho_cross_entropy(LABELLED, CLASSES, head_ce, labels, NULL, 0.5f, want0, NULL);
    if (dual) kd += dho_kl_divergence(LABELLED, CLASSES, teacher, head_kd, 2, 0.25f, want1);
    kd += dho_decoupled_divergence(&o, LABELLED, CLASSES, labels, teacher, head_ce, 0.25f, want0);
    ck_assert_double_eq_tol(terms.kd_labelled, kd, 1e-12);
    kd += dho_kl_divergence(ROWS - LABELLED, CLASSES, teacher + split,
                            (dual ? head_kd : head_ce) + split, 2, 0.25f,
                            (dual ? want1 : want0) + split);
    ck_assert_double_eq_tol(terms.total, 0.5 * ce + 0.25 * kd, 1e-6);
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
    tcase_add_loop_test(tests, test_divergences_that_know_the_label, 0, 6);
    tcase_add_test(tests, test_divergences_of_the_teacher_itself);
    tcase_add_test(tests, test_binary_divergence);
    tcase_add_test(tests, test_costs_between_classes);
    tcase_add_test(tests, test_losses_over_the_steps);
    tcase_add_loop_test(tests, test_divergence_of_each_head, 0, 3);
    tcase_add_test(tests, test_masked_softmax);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

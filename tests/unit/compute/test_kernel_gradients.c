/* The reference's backward kernels against central finite differences.
 *
 * The loss is L = sum(y r) for a fixed random r. What is linear (convolution, average pool) is
 * differenced through the float kernels with a step of 1, where the difference is exact up to
 * rounding; what is not goes through forward functions in double here, with a small step. */
#include "kernel_test.h"

enum { PROBES = 40 }; /* coordinates tried per tensor */

static double inner(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

typedef struct conv_loss {
    dho_compute *ref;
    dho_conv_shape shape;
    float *x, *w, *bias, *y, *r;
    size_t y_count;
} conv_loss;

static double conv_loss_value(conv_loss *l)
{
    dho_compute_kernels(l->ref)->conv_forward(l->ref, &l->shape, l->x, l->w, l->bias, l->y);
    return inner(l->y, l->r, l->y_count);
}

/* Rounding: each y is rounded by eps |y|, |y| about sqrt(terms); their sum with r over y_count
 * elements is then off by about eps sqrt(terms y_count); 8 for the tails. */
static void probe_conv(conv_loss *l, dho_rng *rng, float *values, const float *gradient,
                       size_t count, double terms)
{
    const double tolerance = 8 * (double)FLT_EPSILON * sqrt((terms + 1) * (double)l->y_count);
    for (int probe = 0; probe < PROBES; probe++) {
        const size_t i = dho_rng_below(rng, (uint32_t)count);
        const float kept = values[i];
        const float up = kept + 1, down = kept - 1;
        values[i] = up;
        const double above = conv_loss_value(l);
        values[i] = down;
        const double below = conv_loss_value(l);
        values[i] = kept;
        const double slope = (above - below) / ((double)up - (double)down);
        ck_assert_double_eq_tol((double)gradient[i], slope, tolerance + 1e-6 * fabs(slope));
    }
}

START_TEST(test_conv_gradients)
{
    /* side, in_c, out_c, kernel, stride, padding, groups */
    static const int cases[][7] = {{6, 3, 4, 3, 1, 1, 1}, {7, 4, 6, 3, 2, 1, 2},
                                   {5, 5, 5, 3, 1, 1, 5}, {6, 3, 2, 1, 2, 0, 1},
                                   {9, 2, 3, 7, 2, 3, 1}, {4, 3, 2, 1, 1, 0, 1}};
    const int *c = cases[_i], out = (c[0] + 2 * c[5] - c[3]) / c[4] + 1;
    dho_rng rng = test_rng((uint64_t)_i);
    conv_loss l = {.shape = {2, c[0], c[0], c[1], out, out, c[2], c[3], c[3], c[4], c[5], c[6]}};
    const size_t x_count = (size_t)(2 * c[0] * c[0] * c[1]), out_c = (size_t)c[2];
    const size_t w_count = (size_t)(c[2] * c[3] * c[3] * c[1] / c[6]);
    l.y_count = (size_t)(2 * out * out * c[2]);
    l.ref = open_backend("ref", 1);
    l.x = random_floats(&rng, x_count, 0, 1), l.w = random_floats(&rng, w_count, 0, 1);
    l.bias = random_floats(&rng, out_c, 0, 1), l.r = random_floats(&rng, l.y_count, 0, 1);
    l.y = nan_floats(l.y_count);
    float *dx = nan_floats(x_count), *dw, *dbias;
    ck_assert_ok(dho_alloc_zero(&dw, w_count, sizeof *dw, "test"));
    ck_assert_ok(dho_alloc_zero(&dbias, out_c, sizeof *dbias, "test"));
    const dho_kernels *k = dho_compute_kernels(l.ref);
    k->conv_backward_data(l.ref, &l.shape, l.r, l.w, false, dx);
    k->conv_backward_weights(l.ref, &l.shape, l.x, l.r, dw, dbias);
    const double terms = (double)w_count / (double)out_c;
    probe_conv(&l, &rng, l.x, dx, x_count, terms);
    probe_conv(&l, &rng, l.w, dw, w_count, terms);
    probe_conv(&l, &rng, l.bias, dbias, out_c, terms);
    dho_free(l.x), dho_free(l.w), dho_free(l.bias), dho_free(l.y), dho_free(l.r);
    dho_free(dx), dho_free(dw), dho_free(dbias);
    dho_compute_destroy(&l.ref);
}
END_TEST

/* Tensors in double, and the loss as a function of them. */
enum { ROWS = 24, CHANNELS = 5, COUNT = ROWS * CHANNELS };

typedef struct norm_loss {
    double x[COUNT], residual[COUNT], gamma[CHANNELS], beta[CHANNELS], r[COUNT];
    dho_activation activation;
} norm_loss;

static double norm_loss_value(const norm_loss *l)
{
    double loss = 0;
    for (int c = 0; c < CHANNELS; c++) {
        double mean = 0, variance = 0;
        for (int i = 0; i < ROWS; i++) mean += l->x[i * CHANNELS + c] / ROWS;
        for (int i = 0; i < ROWS; i++) variance += pow(l->x[i * CHANNELS + c] - mean, 2) / ROWS;
        for (int i = 0; i < ROWS; i++) {
            const int at = i * CHANNELS + c;
            double v = (l->x[at] - mean) / sqrt(variance + 1e-5) * l->gamma[c] + l->beta[c] +
                       l->residual[at];
            if (l->activation != DHO_ACTIVATION_NONE && v < 0) v = 0;
            if (l->activation == DHO_ACTIVATION_RELU6 && v > 6) v = 6;
            loss += v * l->r[at];
        }
    }
    return loss;
}

/* Central difference of a loss in one of its doubles. With a step of 1e-6 it is right to about
 * 1e-9 (rounding of a loss of order 10 over the step; truncation is 1e-12). */
#define DIFFERENCE(loss, context, value, slope)    \
    do {                                           \
        const double kept_ = (value);              \
        (value) = kept_ + 1e-6;                    \
        const double above_ = loss(context);       \
        (value) = kept_ - 1e-6;                    \
        (slope) = (above_ - loss(context)) / 2e-6; \
        (value) = kept_;                           \
    } while (0)

static void to_double(double *out, const float *in, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = (double)in[i];
}

START_TEST(test_batch_norm_gradients)
{
    dho_rng rng = test_rng((uint64_t)_i);
    norm_loss l = {.activation = (dho_activation)_i};
    float *x = random_floats(&rng, COUNT, 1, 1), *residual = random_floats(&rng, COUNT, 2, 4);
    float *gamma = random_floats(&rng, CHANNELS, 1, 0.3), *r = random_floats(&rng, COUNT, 0, 1);
    float *beta = random_floats(&rng, CHANNELS, 0, 1);
    float y[COUNT], mean[CHANNELS], inv_std[CHANNELS], variance[CHANNELS];
    float dx[COUNT], dresidual[COUNT], dgamma[CHANNELS] = {0}, dbeta[CHANNELS] = {0};
    dho_compute *ref = open_backend("ref", 1);
    const dho_kernels *k = dho_compute_kernels(ref);
    const dho_batch_norm_shape shape = {
        .rows = ROWS, .channels = CHANNELS, .eps = 1e-5f, .activation = l.activation};
    k->batch_norm_forward(ref, &shape,
                          &(dho_batch_norm_tensors){
                              .x = x, .gamma = gamma, .beta = beta, .residual = residual, .y = y},
                          mean, inv_std, variance);
    k->batch_norm_backward(ref, &shape,
                           &(dho_batch_norm_gradients){.x = x,
                                                       .gamma = gamma,
                                                       .beta = beta,
                                                       .y = y,
                                                       .dy = r,
                                                       .dx = dx,
                                                       .dresidual = dresidual,
                                                       .dgamma = dgamma,
                                                       .dbeta = dbeta},
                           mean, inv_std);
    to_double(l.x, x, COUNT), to_double(l.residual, residual, COUNT), to_double(l.r, r, COUNT);
    to_double(l.gamma, gamma, CHANNELS), to_double(l.beta, beta, CHANNELS);
    ck_assert_double_eq_tol(norm_loss_value(&l), inner(y, r, COUNT), 1e-4);
    double slope;
    /* Float inputs (mean, inv_std, y) to gradients of order 1 .. 10. */
    for (int i = 0; i < COUNT; i++) {
        DIFFERENCE(norm_loss_value, &l, l.x[i], slope);
        ck_assert_double_eq_tol((double)dx[i], slope, 1e-5);
        DIFFERENCE(norm_loss_value, &l, l.residual[i], slope);
        ck_assert_double_eq_tol((double)dresidual[i], slope, 1e-5);
    }
    for (int c = 0; c < CHANNELS; c++) {
        DIFFERENCE(norm_loss_value, &l, l.gamma[c], slope);
        ck_assert_double_eq_tol((double)dgamma[c], slope, 3e-5);
        DIFFERENCE(norm_loss_value, &l, l.beta[c], slope);
        ck_assert_double_eq_tol((double)dbeta[c], slope, 3e-5);
    }
    dho_free(x), dho_free(residual), dho_free(gamma), dho_free(r), dho_free(beta);
    dho_compute_destroy(&ref);
}
END_TEST

typedef struct l2_loss {
    double x[COUNT], r[COUNT];
} l2_loss;

static double l2_loss_value(const l2_loss *l)
{
    double loss = 0;
    for (int i = 0; i < ROWS; i++) {
        double squares = 0;
        for (int c = 0; c < CHANNELS; c++) squares += pow(l->x[i * CHANNELS + c], 2);
        for (int c = 0; c < CHANNELS; c++) {
            loss += l->x[i * CHANNELS + c] / fmax(sqrt(squares), 1e-12) * l->r[i * CHANNELS + c];
        }
    }
    return loss;
}

START_TEST(test_l2_gradients)
{
    dho_rng rng = test_rng(0);
    l2_loss l;
    float *x = random_floats(&rng, COUNT, 2, 1), *r = random_floats(&rng, COUNT, 0, 1);
    float y[COUNT], norms[ROWS], dx[COUNT];
    dho_compute *ref = open_backend("ref", 1);
    const dho_kernels *k = dho_compute_kernels(ref);
    const dho_rows_shape shape = {ROWS, CHANNELS};
    k->l2_normalise_forward(ref, &shape, x, y, norms);
    k->l2_normalise_backward(ref, &shape, y, norms, r, false, dx);
    to_double(l.x, x, COUNT), to_double(l.r, r, COUNT);
    for (int i = 0; i < COUNT; i++) {
        double slope;
        DIFFERENCE(l2_loss_value, &l, l.x[i], slope);
        const double norm = (double)norms[i / CHANNELS];
        ck_assert_double_eq_tol((double)dx[i], slope, 1e-6 / norm + 1e-7);
    }
    dho_free(x), dho_free(r);
    dho_compute_destroy(&ref);
}
END_TEST

/* Values that are all apart by more than twice the step: the maximum never changes place. */
START_TEST(test_pool_gradients)
{
    dho_rng rng = test_rng(0);
    const dho_pool_shape s = {2, 7, 6, 3, 4, 3, 3, 2, 1};
    enum { IN = 2 * 7 * 6 * 3, OUT = 2 * 4 * 3 * 3, POSITIONS = 42 };
    int64_t order[IN];
    float x[IN], y[OUT], dx[IN], average_dx[IN], average[6];
    uint8_t argmax[OUT];
    for (int i = 0; i < IN; i++) order[i] = i;
    dho_rng_shuffle(&rng, order, IN);
    for (int i = 0; i < IN; i++) x[i] = (float)order[i];
    float *r = random_floats(&rng, OUT, 0, 1);
    dho_compute *ref = open_backend("ref", 1);
    const dho_kernels *k = dho_compute_kernels(ref);
    k->max_pool_forward(ref, &s, x, y, argmax);
    k->max_pool_backward(ref, &s, r, argmax, false, dx);
    const dho_places_shape shape = {2, POSITIONS, 3};
    k->average_pool_backward(ref, &shape, r, false, average_dx);
    for (int i = 0; i < IN; i++) {
        double slope = 0, average_slope = 0;
        for (int side = -1; side <= 1; side += 2) {
            x[i] += 0.25f * (float)side;
            k->max_pool_forward(ref, &s, x, y, argmax);
            slope += side * inner(y, r, OUT) / 0.5;
            k->average_pool_forward(ref, &shape, x, average);
            average_slope += side * inner(average, r, 6) / 0.5;
            x[i] -= 0.25f * (float)side;
        }
        /* Steps and values are exact in float for the maximum; averages of numbers near 100 are
         * rounded to 4e-6. */
        ck_assert_double_eq_tol((double)dx[i], slope, 1e-6 * (1 + fabs(slope)));
        ck_assert_double_eq_tol((double)average_dx[i], average_slope, 2e-4);
    }
    dho_free(r);
    dho_compute_destroy(&ref);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel_gradients");
    TCase *tests = tcase_create("kernel_gradients");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_conv_gradients, 0, 6);
    tcase_add_loop_test(tests, test_batch_norm_gradients, 0, 3);
    tcase_add_test(tests, test_l2_gradients);
    tcase_add_test(tests, test_pool_gradients);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

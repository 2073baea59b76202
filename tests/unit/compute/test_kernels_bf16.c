/* The bf16 kernels against the reference on the same rounded inputs. */
#include "base/compare.h"
#include "bf16_test.h"
#include "dho/tuning.h"

/* Largest difference over the expected tensor's root mean square. */
static double distance(size_t count, const dho_bf16 *elements, const float *floats,
                       const float *expected)
{
    double worst = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        const double a = elements != NULL ? dho_bf16_load(elements[i]) : floats[i];
        if (!isfinite(a)) return INFINITY;
        worst = dho_larger_or_nan(worst, fabs(a - expected[i]));
        squares += (double)expected[i] * expected[i];
    }
    return worst / (sqrt(squares / (double)count) + 1e-30);
}

/* Rounding an output moves it by 2^-9 of itself; 6 root mean squares is as far out as these
 * tensors' elements get; weights are rounded too, which adds noise of 2^-9 root mean square. */
static const double store_tolerance = 8.0 / 256;
/* Weight gradients are not rounded: fp32 sums of exact products. */
static const double sum_tolerance_bf16 = 1e-4;

static void check_conv_shape(const dho_conv_shape *s, uint64_t id)
{
    dho_rng rng = test_rng(id);
    const size_t xs = (size_t)(s->batch * s->in_h * s->in_w * s->in_c);
    const size_t ys = (size_t)(s->batch * s->out_h * s->out_w * s->out_c);
    const size_t ws = (size_t)(s->out_c * s->kernel_h * s->kernel_w * s->in_c / s->groups);
    float *x = random_floats(&rng, xs, 0, 1), *dy = random_floats(&rng, ys, 0, 1);
    float *w = random_floats(&rng, ws, 0, 1), *y = nan_floats(ys), *dx = nan_floats(xs);
    float *dw = random_floats(&rng, ws, 0, 1), *dw_ours = copy_floats(dw, ws);
    dho_bf16 *x16 = rounded(x, xs), *dy16 = rounded(dy, ys), *w16 = rounded(w, ws);
    dho_bf16 *y16 = nan_elements(ys), *dx16 = nan_elements(xs);
    const dho_kernels *ours = dho_compute_kernels(bf16), *ref = dho_compute_kernels(reference);
    ck_assert_ok(dho_compute_reserve_conv(bf16, s, DHO_CALL_ALL & ~DHO_CALL_FUSED));
    ours->conv_forward(bf16, s, x16, w, NULL, y16);
    ref->conv_forward(reference, s, x, w, NULL, y);
    ours->conv_backward_data(bf16, s, dy16, w, false, dx16);
    ref->conv_backward_data(reference, s, dy, w, false, dx);
    ours->conv_backward_weights(bf16, s, x16, dy16, dw_ours, NULL);
    ref->conv_backward_weights(reference, s, x, dy, dw, NULL);
    const double errors[3] = {distance(ys, y16, NULL, y), distance(xs, dx16, NULL, dx),
                              distance(ws, NULL, dw_ours, dw)};
    ck_assert_msg(
        errors[0] < store_tolerance && errors[1] < store_tolerance &&
            errors[2] < sum_tolerance_bf16,
        "batch %d, %dx%d, %d to %d channels, kernel %d, stride %d, groups %d: forward %g, "
        "data %g, weights %g",
        s->batch, s->in_h, s->in_w, s->in_c, s->out_c, s->kernel_h, s->stride, s->groups, errors[0],
        errors[1], errors[2]);
    ours->conv_backward_data(bf16, s, dy16, w, true, dx16); /* adds */
    for (size_t i = 0; i < xs; i++) dx[i] *= 2;
    ck_assert_double_lt(distance(xs, dx16, NULL, dx), 1.5 * store_tolerance);
    void *const blocks[] = {x, dy, w, y, dx, dw, dw_ours, x16, dy16, w16, y16, dx16};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) dho_free(blocks[i]);
}

/* Each kernel that a tuning may choose, whatever the rule would take. */
static void check_chosen(const dho_conv_shape *s, uint64_t id)
{
    const dho_kernel_site site = dho_kernel_site_of_conv(s, DHO_DTYPE_BF16, DHO_CALL_WEIGHTS);
    dho_compute *rule = bf16;
    const char *choice;
    for (size_t i = 0; (choice = dho_compute_candidate(rule, &site, i)) != NULL; i++) {
        ck_assert_ok(dho_compute_create(&bf16, DHO_BACKEND_AUTO, DHO_DTYPE_BF16, 2));
        dho_compute_prefer(bf16, choice);
        check_conv_shape(s, id);
        dho_compute_destroy(&bf16);
    }
    bf16 = rule;
}

START_TEST(test_conv)
{
    static const int shapes[][7] = {
        {2, 9, 16, 32, 3, 1, 1},   {2, 9, 3, 16, 7, 2, 1},   {3, 8, 64, 24, 1, 1, 1},
        {3, 8, 64, 24, 1, 2, 1},   {2, 9, 32, 32, 3, 2, 1},  {2, 11, 4, 4, 3, 1, 1},
        {2, 11, 3, 5, 3, 1, 1},    {7, 5, 4, 8, 1, 2, 1},    {7, 5, 4, 8, 3, 2, 1},
        {2, 9, 48, 48, 3, 1, 48},  {2, 9, 12, 12, 3, 2, 12}, {7, 2, 32, 32, 3, 1, 1},
        {7, 1, 24, 96, 1, 1, 1},   {7, 1, 16, 16, 3, 1, 1},  {7, 33, 3, 3, 7, 2, 1},
        {2, 32, 3, 64, 16, 16, 1}, {2, 45, 32, 40, 3, 1, 1}};
    open_both();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int *n = shapes[i];
        dho_conv_shape s = shape_of(n[0], n[1], n[2], n[3], n[4], n[5], n[6]);
        if (n[4] == n[5] && n[4] > 1) { /* patches */
            s.padding = 0;
            s.out_h = s.out_w = n[1] / n[4];
        }
        check_conv_shape(&s, i);
        check_chosen(&s, i);
    }
    close_both();
}
END_TEST

START_TEST(test_linear)
{
    enum { ROWS = 37, IN = 40, OUT = 24 };
    open_both();
    dho_rng rng = test_rng(100);
    const dho_kernels *ours = dho_compute_kernels(bf16), *ref = dho_compute_kernels(reference);
    float *x = random_floats(&rng, ROWS * IN, 0, 1), *w = random_floats(&rng, OUT * IN, 0, 1);
    float *dy = random_floats(&rng, ROWS * OUT, 0, 1), *bias = random_floats(&rng, OUT, 0, 1);
    float *residual = random_floats(&rng, ROWS * OUT, 0, 9), *y = nan_floats(ROWS * OUT);
    float *stream = nan_floats(ROWS * OUT), *dx = nan_floats(ROWS * IN);
    float *dw = random_floats(&rng, OUT * IN, 0, 1), *dw_ours = copy_floats(dw, OUT * IN);
    float *dbias = random_floats(&rng, OUT, 0, 1), *dbias_ours = copy_floats(dbias, OUT);
    dho_bf16 *x16 = rounded(x, ROWS * IN), *dy16 = rounded(dy, ROWS * OUT);
    dho_bf16 *w16 = rounded(w, OUT * IN), *y16 = nan_elements(ROWS * OUT);
    dho_bf16 *dx16 = nan_elements(ROWS * IN);
    const dho_linear_shape shape = {ROWS, IN, OUT};
    ck_assert_ok(dho_compute_reserve_linear(bf16, &shape, DHO_CALL_ALL));
    for (int with_bias = 0; with_bias < 2; with_bias++) {
        const float *b = with_bias ? bias : NULL;
        ours->linear_forward(bf16, &shape, x16, w, b, y16);
        ref->linear_forward(reference, &shape, x, w, b, y);
        ck_assert_double_lt(distance(ROWS * OUT, y16, NULL, y), store_tolerance);
        ours->linear_add_forward(bf16, &shape, x16, w, b, residual, stream);
        ref->linear_add_forward(reference, &shape, x, w, b, residual, y);
        ck_assert_double_lt(distance(ROWS * OUT, NULL, stream, y), 1e-5); /* a float sum */
    }
    ours->linear_backward_data(bf16, &shape, dy16, w, false, dx16);
    ref->linear_backward_data(reference, &shape, dy, w, false, dx);
    ck_assert_double_lt(distance(ROWS * IN, dx16, NULL, dx), store_tolerance);
    ours->linear_backward_data(bf16, &shape, dy16, w, true, dx16);
    ref->linear_backward_data(reference, &shape, dy, w, true, dx);
    ck_assert_double_lt(distance(ROWS * IN, dx16, NULL, dx), 1.5 * store_tolerance);
    ours->linear_backward_weights(bf16, &shape, x16, dy16, dw_ours, dbias_ours);
    ref->linear_backward_weights(reference, &shape, x, dy, dw, dbias);
    ck_assert_double_lt(distance(OUT * IN, NULL, dw_ours, dw), 1e-5);
    ck_assert_double_lt(distance(OUT, NULL, dbias_ours, dbias), 1e-5);
    void *const blocks[] = {x,       w,     dy,         bias, residual, y,   stream, dx,  dw,
                            dw_ours, dbias, dbias_ours, x16,  dy16,     w16, y16,    dx16};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) dho_free(blocks[i]);
    close_both();
}
END_TEST

START_TEST(test_batch_norm)
{
    enum { ROWS = 150, CHANNELS = 21, COUNT = ROWS * CHANNELS };
    open_both();
    dho_rng rng = test_rng(200 + (uint64_t)_i);
    const dho_kernels *ours = dho_compute_kernels(bf16), *ref = dho_compute_kernels(reference);
    const dho_activation activation = (dho_activation)(_i % 3);
    const bool extra = _i >= 3;
    float *x = random_floats(&rng, COUNT, 3, 2), *residual = random_floats(&rng, COUNT, 0, 1);
    float *dy = random_floats(&rng, COUNT, 0, 1), *gamma = random_floats(&rng, CHANNELS, 1, 1);
    float *beta = random_floats(&rng, CHANNELS, 1, 1), *y = nan_floats(COUNT);
    float *dx = nan_floats(COUNT), *dr = nan_floats(COUNT);
    float sums[2][2][CHANNELS] = {{{0}}}, saved[2][3][CHANNELS];
    dho_bf16 *x16 = rounded(x, COUNT), *r16 = rounded(residual, COUNT), *dy16 = rounded(dy, COUNT);
    dho_bf16 *y16 = nan_elements(COUNT), *dx16 = nan_elements(COUNT), *dr16 = nan_elements(COUNT);
    const dho_batch_norm_shape shape = {
        .rows = ROWS, .channels = CHANNELS, .eps = 1e-5f, .activation = activation};
    ours->batch_norm_forward(
        bf16, &shape,
        &(dho_batch_norm_tensors){
            .x = x16, .gamma = gamma, .beta = beta, .residual = extra ? r16 : NULL, .y = y16},
        saved[0][0], saved[0][1], saved[0][2]);
    ref->batch_norm_forward(
        reference, &shape,
        &(dho_batch_norm_tensors){
            .x = x, .gamma = gamma, .beta = beta, .residual = extra ? residual : NULL, .y = y},
        saved[1][0], saved[1][1], saved[1][2]);
    ck_assert_double_lt(distance(COUNT, y16, NULL, y), store_tolerance);
    check_close("statistics", saved[0][0], saved[1][0], CHANNELS * 3, 1e-5, 1e-5);
    /* The same masks for both. */
    for (int i = 0; i < COUNT; i++) y[i] = dho_bf16_load(y16[i]);
    ours->batch_norm_backward(bf16, &shape,
                              &(dho_batch_norm_gradients){.x = x16,
                                                          .gamma = gamma,
                                                          .beta = beta,
                                                          .y = y16,
                                                          .dy = dy16,
                                                          .dx = dx16,
                                                          .dresidual = extra ? dr16 : NULL,
                                                          .dgamma = sums[0][0],
                                                          .dbeta = sums[0][1]},
                              saved[0][0], saved[0][1]);
    ref->batch_norm_backward(reference, &shape,
                             &(dho_batch_norm_gradients){.x = x,
                                                         .gamma = gamma,
                                                         .beta = beta,
                                                         .y = y,
                                                         .dy = dy,
                                                         .dx = dx,
                                                         .dresidual = extra ? dr : NULL,
                                                         .dgamma = sums[1][0],
                                                         .dbeta = sums[1][1]},
                             saved[1][0], saved[1][1]);
    ck_assert_double_lt(distance(COUNT, dx16, NULL, dx), store_tolerance);
    if (extra) ck_assert_double_lt(distance(COUNT, dr16, NULL, dr), store_tolerance);
    ck_assert_double_lt(distance(2 * CHANNELS, NULL, sums[0][0], sums[1][0]), 1e-4);
    void *const blocks[] = {x,  residual, dy,  gamma, beta, y,    dx,
                            dr, x16,      r16, dy16,  y16,  dx16, dr16};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) dho_free(blocks[i]);
    close_both();
}
END_TEST

START_TEST(test_pools)
{
    enum { BATCH = 2, SIZE = 9, OUT = 5, CHANNELS = 70 };
    enum { IN_COUNT = BATCH * SIZE * SIZE * CHANNELS, OUT_COUNT = BATCH * OUT * OUT * CHANNELS };
    open_both();
    dho_rng rng = test_rng(300);
    const dho_kernels *ours = dho_compute_kernels(bf16), *ref = dho_compute_kernels(reference);
    const dho_pool_shape s = {.batch = BATCH,
                              .in_h = SIZE,
                              .in_w = SIZE,
                              .channels = CHANNELS,
                              .out_h = OUT,
                              .out_w = OUT,
                              .kernel = 3,
                              .stride = 2,
                              .padding = 1};
    static uint8_t at[2][OUT_COUNT];
    float *x = random_floats(&rng, IN_COUNT, 0, 1), *dy = random_floats(&rng, OUT_COUNT, 0, 1);
    float *y = nan_floats(OUT_COUNT), *dx = nan_floats(IN_COUNT);
    float means[2][BATCH * CHANNELS];
    dho_bf16 *x16 = rounded(x, IN_COUNT), *dy16 = rounded(dy, OUT_COUNT);
    dho_bf16 *y16 = nan_elements(OUT_COUNT), *dx16 = nan_elements(IN_COUNT);
    ours->max_pool_forward(bf16, &s, x16, y16, at[0]);
    ref->max_pool_forward(reference, &s, x, y, at[1]);
    ck_assert(distance(OUT_COUNT, y16, NULL, y) == 0); /* a maximum is one of its inputs */
    ck_assert_mem_eq(at[0], at[1], sizeof at[0]);
    ours->max_pool_backward(bf16, &s, dy16, at[0], false, dx16);
    ref->max_pool_backward(reference, &s, dy, at[1], false, dx);
    for (int i = 0; i < OUT_COUNT; i++) dy[i] = fabsf(dy[i]);
    float *terms = nan_floats(IN_COUNT);
    ref->max_pool_backward(reference, &s, dy, at[1], false, terms);
    /* Up to four windows add to an element, each rounds the sum by at most 2^-9 of it. */
    for (int i = 0; i < IN_COUNT; i++)
        if (!(fabsf(dho_bf16_load(dx16[i]) - dx[i]) <= 4.0f / 512 * terms[i]))
            ck_abort_msg("max_pool_backward [%d]: %g, expected %g", i,
                         (double)dho_bf16_load(dx16[i]), (double)dx[i]);
    const dho_places_shape shape = {BATCH, SIZE * SIZE, CHANNELS};
    ours->average_pool_forward(bf16, &shape, x16, means[0]);
    ref->average_pool_forward(reference, &shape, x, means[1]);
    check_close("means", means[0], means[1], BATCH * CHANNELS, 1e-6, 1e-6);
    ours->average_pool_backward(bf16, &shape, means[1], false, dx16);
    ref->average_pool_backward(reference, &shape, means[1], false, dx);
    ck_assert_double_lt(distance(IN_COUNT, dx16, NULL, dx), store_tolerance);
    void *const blocks[] = {x, dy, y, dx, terms, x16, dy16, y16, dx16};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) dho_free(blocks[i]);
    close_both();
}
END_TEST

START_TEST(test_rounding)
{
    /* To the nearest, ties to even; infinities and NaN stay. */
    static const struct {
        uint32_t bits;
        uint16_t expected;
    } cases[] = {{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82},
                 {0x3f808001, 0x3f81}, {0x7f800000, 0x7f80}, {0xff800000, 0xff80},
                 {0x7f7fffff, 0x7f80}, {0x80000000, 0x8000}, {0x00000001, 0x0000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float f;
        memcpy(&f, &cases[i].bits, sizeof f);
        ck_assert_uint_eq(dho_bf16_store(f), cases[i].expected);
    }
    const float nan = NAN;
    ck_assert(isnan(dho_bf16_load(dho_bf16_store(nan))));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels_bf16");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_rounding);
    tcase_add_test(tests, test_conv);
    tcase_add_test(tests, test_linear);
    tcase_add_loop_test(tests, test_batch_norm, 0, 6);
    tcase_add_test(tests, test_pools);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

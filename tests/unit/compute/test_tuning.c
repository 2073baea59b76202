/* Tables of kernels: their text, what is refused, and that they change only what they say. */
#define _GNU_SOURCE
#include "dho/tuning.h"
#include "folder_fixture.h"
#include "kernel_test.h"

#define HEAD "dho tuning 1\nprocessor: some\ncaches: few\nthreads: 2\n"
#define CONV "conv_forward fp32 2x8x8x16 to 8x8x16 kernel 3x3 stride 1 padding 1 groups 1"

static dho_conv_shape shape_of(int in_c, int out_c, int kernel)
{
    return conv_shape((int[]){2, 8, 8, in_c, out_c, kernel, kernel, 1, kernel / 2, 1});
}

static dho_tuning *parse(const char *text)
{
    dho_tuning *tuning;
    ck_assert_ok(dho_tuning_parse(&tuning, text, strlen(text), "t"));
    return tuning;
}

START_TEST(test_text)
{
    dho_tuning *tuning, *again;
    char *text;
    const dho_conv_shape conv = shape_of(16, 16, 3);
    const dho_linear_shape linear = {6304, 768, 3072};
    const dho_kernel_site a = dho_kernel_site_of_conv(&conv, DHO_DTYPE_FP32, DHO_CALL_FORWARD_BIAS);
    const dho_kernel_site b = dho_kernel_site_of_linear(&linear, DHO_DTYPE_BF16, DHO_CALL_DATA_ADD);
    ck_assert_ok(dho_tuning_create(&tuning, 3));
    ck_assert(dho_tuning_is_of_this_processor(tuning));
    ck_assert_ok(dho_tuning_add(tuning, &a, "winograd", "winograd 1.2 ms"));
    ck_assert_ok(dho_tuning_add(tuning, &b, "gemm", NULL));
    ck_assert_fails(dho_tuning_add(tuning, &a, "im2col", NULL), DHO_ERR_CONFIG, "twice");
    ck_assert_fails(dho_tuning_add(tuning, &a, "fastest", NULL), DHO_ERR_CONFIG,
                    "no kernel \"fastest\"");
    ck_assert_ok(dho_tuning_format(tuning, &text));
    ck_assert_ptr_nonnull(strstr(text, "\n" CONV ": winograd  # winograd 1.2 ms\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nlinear_data bf16 6304x768 to 3072: gemm\n"));
    again = parse(text);
    ck_assert(dho_tuning_is_same(tuning, again) && dho_tuning_is_of_this_processor(again));
    ck_assert_int_eq(dho_tuning_threads(again), 3);
    ck_assert_uint_eq(dho_tuning_count(again), 2);
    ck_assert_str_eq(dho_tuning_find(again, &a), "winograd");
    dho_tuning_destroy(&again);
    again = parse(HEAD CONV ": winograd\n");
    ck_assert(!dho_tuning_is_same(tuning, again) && !dho_tuning_is_of_this_processor(again));
    ck_assert_ptr_null(dho_tuning_find(again, &b));
    dho_tuning_destroy(&again);
    dho_tuning_destroy(&tuning);
    dho_free(text);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_refused)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "t: ends before its table begins"},
        {"dho tuning 2\n", "t:1: expected \"dho tuning 1\""},
        {"dho tuning 1\nthreads: 2\n", "t:2: expected \"processor: FEATURES\", got \"threads: 2\""},
        {"dho tuning 1\nprocessor: \x1b[31m\n", "t:2: expected \"processor"},
        {"dho tuning 1\nprocessor: a\ncaches: b\nthreads: 0\n", "t:4: expected \"threads: N\""},
        {"dho tuning 1\nprocessor: a\ncaches: b\nthreads: 2x\n", "t:4: expected \"threads: N\""},
        {HEAD "conv_forward\n", "t:5: expected \"OPERATION DTYPE SHAPE: KERNEL\""},
        {HEAD CONV ": fastest\n", "t:5: \"" CONV "\": there is no kernel \"fastest\""},
        {HEAD CONV ": winograd\n\n" CONV ": im2col\n", "t:7: \"" CONV "\": is there twice"},
        {HEAD "conv_sideways fp32 1x1 to 1: gemm\n", "t:5: expected an operation"},
        {HEAD "linear_data fp16 1x1 to 1: gemm\n", "t:5: expected an operation"},
        {HEAD "linear_data fp32 1x1 to 01: gemm\n", "t:5: expected an operation"},
        {HEAD "linear_data fp32 1x1 to 1 now: gemm\n", "t:5: expected an operation"},
        {HEAD "linear_data fp32 99999999999999999999x1 to 1: gemm\n", "t:5: expected an operation"},
        {HEAD "linear_data fp32 1x99999999999 to 1: gemm\n", "t:5: expected an operation"},
        {HEAD "conv_data fp32 1x1 to 1: gemm\n", "t:5: expected an operation"},
        {HEAD "linear_data fp32 1x1 to 1: a kernel of a very long name\n", "t:5: expected \"OPER"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dho_tuning *tuning = NULL;
        ck_assert_fails(dho_tuning_parse(&tuning, cases[i].text, strlen(cases[i].text), "t"),
                        DHO_ERR_CONFIG, cases[i].error);
        ck_assert_ptr_null(tuning);
        ck_assert_ptr_null(strchr(dho_error_message(), '\n'));
    }
    static const char hole[] = HEAD "a\0b\n";
    dho_tuning *tuning = NULL;
    ck_assert_fails(dho_tuning_parse(&tuning, hole, sizeof hole - 1, "t"), DHO_ERR_CONFIG,
                    "t:5: is no line");
    char line[2000];
    memset(line, 'x', sizeof line);
    ck_assert_fails(dho_tuning_parse(&tuning, line, sizeof line, "t"), DHO_ERR_CONFIG,
                    "t:1: is no line");
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Of a folder's tables the one of this processor. */
START_TEST(test_folder)
{
    char *text;
    dho_tuning *mine, *found;
    ck_assert_ok(dho_tuning_read(&found, fixture_root));
    ck_assert_ptr_null(found);
    fixture_write("a.tuning", HEAD CONV ": winograd\n");
    ck_assert_ok(dho_tuning_read(&found, fixture_root));
    ck_assert_ptr_null(found);
    ck_assert_ok(dho_tuning_create(&mine, 1));
    ck_assert_ok(dho_tuning_format(mine, &text));
    fixture_write("b.tuning", text);
    ck_assert_ok(dho_tuning_read(&found, fixture_root));
    ck_assert(dho_tuning_is_same(found, mine));
    dho_tuning_destroy(&found);
    fixture_write("a.tuning", "no table\n");
    ck_assert_fails(dho_tuning_read(&found, fixture_root), DHO_ERR_CONFIG, "a.tuning:1: expected");
    ck_assert_fails(dho_tuning_read(&found, fixture_path("none")), DHO_ERR_CONFIG, "none");
    dho_tuning_destroy(&mine);
    dho_free(text);
}
END_TEST

static float *forward(dho_compute *c, const dho_conv_shape *s, const float *x, const float *w)
{
    float *y = nan_floats((size_t)s->batch * 64 * (size_t)s->out_c);
    dho_compute_kernels(c)->conv_forward(c, s, x, w, NULL, y);
    return y;
}

static dho_compute *open_tuned(const dho_tuning *tuning, const dho_conv_shape *a,
                               const dho_conv_shape *b)
{
    dho_compute *c = open_backend("blis", 1);
    dho_compute_tune(c, tuning);
    ck_assert_ok(dho_compute_reserve_conv(c, a, DHO_CALL_ALL & ~DHO_CALL_FUSED));
    ck_assert_ok(dho_compute_reserve_conv(c, b, DHO_CALL_ALL & ~DHO_CALL_FUSED));
    return c;
}

START_TEST(test_changes_only_what_it_says)
{
    dho_rng rng = test_rng(0);
    const dho_conv_shape a = shape_of(16, 16, 3), b = shape_of(16, 8, 3);
    const dho_kernel_site at = dho_kernel_site_of_conv(&a, DHO_DTYPE_FP32, DHO_CALL_FORWARD);
    const dho_kernel_site data = dho_kernel_site_of_conv(&a, DHO_DTYPE_FP32, DHO_CALL_DATA);
    const dho_kernel_site other = dho_kernel_site_of_conv(&b, DHO_DTYPE_FP32, DHO_CALL_FORWARD);
    float *x = random_floats(&rng, 2 * 64 * 16, 0, 1), *w = random_floats(&rng, 9 * 256, 0, 1);
    dho_tuning *tuning = parse(HEAD CONV ": winograd\n");
    dho_compute *rule = open_tuned(NULL, &a, &b), *tuned = open_tuned(tuning, &a, &b);
    ck_assert_str_eq(dho_compute_chosen(rule, &at), "im2col");
    ck_assert_str_eq(dho_compute_chosen(tuned, &at), "winograd");
    ck_assert_str_eq(dho_compute_chosen(tuned, &data), "im2col");
    ck_assert_str_eq(dho_compute_chosen(tuned, &other), "im2col");
    float *const y[] = {forward(rule, &a, x, w), forward(tuned, &a, x, w), forward(rule, &b, x, w),
                        forward(tuned, &b, x, w)};
    const size_t count = 2 * 64 * 16;
    check_close("winograd", y[1], y[0], count, 1e-4, 1e-5);
    ck_assert(memcmp(y[0], y[1], count * sizeof(float)) != 0);
    ck_assert_mem_eq(y[2], y[3], count / 2 * sizeof(float));
    for (size_t i = 0; i < sizeof y / sizeof *y; i++) dho_free(y[i]);
    dho_free(x), dho_free(w);
    dho_compute_destroy(&rule);
    dho_compute_destroy(&tuned);
    dho_tuning_destroy(&tuning);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* The batch of a site is the one that algorithms are chosen by. */
START_TEST(test_smaller_pass)
{
    dho_conv_shape a = shape_of(16, 16, 3);
    const dho_kernel_site site = dho_kernel_site_of_conv(&a, DHO_DTYPE_FP32, DHO_CALL_FORWARD);
    dho_tuning *tuning = parse(HEAD CONV ": winograd\n");
    dho_compute *c = open_backend("blis", 1);
    dho_compute_tune(c, tuning);
    a.plan_batch = 2;
    a.batch = 1;
    ck_assert_ok(dho_compute_reserve_conv(c, &a, DHO_CALL_FORWARD));
    ck_assert_str_eq(dho_compute_chosen(c, &site), "winograd");
    dho_compute_destroy(&c);
    dho_tuning_destroy(&tuning);
}
END_TEST

START_TEST(test_cannot)
{
    const dho_conv_shape a = shape_of(16, 16, 3), one = shape_of(16, 16, 1);
    dho_tuning *tuning = parse(HEAD CONV ": depthwise\n");
    dho_compute *c = open_backend("blis", 1);
    dho_compute_tune(c, tuning);
    ck_assert_fails(dho_compute_reserve_conv(c, &a, DHO_CALL_FORWARD), DHO_ERR_CONFIG,
                    "compute.tuning: \"" CONV "\" has no depthwise kernel in backend blis");
    ck_assert_ok(dho_compute_reserve_conv(c, &one, DHO_CALL_FORWARD));
    dho_compute_destroy(&c);
    dho_tuning_destroy(&tuning);
}
END_TEST

/* A linear layer by each kernel that could be chosen, against the reference. */
START_TEST(test_linear_chosen)
{
    enum { ROWS = 70, IN = 40, OUT = 33 };
    dho_rng rng = test_rng(1);
    const dho_linear_shape shape = {ROWS, IN, OUT};
    const dho_kernel_site site =
        dho_kernel_site_of_linear(&shape, DHO_DTYPE_FP32, DHO_CALL_WEIGHTS);
    float *x = random_floats(&rng, ROWS * IN, 0, 1), *w = random_floats(&rng, OUT * IN, 0, 1);
    float *dy = random_floats(&rng, ROWS * OUT, 0, 1), *bias = random_floats(&rng, OUT, 0, 1);
    dho_compute *rule = open_backend(dho_compute_backends()[0], 1), *ref = open_backend("ref", 1);
    const char *choice;
    for (size_t i = 0; (choice = dho_compute_candidate(rule, &site, i)) != NULL; i++) {
        dho_compute *c = open_backend(dho_compute_backends()[0], 1);
        dho_compute *const both[] = {c, ref};
        float *y[2], *dx[2], *dw[2];
        dho_compute_prefer(c, choice);
        ck_assert_ok(dho_compute_reserve_linear(c, &shape, DHO_CALL_ALL));
        ck_assert_str_eq(dho_compute_chosen(c, &site), choice);
        for (int k = 0; k < 2; k++) {
            const dho_kernels *kernels = dho_compute_kernels(both[k]);
            y[k] = nan_floats(ROWS * OUT), dx[k] = nan_floats(ROWS * IN);
            dw[k] = copy_floats(w, OUT * IN);
            kernels->linear_forward(both[k], &shape, x, w, bias, y[k]);
            kernels->linear_backward_data(both[k], &shape, dy, w, false, dx[k]);
            kernels->linear_backward_weights(both[k], &shape, x, dy, dw[k], NULL);
        }
        check_close(choice, y[0], y[1], ROWS * OUT, sum_tolerance(IN), 1e-6);
        check_close(choice, dx[0], dx[1], ROWS * IN, sum_tolerance(OUT), 1e-6);
        check_close(choice, dw[0], dw[1], OUT * IN, sum_tolerance(ROWS), 1e-6);
        for (int k = 0; k < 2; k++) dho_free(y[k]), dho_free(dx[k]), dho_free(dw[k]);
        dho_compute_destroy(&c);
    }
    dho_free(x), dho_free(w), dho_free(dy), dho_free(bias);
    dho_compute_destroy(&rule);
    dho_compute_destroy(&ref);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tuning");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_text);
    tcase_add_test(tests, test_refused);
    tcase_add_test(tests, test_folder);
    tcase_add_test(tests, test_changes_only_what_it_says);
    tcase_add_test(tests, test_smaller_pass);
    tcase_add_test(tests, test_cannot);
    tcase_add_test(tests, test_linear_chosen);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

/* gemm and convolutions of every built backend against ref. */
#include "dho/tuning.h"
#include "kernel_test.h"

typedef struct gemm_case {
    bool transpose_a, transpose_b;
    int m, n, k, pad; /* pad: extra elements per row of each matrix */
    float alpha, beta;
} gemm_case;

static const gemm_case gemm_cases[] = {
    {false, false, 1, 1, 1, 0, 1, 0},      {false, false, 17, 33, 65, 3, 1, 0},
    {false, true, 130, 70, 300, 0, 1, 1},  {true, false, 64, 576, 999, 1, -0.5f, 0.25f},
    {true, true, 31, 29, 37, 2, 2, 1},     {false, true, 1, 1000, 512, 0, 1, 0},
    {false, true, 256, 100, 512, 0, 1, 0}, {true, false, 5, 7, 0, 0, 1, 0},
    {false, false, 5, 7, 0, 0, 1, 0.5f},   {false, false, 6, 8, 9, 0, 0, 0},
    {false, false, 0, 8, 9, 0, 1, 0},      {false, true, 400, 400, 2000, 0, 1, 0}};

static void check_gemm(const char *backend, int threads, const gemm_case *g)
{
    dho_rng rng = test_rng((uint64_t)(g - gemm_cases));
    const int64_t lda = (g->transpose_a ? g->m : g->k) + g->pad + 1;
    const int64_t ldb = (g->transpose_b ? g->k : g->n) + g->pad + 1, ldc = g->n + g->pad;
    float *a = random_floats(&rng, (size_t)((g->transpose_a ? g->k : g->m) * lda), 0, 1);
    float *b = random_floats(&rng, (size_t)((g->transpose_b ? g->n : g->k) * ldb), 0, 1);
    const size_t count = (size_t)(g->m * ldc);
    float *c = g->beta == 0 ? nan_floats(count) : random_floats(&rng, count, 0, 1);
    float *expected = copy_floats(c, count), *again = copy_floats(c, count);
    dho_compute *fast = open_backend(backend, threads), *ref = open_backend("ref", 1);
    const dho_gemm_shape shape = {.transpose_a = g->transpose_a,
                                  .transpose_b = g->transpose_b,
                                  .m = g->m,
                                  .n = g->n,
                                  .k = g->k,
                                  .lda = lda,
                                  .ldb = ldb,
                                  .ldc = ldc,
                                  .alpha = g->alpha,
                                  .beta = g->beta};
    for (int run = 0; run < 2; run++) {
        dho_compute_kernels(fast)->gemm(fast, &shape, a, b, run == 0 ? c : again);
    }
    dho_compute_kernels(ref)->gemm(ref, &shape, a, b, expected);
    for (int i = 0; i < g->m; i++) {
        check_close(backend, c + i * ldc, expected + i * ldc, (size_t)g->n, 2 * sum_tolerance(g->k),
                    1e-6);
        for (int64_t j = g->n; j < ldc && g->beta == 0; j++) ck_assert(isnan(c[i * ldc + j]));
    }
    ck_assert_mem_eq(c, again, count * sizeof *c);
    dho_compute_destroy(&fast);
    dho_compute_destroy(&ref);
    dho_free(a), dho_free(b), dho_free(c), dho_free(expected), dho_free(again);
}

START_TEST(test_gemm)
{
    for (const char *const *name = dho_compute_backends(); *name != NULL; name++) {
        check_gemm(*name, 1, &gemm_cases[_i]);
        if (strcmp(*name, "ref") != 0) check_gemm(*name, 2, &gemm_cases[_i]);
    }
}
END_TEST

/* batch, in_h, in_w, in_c, out_c, kernel_h, kernel_w, stride, padding, groups */
static const int conv_cases[][10] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 1},      {1, 1, 1, 3, 5, 3, 3, 1, 1, 1},
    {2, 7, 9, 3, 8, 3, 3, 1, 1, 1},      {2, 7, 9, 3, 8, 3, 3, 2, 1, 1},
    {3, 8, 8, 16, 24, 3, 3, 1, 0, 1},    {1, 32, 30, 3, 32, 7, 7, 2, 3, 1},
    {2, 12, 11, 20, 12, 5, 5, 1, 2, 1},  {2, 12, 11, 4, 12, 5, 5, 2, 3, 1},
    {4, 10, 10, 32, 64, 1, 1, 1, 0, 1},  {4, 9, 9, 32, 64, 1, 1, 2, 0, 1},
    {1, 6, 6, 8, 8, 1, 1, 1, 1, 1},      {2, 8, 8, 12, 18, 3, 3, 1, 1, 3},
    {2, 8, 8, 12, 18, 3, 3, 2, 1, 6},    {2, 9, 9, 8, 16, 1, 1, 1, 0, 4},
    {2, 14, 14, 70, 70, 3, 3, 1, 1, 70}, {2, 15, 13, 32, 32, 3, 3, 2, 1, 32},
    {1, 9, 9, 6, 12, 3, 3, 1, 1, 6},     {1, 5, 5, 1, 7, 5, 5, 1, 2, 1},
    {1, 9, 9, 5, 4, 7, 3, 1, 2, 1},      {1, 8, 9, 6, 5, 1, 3, 2, 1, 1},
    {2, 4, 4, 8, 8, 3, 3, 1, 3, 1},      {2, 14, 14, 16, 32, 7, 7, 7, 0, 1},
    {9, 13, 13, 16, 16, 3, 3, 1, 1, 1},  {2, 2, 2, 256, 128, 3, 3, 1, 1, 1},
    {7, 16, 17, 8, 33, 3, 3, 2, 1, 1},   {33, 8, 8, 8, 8, 3, 3, 1, 1, 2},
    {7, 10, 10, 4, 8, 1, 1, 2, 0, 1},    {2, 10, 10, 48, 48, 3, 3, 2, 1, 48}};

typedef struct conv_data {
    dho_conv_shape shape;
    size_t x_count, y_count, w_count;
    double taps, rows, fan_out; /* terms of a sum of forward, weights, data */
    float *x, *w, *bias, *dy;
    /* Start values of the accumulated ones. */
    float *dx, *dw, *dbias;
} conv_data;

static conv_data conv_data_create(dho_rng *rng, const dho_conv_shape *s)
{
    conv_data d = {.shape = *s};
    const size_t group_in = (size_t)(s->in_c / s->groups);
    d.x_count = (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w * (size_t)s->in_c;
    d.y_count = (size_t)s->batch * (size_t)s->out_h * (size_t)s->out_w * (size_t)s->out_c;
    d.w_count = (size_t)s->out_c * (size_t)s->kernel_h * (size_t)s->kernel_w * group_in;
    d.taps = (double)s->kernel_h * s->kernel_w * (double)group_in;
    d.rows = (double)s->batch * s->out_h * s->out_w;
    d.fan_out = (double)s->kernel_h * s->kernel_w * s->out_c / s->groups;
    d.x = random_floats(rng, d.x_count, 0, 1);
    d.w = random_floats(rng, d.w_count, 0, 1);
    d.bias = random_floats(rng, (size_t)s->out_c, 0, 1);
    d.dy = random_floats(rng, d.y_count, 0, 1);
    d.dx = random_floats(rng, d.x_count, 0, 1);
    d.dw = random_floats(rng, d.w_count, 0, 1);
    d.dbias = random_floats(rng, (size_t)s->out_c, 0, 1);
    return d;
}

static void conv_data_free(conv_data *d)
{
    dho_free(d->x), dho_free(d->w), dho_free(d->bias), dho_free(d->dy);
    dho_free(d->dx), dho_free(d->dw), dho_free(d->dbias);
}

/* What the kernels give: y without and with bias, dx fresh and added, dw and dbias. */
typedef struct conv_results {
    float *y, *y_bias, *dx, *dx_added, *dw, *dw_only, *dbias;
} conv_results;

static conv_results conv_run(dho_compute *c, const conv_data *d)
{
    const dho_kernels *k = dho_compute_kernels(c);
    conv_results r = {.y = nan_floats(d->y_count),
                      .y_bias = nan_floats(d->y_count),
                      .dx = nan_floats(d->x_count),
                      .dx_added = copy_floats(d->dx, d->x_count),
                      .dw = copy_floats(d->dw, d->w_count),
                      .dw_only = copy_floats(d->dw, d->w_count),
                      .dbias = copy_floats(d->dbias, (size_t)d->shape.out_c)};
    k->conv_forward(c, &d->shape, d->x, d->w, NULL, r.y);
    k->conv_forward(c, &d->shape, d->x, d->w, d->bias, r.y_bias);
    k->conv_backward_data(c, &d->shape, d->dy, d->w, false, r.dx);
    k->conv_backward_data(c, &d->shape, d->dy, d->w, true, r.dx_added);
    k->conv_backward_weights(c, &d->shape, d->x, d->dy, r.dw, r.dbias);
    k->conv_backward_weights(c, &d->shape, d->x, d->dy, r.dw_only, NULL);
    return r;
}

static void conv_results_free(conv_results *r)
{
    dho_free(r->y), dho_free(r->y_bias), dho_free(r->dx), dho_free(r->dx_added);
    dho_free(r->dw), dho_free(r->dw_only), dho_free(r->dbias);
}

static void conv_compare(const char *name, const conv_data *d, const conv_results *a,
                         const conv_results *b)
{
    check_close(name, a->y, b->y, d->y_count, sum_tolerance(d->taps), 1e-6);
    check_close(name, a->y_bias, b->y_bias, d->y_count, sum_tolerance(d->taps), 1e-6);
    check_close(name, a->dx, b->dx, d->x_count, sum_tolerance(d->fan_out), 1e-6);
    check_close(name, a->dx_added, b->dx_added, d->x_count, sum_tolerance(d->fan_out), 1e-6);
    check_close(name, a->dw, b->dw, d->w_count, sum_tolerance(d->rows), 1e-6);
    check_close(name, a->dw_only, b->dw_only, d->w_count, sum_tolerance(d->rows), 1e-6);
    check_close(name, a->dbias, b->dbias, (size_t)d->shape.out_c, sum_tolerance(d->rows), 1e-6);
}

static void conv_same_bits(const conv_data *d, const conv_results *a, const conv_results *b)
{
    ck_assert_mem_eq(a->y, b->y, d->y_count * sizeof(float));
    ck_assert_mem_eq(a->y_bias, b->y_bias, d->y_count * sizeof(float));
    ck_assert_mem_eq(a->dx, b->dx, d->x_count * sizeof(float));
    ck_assert_mem_eq(a->dx_added, b->dx_added, d->x_count * sizeof(float));
    ck_assert_mem_eq(a->dw, b->dw, d->w_count * sizeof(float));
    ck_assert_mem_eq(a->dbias, b->dbias, (size_t)d->shape.out_c * sizeof(float));
}

static void check_conv(const dho_conv_shape *shape, const char *name, int threads,
                       const conv_data *d, const conv_results *expected)
{
    dho_compute *fast = open_backend(name, threads);
    ck_assert_ok(dho_compute_reserve_conv(fast, shape, DHO_CALL_ALL));
    const int64_t calls = dho_alloc_get_stats().calls;
    conv_results first = conv_run(fast, d);
    /* Reserved: only the seven results of conv_run were allocated. */
    ck_assert_int_eq(dho_alloc_get_stats().calls - calls, 7);
    conv_compare(name, d, &first, expected);
    dho_compute_destroy(&fast);
    /* A fresh context, more scratch: the same bits. */
    fast = open_backend(name, threads);
    ck_assert_ok(dho_compute_reserve(fast, (size_t)1 << 24));
    ck_assert_ok(dho_compute_reserve_conv(fast, shape, DHO_CALL_ALL));
    conv_results second = conv_run(fast, d);
    conv_same_bits(d, &first, &second);
    dho_compute_destroy(&fast);
    conv_results_free(&first);
    conv_results_free(&second);
}

START_TEST(test_conv)
{
    dho_rng rng = test_rng((uint64_t)_i);
    const dho_conv_shape shape = conv_shape(conv_cases[_i]);
    conv_data d = conv_data_create(&rng, &shape);
    dho_compute *ref = open_backend("ref", 1);
    ck_assert_ok(dho_compute_reserve_conv(ref, &shape, DHO_CALL_ALL));
    conv_results expected = conv_run(ref, &d);
    for (const char *const *name = dho_compute_backends(); *name != NULL; name++) {
        check_conv(&shape, *name, 1, &d, &expected);
        if (strcmp(*name, "ref") != 0) check_conv(&shape, *name, 2, &d, &expected);
        /* More threads than cores wait for each other: a few shapes only. */
        if (strcmp(*name, "ref") != 0 && _i % 8 == 2) check_conv(&shape, *name, 3, &d, &expected);
    }
    conv_results_free(&expected);
    conv_data_free(&d);
    dho_compute_destroy(&ref);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Each kernel that a tuning may choose, whatever the rule would take. Winograd's error is not that
 * of a direct sum: test_winograd.c has its shapes and bounds. */
START_TEST(test_conv_chosen)
{
    dho_rng rng = test_rng((uint64_t)_i);
    const dho_conv_shape shape = conv_shape(conv_cases[_i]);
    const dho_kernel_site site = dho_kernel_site_of_conv(&shape, DHO_DTYPE_FP32, DHO_CALL_WEIGHTS);
    conv_data d = conv_data_create(&rng, &shape);
    dho_compute *ref = open_backend("ref", 1);
    conv_results expected = conv_run(ref, &d);
    for (const char *const *name = dho_compute_backends(); *name != NULL; name++) {
        const char *choice;
        dho_compute *rule = open_backend(*name, 2);
        for (size_t i = 0; (choice = dho_compute_candidate(rule, &site, i)) != NULL; i++) {
            if (strcmp(choice, "winograd") == 0) continue;
            dho_compute *c = open_backend(*name, 2);
            dho_compute_prefer(c, choice);
            ck_assert_ok(dho_compute_reserve_conv(c, &shape, DHO_CALL_ALL & ~DHO_CALL_FUSED));
            conv_results results = conv_run(c, &d);
            conv_compare(choice, &d, &results, &expected);
            conv_results_free(&results);
            dho_compute_destroy(&c);
        }
        dho_compute_destroy(&rule);
    }
    conv_results_free(&expected);
    conv_data_free(&d);
    dho_compute_destroy(&ref);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Many rows: the threads split them (blis). */
START_TEST(test_conv_many_rows)
{
    static const int cases[][10] = {{2, 40, 41, 8, 16, 3, 3, 1, 1, 1},
                                    {3, 47, 40, 8, 16, 3, 3, 2, 1, 1},
                                    {3, 40, 40, 16, 8, 1, 1, 1, 0, 1},
                                    {2, 48, 48, 16, 16, 3, 3, 1, 1, 4},
                                    {2, 40, 40, 24, 24, 3, 3, 1, 1, 24}};
    dho_rng rng = test_rng((uint64_t)_i);
    const dho_conv_shape shape = conv_shape(cases[_i]);
    conv_data d = conv_data_create(&rng, &shape);
    dho_compute *ref = open_backend("ref", 1);
    conv_results expected = conv_run(ref, &d);
    for (const char *const *name = dho_compute_backends(); *name != NULL; name++) {
        check_conv(&shape, *name, 1, &d, &expected);
        check_conv(&shape, *name, 2, &d, &expected);
    }
    conv_results_free(&expected);
    conv_data_free(&d);
    dho_compute_destroy(&ref);
}
END_TEST

/* No memory while it is planned is an error, never another algorithm; what was planned before the
 * failure is used by the next try. */
START_TEST(test_conv_without_memory)
{
    dho_rng rng = test_rng(1);
    const dho_conv_shape shape = conv_shape(conv_cases[_i]);
    conv_data d = conv_data_create(&rng, &shape);
    for (const char *const *name = dho_compute_backends(); *name != NULL; name++) {
        if (strcmp(*name, "ref") == 0) continue; /* plans nothing */
        dho_compute *first = open_backend(*name, 2), *c = open_backend(*name, 2);
        ck_assert_ok(dho_compute_reserve_conv(first, &shape, DHO_CALL_ALL));
        conv_results expected = conv_run(first, &d);
        dho_status status = DHO_ERR_MEMORY;
        for (int tries = 0; tries < 10 && status != DHO_OK; tries++) {
            dho_alloc_fail_at(tries % 2 + 1);
            status = dho_compute_reserve_conv(c, &shape, DHO_CALL_ALL);
            dho_alloc_fail_at(0);
            ck_assert(status == DHO_OK || status == DHO_ERR_MEMORY);
            if (tries == 0) ck_assert_int_eq(status, DHO_ERR_MEMORY);
        }
        ck_assert_ok(dho_compute_reserve_conv(c, &shape, DHO_CALL_ALL));
        conv_results again = conv_run(c, &d);
        conv_same_bits(&d, &again, &expected);
        conv_results_free(&expected);
        conv_results_free(&again);
        dho_compute_destroy(&first);
        dho_compute_destroy(&c);
    }
    conv_data_free(&d);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Whatever build and processor: all but the reference have bf16. */
START_TEST(test_create_bf16)
{
    static const dho_backend with[] = {DHO_BACKEND_AUTO, DHO_BACKEND_BLIS};
    dho_compute *c = NULL;
    ck_assert_fails(dho_compute_create(&c, DHO_BACKEND_REF, DHO_DTYPE_BF16, 1), DHO_ERR_CONFIG,
                    "compute.backend: ref has no bf16");
    ck_assert_ptr_null(c);
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        ck_assert_ok(dho_compute_create(&c, with[i], DHO_DTYPE_BF16, 1));
        ck_assert_int_eq(dho_compute_dtype_of(c), DHO_DTYPE_BF16);
        dho_compute_destroy(&c);
    }
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_create)
{
    dho_compute *c = NULL;
    ck_assert_fails(dho_compute_create(&c, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, -1), DHO_ERR_CONFIG,
                    "compute.threads");
    ck_assert_fails(dho_compute_create(&c, (dho_backend)99, DHO_DTYPE_FP32, 1), DHO_ERR_CONFIG,
                    "compute.backend");
    ck_assert_ok(dho_compute_create(&c, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 0));
    ck_assert_str_eq(dho_compute_kernels(c)->name, dho_compute_backends()[0]);
    ck_assert_int_ge(dho_compute_threads(c), 1);
    ck_assert_ok(dho_compute_reserve(c, 1000));
    ck_assert_uint_eq((uintptr_t)dho_compute_scratch(c) % 64, 0);
    ck_assert_fails(dho_compute_reserve(c, SIZE_MAX), DHO_ERR_MEMORY, "scratch");
    memset(dho_compute_scratch(c), 1, 1000); /* what there was is still valid */
    dho_conv_shape s = conv_shape(conv_cases[2]);
    s.out_h++;
    ck_assert_fails(dho_compute_reserve_conv(c, &s, DHO_CALL_ALL), DHO_ERR_CONFIG,
                    "gives 7x9, not 8x9");
    s = conv_shape(conv_cases[2]);
    s.groups = 2;
    ck_assert_fails(dho_compute_reserve_conv(c, &s, DHO_CALL_ALL), DHO_ERR_CONFIG, "groups");
    dho_compute_destroy(&c);
    dho_compute_destroy(&c);
    dho_compute_destroy(NULL);
    for (int64_t n = 1; n <= 16; n++) {
        dho_alloc_fail_at(n);
        dho_status status = dho_compute_create(&c, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 2);
        s = conv_shape(conv_cases[2]);
        if (status == DHO_OK) status = dho_compute_reserve_conv(c, &s, DHO_CALL_ALL);
        ck_assert(status == DHO_OK || status == DHO_ERR_MEMORY);
        dho_alloc_fail_at(0);
        dho_compute_destroy(&c);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
        if (n == 1) ck_assert_int_eq(status, DHO_ERR_MEMORY);
        if (n == 16) ck_assert_int_eq(status, DHO_OK);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels");
    TCase *tests = tcase_create("kernels");
    tcase_set_timeout(tests, 200);
    tcase_add_test(tests, test_create);
    tcase_add_test(tests, test_create_bf16);
    tcase_add_loop_test(tests, test_gemm, 0, (int)(sizeof gemm_cases / sizeof *gemm_cases));
    tcase_add_loop_test(tests, test_conv, 0, (int)(sizeof conv_cases / sizeof *conv_cases));
    tcase_add_loop_test(tests, test_conv_chosen, 0, (int)(sizeof conv_cases / sizeof *conv_cases));
    tcase_add_loop_test(tests, test_conv_many_rows, 0, 5);
    tcase_add_loop_test(tests, test_conv_without_memory, 2, 4);
    tcase_add_loop_test(tests, test_conv_without_memory, 14, 16);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

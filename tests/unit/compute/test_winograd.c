/* Winograd's convolutions against ref: all sizes of edges and tails, bits, memory, which shapes. */
#include "base/compare.h"
#include "kernel_test.h"

#include "compute/fast/winograd.h"

/* Error allowed, of the norm of the result. Measured over 2000 random shapes: at most 1.1e-6, with
 * 512 channels 2.2e-6; a direct sum in float has about half of it. */
static const double tolerance = 4e-6;

typedef struct wino_case {
    dho_conv_shape shape;
    size_t x_count, y_count, w_count;
    float *x, *w, *bias, *dy, *dx, *dw, *dbias; /* the last three: start values to add to */
} wino_case;

typedef struct wino_results {
    float *y, *y_bias, *dx, *dx_added, *dw, *dbias;
} wino_results;

static dho_conv_shape shape_of(int batch, int h, int w, int in, int out, int padding)
{
    return conv_shape((int[]){batch, h, w, in, out, 3, 3, 1, padding, 1});
}

static wino_case case_create(dho_rng *rng, dho_conv_shape s)
{
    wino_case c = {.shape = s};
    c.x_count = (size_t)s.batch * (size_t)s.in_h * (size_t)s.in_w * (size_t)s.in_c;
    c.y_count = (size_t)s.batch * (size_t)s.out_h * (size_t)s.out_w * (size_t)s.out_c;
    c.w_count = (size_t)s.out_c * 9 * (size_t)s.in_c;
    c.x = random_floats(rng, c.x_count, 0, 1);
    c.w = random_floats(rng, c.w_count, 0, 1);
    c.bias = random_floats(rng, (size_t)s.out_c, 0, 1);
    c.dy = random_floats(rng, c.y_count, 0, 1);
    c.dx = random_floats(rng, c.x_count, 0, 1);
    c.dw = random_floats(rng, c.w_count, 0, 1);
    c.dbias = random_floats(rng, (size_t)s.out_c, 0, 1);
    return c;
}

static void case_free(wino_case *c)
{
    dho_free(c->x), dho_free(c->w), dho_free(c->bias), dho_free(c->dy);
    dho_free(c->dx), dho_free(c->dw), dho_free(c->dbias);
}

static wino_results results_create(const wino_case *c)
{
    return (wino_results){.y = nan_floats(c->y_count),
                          .y_bias = nan_floats(c->y_count),
                          .dx = nan_floats(c->x_count),
                          .dx_added = copy_floats(c->dx, c->x_count),
                          .dw = copy_floats(c->dw, c->w_count),
                          .dbias = copy_floats(c->dbias, (size_t)c->shape.out_c)};
}

static void results_free(wino_results *r)
{
    dho_free(r->y), dho_free(r->y_bias), dho_free(r->dx);
    dho_free(r->dx_added), dho_free(r->dw), dho_free(r->dbias);
}

static wino_results run_ref(const wino_case *c)
{
    wino_results r = results_create(c);
    const dho_conv_shape *s = &c->shape;
    dho_compute *ref = open_backend("ref", 1);
    const dho_kernels *k = dho_compute_kernels(ref);
    k->conv_forward(ref, s, c->x, c->w, NULL, r.y);
    k->conv_forward(ref, s, c->x, c->w, c->bias, r.y_bias);
    k->conv_backward_data(ref, s, c->dy, c->w, false, r.dx);
    k->conv_backward_data(ref, s, c->dy, c->w, true, r.dx_added);
    k->conv_backward_weights(ref, s, c->x, c->dy, r.dw, r.dbias);
    dho_compute_destroy(&ref);
    return r;
}

static void poison_scratch(dho_compute *compute, size_t bytes)
{
    memset(dho_compute_scratch(compute), 0xff, bytes); /* NaN */
}

static wino_results run_winograd(const wino_case *c, int threads)
{
    wino_results r = results_create(c);
    const dho_conv_shape *s = &c->shape;
    size_t bytes;
    dho_compute *compute = open_backend("blis", threads);
    ck_assert(dho_winograd_fits(s));
    ck_assert_ok(dho_winograd_plan(compute, s, &bytes));
    ck_assert_ok(dho_compute_reserve(compute, bytes));
    const int64_t calls = dho_alloc_get_stats().calls;
    poison_scratch(compute, bytes);
    dho_winograd_forward(compute, s, c->x, c->w, NULL, r.y);
    poison_scratch(compute, bytes);
    dho_winograd_forward(compute, s, c->x, c->w, c->bias, r.y_bias);
    poison_scratch(compute, bytes);
    dho_winograd_backward_data(compute, s, c->dy, c->w, false, r.dx);
    poison_scratch(compute, bytes);
    dho_winograd_backward_data(compute, s, c->dy, c->w, true, r.dx_added);
    poison_scratch(compute, bytes);
    dho_winograd_backward_weights(compute, s, c->x, c->dy, r.dw, r.dbias);
    ck_assert_int_eq(dho_alloc_get_stats().calls, calls);
    dho_compute_destroy(&compute);
    return r;
}

/* |a - b| / |b|; infinite for a NaN. */
static double error_of(const float *a, const float *b, size_t count)
{
    double error = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        const double difference = (double)a[i] - (double)b[i];
        error += difference * difference;
        norm += (double)b[i] * (double)b[i];
    }
    return isfinite(error) ? sqrt(error / (norm + 1e-300)) : INFINITY;
}

static double largest_error(const wino_case *c, const wino_results *a, const wino_results *b)
{
    double e = error_of(a->y, b->y, c->y_count);
    e = dho_larger_or_nan(e, error_of(a->y_bias, b->y_bias, c->y_count));
    e = dho_larger_or_nan(e, error_of(a->dx, b->dx, c->x_count));
    e = dho_larger_or_nan(e, error_of(a->dx_added, b->dx_added, c->x_count));
    return dho_larger_or_nan(e, error_of(a->dw, b->dw, c->w_count));
}

static void assert_same_bits(const wino_case *c, const wino_results *a, const wino_results *b)
{
    ck_assert_mem_eq(a->y, b->y, c->y_count * sizeof(float));
    ck_assert_mem_eq(a->y_bias, b->y_bias, c->y_count * sizeof(float));
    ck_assert_mem_eq(a->dx, b->dx, c->x_count * sizeof(float));
    ck_assert_mem_eq(a->dx_added, b->dx_added, c->x_count * sizeof(float));
    ck_assert_mem_eq(a->dw, b->dw, c->w_count * sizeof(float));
}

/* Returns the largest error. */
static double check_shape(dho_rng *rng, dho_conv_shape shape)
{
    static const int threads[] = {2, 3, 7};
    wino_case c = case_create(rng, shape);
    wino_results expected = run_ref(&c), one = run_winograd(&c, 1);
    const double error = largest_error(&c, &one, &expected);
    /* Weight gradients are float sums over the tiles, one after the other: their roundings walk. */
    const double tiles = shape.batch * ((shape.out_h + 3) / 4.0) * ((shape.out_w + 3) / 4.0);
    ck_assert_msg(error <= tolerance + (double)FLT_EPSILON / 2 * sqrt(tiles),
                  "batch %d, %dx%d, %d -> %d, padding %d: error %g of the norm", shape.batch,
                  shape.in_h, shape.in_w, shape.in_c, shape.out_c, shape.padding, error);
    const double rows = (double)shape.batch * shape.out_h * shape.out_w;
    check_close("dbias", one.dbias, expected.dbias, (size_t)shape.out_c, sum_tolerance(rows), 1e-6);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        wino_results more = run_winograd(&c, threads[i]);
        assert_same_bits(&c, &one, &more);
        results_free(&more);
    }
    results_free(&expected);
    results_free(&one);
    case_free(&c);
    return error;
}

static int between(dho_rng *rng, int low, int high)
{
    return low + (int)dho_rng_below(rng, (uint32_t)(high - low + 1));
}

START_TEST(test_random_shapes)
{
    dho_rng rng = test_rng((uint64_t)_i);
    const char *given = getenv("DHO_TEST_SHAPES");
    const int shapes = given != NULL ? atoi(given) : 12;
    double largest = 0;
    for (int i = 0; i < shapes; i++) {
        const int padding = between(&rng, 0, 3) > 0 ? 1 : between(&rng, 0, 2);
        const int least = padding == 0 ? 3 : 1;
        const dho_conv_shape s =
            shape_of(between(&rng, 1, 3), between(&rng, least, 15), between(&rng, least, 15),
                     between(&rng, 1, 70), between(&rng, 1, 70), padding);
        largest = dho_larger_or_nan(largest, check_shape(&rng, s));
    }
    printf("largest error %.2e of the norm\n", largest);
}
END_TEST

/* Whole vectors and panels, many blocks of tiles, several shared blocks of the weight gradient. */
START_TEST(test_larger_shapes)
{
    dho_rng rng = test_rng((uint64_t)_i);
    static const int shapes[][5] = {{1, 1, 1, 64, 32},   {3, 14, 14, 64, 96}, {2, 7, 7, 160, 64},
                                    {1, 224, 224, 8, 8}, {2, 57, 3, 40, 16},  {2, 28, 28, 32, 32}};
    const int *s = shapes[_i];
    printf("error %.2e of the norm\n",
           check_shape(&rng, shape_of(s[0], s[1], s[2], s[3], s[4], 1)));
}
END_TEST

START_TEST(test_which_shapes)
{
    dho_compute *compute = open_backend("blis", 1);
    dho_conv_shape s = shape_of(16, 56, 56, 64, 64, 1);
    ck_assert(dho_winograd_fits(&s) && dho_winograd_pays(compute, &s));
    s = shape_of(16, 7, 7, 512, 512, 1);
    ck_assert(dho_winograd_pays(compute, &s));
    s = shape_of(64, 2, 2, 512, 512, 1); /* as many products as directly */
    ck_assert(dho_winograd_fits(&s) && !dho_winograd_pays(compute, &s));
    s = shape_of(1, 7, 7, 512, 512, 1); /* the transform of the weights dominates */
    ck_assert(!dho_winograd_pays(compute, &s));
    s = shape_of(16, 56, 56, 3, 64, 1);
    ck_assert(!dho_winograd_pays(compute, &s));
    s = shape_of(16, 56, 56, 33, 33, 1); /* mostly padding */
    ck_assert(!dho_winograd_pays(compute, &s));
    s.batch = 1, s.in_c = s.out_c = 64; /* as a pass of the planned one */
    s.plan_batch = 16;
    ck_assert(dho_winograd_pays(compute, &s));
    s = shape_of(1, 9, 9, 64, 64, 2);
    ck_assert(dho_winograd_fits(&s));
    s.padding = 3;
    ck_assert(!dho_winograd_fits(&s));
    s = shape_of(1, 9, 9, 64, 64, 1);
    s.stride = 2;
    ck_assert(!dho_winograd_fits(&s));
    s = shape_of(1, 9, 9, 64, 64, 1);
    s.groups = 64;
    ck_assert(!dho_winograd_fits(&s));
    s = shape_of(1, 9, 9, 64, 64, 1);
    s.kernel_w = 1;
    ck_assert(!dho_winograd_fits(&s));
    dho_compute_destroy(&compute);
}
END_TEST

/* The backends take this way where it pays, within what they reserved; ref never does. */
START_TEST(test_backends_use_it)
{
    dho_rng rng = test_rng(0);
    wino_case c = case_create(&rng, shape_of(4, 28, 28, 64, 64, 1));
    wino_results expected = run_winograd(&c, 2);
    for (const char *const *name = dho_compute_backends(); *name != NULL; name++) {
        const bool ref = strcmp(*name, "ref") == 0;
        dho_compute *compute = open_backend(*name, ref ? 1 : 2);
        const dho_kernels *k = dho_compute_kernels(compute);
        ck_assert_ok(dho_compute_reserve_conv(compute, &c.shape, DHO_CALL_ALL));
        wino_results r = results_create(&c);
        const int64_t calls = dho_alloc_get_stats().calls;
        k->conv_forward(compute, &c.shape, c.x, c.w, NULL, r.y);
        k->conv_forward(compute, &c.shape, c.x, c.w, c.bias, r.y_bias);
        k->conv_backward_data(compute, &c.shape, c.dy, c.w, false, r.dx);
        k->conv_backward_data(compute, &c.shape, c.dy, c.w, true, r.dx_added);
        k->conv_backward_weights(compute, &c.shape, c.x, c.dy, r.dw, r.dbias);
        ck_assert_int_eq(dho_alloc_get_stats().calls, calls);
        if (ref) {
            ck_assert_mem_ne(r.y, expected.y, c.y_count * sizeof(float));
        } else {
            assert_same_bits(&c, &r, &expected);
        }
        results_free(&r);
        dho_compute_destroy(&compute);
    }
    results_free(&expected);
    case_free(&c);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Without memory for the plan there is an error, no other way. */
START_TEST(test_without_memory)
{
    const dho_conv_shape s = shape_of(4, 28, 28, 64, 64, 1);
    for (const char *const *name = dho_compute_backends(); *name != NULL; name++) {
        if (strcmp(*name, "ref") == 0) continue;
        dho_compute *compute = open_backend(*name, 2);
        dho_alloc_fail_at(1);
        ck_assert_int_eq(dho_compute_reserve_conv(compute, &s, DHO_CALL_ALL), DHO_ERR_MEMORY);
        dho_alloc_fail_at(0);
        ck_assert_ok(dho_compute_reserve_conv(compute, &s, DHO_CALL_ALL));
        dho_compute_destroy(&compute);
    }
    size_t bytes;
    const dho_conv_shape huge = shape_of(INT32_MAX, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1);
    dho_compute *compute = open_backend("blis", 2);
    ck_assert_fails(dho_winograd_plan(compute, &huge, &bytes), DHO_ERR_CONFIG, "too large");
    dho_compute_destroy(&compute);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("winograd");
    TCase *tests = tcase_create("winograd");
    tcase_set_timeout(tests, 200);
    tcase_add_loop_test(tests, test_random_shapes, 0, 4);
    tcase_add_loop_test(tests, test_larger_shapes, 0, 6);
    tcase_add_test(tests, test_which_shapes);
    tcase_add_test(tests, test_backends_use_it);
    tcase_add_test(tests, test_without_memory);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

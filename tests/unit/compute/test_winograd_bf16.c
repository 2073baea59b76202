/* Winograd in bf16 against ref: a 3x3 layer of a ResNet goes this way and no other. */
#include "bf16_test.h"

#include "compute/fast/winograd.h"

/* What Winograd's convolution of a shape is made of and gives. */
typedef struct wino_data {
    dho_conv_shape shape;
    size_t xs, ys, ws;
    float *x, *dy, *w, *bias, *dx, *dw,
        *dbias; /* the last three: start values; x, dy, dx rounded */
    dho_bf16 *x16, *dy16, *dx16;
} wino_data;

typedef struct wino_results {
    dho_bf16 *y, *y_bias, *dx, *dx_added;
    float *dw, *dbias;
} wino_results;

static dho_bf16 *copy_elements(const dho_bf16 *from, size_t count)
{
    dho_bf16 *out;
    ck_assert_ok(dho_alloc(&out, count, sizeof *out, "test"));
    memcpy(out, from, count * sizeof *out);
    return out;
}

static wino_data wino_data_create(dho_rng *rng, const dho_conv_shape *s)
{
    wino_data d = {.shape = *s,
                   .xs = (size_t)(s->batch * s->in_h * s->in_w * s->in_c),
                   .ys = (size_t)(s->batch * s->out_h * s->out_w * s->out_c),
                   .ws = (size_t)(s->out_c * 9 * s->in_c)};
    d.x = random_floats(rng, d.xs, 0, 1), d.dy = random_floats(rng, d.ys, 0, 1);
    d.w = random_floats(rng, d.ws, 0, 1), d.bias = random_floats(rng, (size_t)s->out_c, 0, 1);
    d.dx = random_floats(rng, d.xs, 0, 1), d.dw = random_floats(rng, d.ws, 0, 1);
    d.dbias = random_floats(rng, (size_t)s->out_c, 0, 1);
    d.x16 = rounded(d.x, d.xs), d.dy16 = rounded(d.dy, d.ys), d.dx16 = rounded(d.dx, d.xs);
    return d;
}

/* By the kernel table, which must have taken Winograd's way within what it reserved. */
static wino_results wino_run(const wino_data *d, int threads)
{
    const dho_conv_shape *s = &d->shape;
    const size_t out_c = (size_t)s->out_c;
    dho_compute *c;
    ck_assert_ok(dho_compute_create(&c, DHO_BACKEND_AUTO, DHO_DTYPE_BF16, threads));
    const dho_kernels *k = dho_compute_kernels(c);
    wino_results r = {.y = nan_elements(d->ys),
                      .y_bias = nan_elements(d->ys),
                      .dx = nan_elements(d->xs),
                      .dx_added = copy_elements(d->dx16, d->xs),
                      .dw = copy_floats(d->dw, d->ws),
                      .dbias = copy_floats(d->dbias, out_c)};
    ck_assert_msg(dho_winograd_pays(c, s), "%dx%d, %d to %d channels: not Winograd's way", s->in_h,
                  s->in_w, s->in_c, s->out_c);
    ck_assert_ok(dho_compute_reserve_conv(c, s, DHO_CALL_ALL));
    const int64_t calls = dho_alloc_get_stats().calls;
    k->conv_forward(c, s, d->x16, d->w, NULL, r.y);
    k->conv_forward(c, s, d->x16, d->w, d->bias, r.y_bias);
    k->conv_backward_data(c, s, d->dy16, d->w, false, r.dx);
    k->conv_backward_data(c, s, d->dy16, d->w, true, r.dx_added);
    k->conv_backward_weights(c, s, d->x16, d->dy16, r.dw, r.dbias);
    ck_assert_int_eq(dho_alloc_get_stats().calls, calls);
    dho_bf16 *again = nan_elements(d->ys);
    dho_winograd_forward(c, s, d->x16, d->w, NULL, again);
    ck_assert_mem_eq(again, r.y, d->ys * sizeof *again);
    dho_free(again);
    dho_compute_destroy(&c);
    return r;
}

static void wino_results_free(wino_results *r)
{
    void *const blocks[] = {r->y, r->y_bias, r->dx, r->dx_added, r->dw, r->dbias};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) dho_free(blocks[i]);
}

/* Weights and products are fp32 ones, so that a result differs from the exact one by the rounding
 * of itself, at most 2^-8, and by what Winograd's fp32 has: 4e-6 of the norm (test_winograd.c), of
 * which single elements have up to 8 times as much. Weights rounded to bf16, as the direct way has
 * them, would be seen: 2e-3 of the norm. */
static void check_elements(const char *what, size_t count, const dho_bf16 *ours,
                           const float *expected)
{
    double squares = 0, worst = 0;
    for (size_t i = 0; i < count; i++) squares += (double)expected[i] * expected[i];
    for (size_t i = 0; i < count; i++) {
        const double error = fabs((double)dho_bf16_load(ours[i]) - expected[i]);
        worst = error <= INFINITY ? fmax(worst, error - fabs((double)expected[i]) / 256) : INFINITY;
    }
    const double error = worst / sqrt(squares / (double)count);
    printf("%s: %.1e beyond the rounding, of the norm\n", what, error);
    ck_assert_msg(error < 8 * 4e-6, "%s: %g beyond the rounding, of the norm", what, error);
}

static void check_wino(const wino_data *d, const wino_results *ours)
{
    const dho_conv_shape *s = &d->shape;
    const dho_kernels *ref = dho_compute_kernels(reference);
    float *y = nan_floats(d->ys), *dx = nan_floats(d->xs), *dw = copy_floats(d->dw, d->ws);
    float *dbias = copy_floats(d->dbias, (size_t)s->out_c);
    ref->conv_forward(reference, s, d->x, d->w, NULL, y);
    check_elements("forward", d->ys, ours->y, y);
    ref->add_bias(reference, &(dho_rows_shape){(int64_t)s->batch * s->out_h * s->out_w, s->out_c},
                  1, d->bias, y);
    check_elements("forward with bias", d->ys, ours->y_bias, y);
    ref->conv_backward_data(reference, s, d->dy, d->w, false, dx);
    check_elements("data", d->xs, ours->dx, dx);
    for (size_t i = 0; i < d->xs; i++) dx[i] += d->dx[i];
    check_elements("data added", d->xs, ours->dx_added, dx);
    ref->conv_backward_weights(reference, s, d->x, d->dy, dw, dbias);
    double error = 0, norm = 0;
    for (size_t i = 0; i < d->ws; i++) {
        error += ((double)ours->dw[i] - dw[i]) * ((double)ours->dw[i] - dw[i]);
        norm += (double)dw[i] * dw[i];
    }
    /* As in fp32: sums over the tiles, whose roundings walk. */
    const double tiles = s->batch * ((s->out_h + 3) / 4.0) * ((s->out_w + 3) / 4.0);
    ck_assert_double_le(sqrt(error / norm), 4e-6 + (double)FLT_EPSILON / 2 * sqrt(tiles));
    check_close("dbias", ours->dbias, dbias, (size_t)s->out_c,
                sum_tolerance((double)s->batch * s->out_h * s->out_w), 1e-6);
    void *const blocks[] = {y, dx, dw, dbias};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) dho_free(blocks[i]);
}

/* The 3x3 convolutions of ResNets at their usual sizes go here. */
START_TEST(test_winograd)
{
    static const int shapes[][4] = {
        {4, 32, 64, 64}, {6, 27, 32, 64}, {4, 30, 48, 64}, {65, 7, 64, 96}, {1, 64, 64, 60}};
    static const int threads[] = {2, 3};
    open_both();
    const int *n = shapes[_i];
    dho_rng rng = test_rng(400 + (uint64_t)_i);
    const dho_conv_shape s = shape_of(n[0], n[1], n[2], n[3], 3, 1, 1);
    wino_data d = wino_data_create(&rng, &s);
    wino_results one = wino_run(&d, 1);
    check_wino(&d, &one);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        wino_results more = wino_run(&d, threads[i]);
        ck_assert_mem_eq(more.y_bias, one.y_bias, d.ys * sizeof *one.y);
        ck_assert_mem_eq(more.dx_added, one.dx_added, d.xs * sizeof *one.dx);
        ck_assert_mem_eq(more.dw, one.dw, d.ws * sizeof *one.dw);
        wino_results_free(&more);
    }
    wino_results_free(&one);
    void *const blocks[] = {d.x, d.dy, d.w, d.bias, d.dx, d.dw, d.dbias, d.x16, d.dy16, d.dx16};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) dho_free(blocks[i]);
    close_both();
}
END_TEST

/* Few tiles go the direct way, unless the plan has more, or the processor has no bf16. */
START_TEST(test_winograd_choice)
{
    open_both();
    dho_conv_shape s = shape_of(32, 56, 64, 64, 3, 1, 1);
    ck_assert(dho_winograd_pays(bf16, &s));
    s = shape_of(5, 28, 128, 128, 3, 1, 1); /* 245 tiles */
    ck_assert(dho_winograd_pays(bf16, &s) == (bf16->floats != NULL));
    s.plan_batch = 6;
    ck_assert(dho_winograd_pays(bf16, &s));
    s = shape_of(2, 45, 32, 40, 3, 1, 1); /* mostly padding */
    ck_assert(!dho_winograd_pays(bf16, &s));
    close_both();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("winograd_bf16");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 200);
    tcase_add_loop_test(tests, test_winograd, 0, 5);
    tcase_add_test(tests, test_winograd_choice);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

/* Normalisation, pools, sums and optimiser steps of every built backend against ref, and the
 * optimisers against their formulas in double. */
#include "base/compare.h"
#include "kernel_test.h"

#define FOR_BACKENDS(name) \
    for (const char *const *name = dho_compute_backends(); *name != NULL; name++)

/* rows, channels, mean of x in standard deviations */
static const int norm_cases[][3] = {{1, 1, 0},    {1, 7, 2},      {2, 3, 0},     {33, 17, 100},
                                    {64, 64, 0},  {1000, 64, 10}, {517, 100, 0}, {40, 1500, 3},
                                    {3, 2049, 0}, {20001, 5, 50}};
enum { NORM_CASES = sizeof norm_cases / sizeof *norm_cases };

typedef struct norm_data {
    int64_t rows;
    int channels;
    size_t count;
    float *x, *residual, *dy, *gamma, *beta, *dx, *dresidual, *dgamma, *dbeta, *variance;
} norm_data;

static norm_data norm_data_create(dho_rng *rng, const int c[3])
{
    norm_data d = {.rows = c[0], .channels = c[1], .count = (size_t)c[0] * (size_t)c[1]};
    const size_t channels = (size_t)d.channels;
    d.x = random_floats(rng, d.count, c[2], 1);
    d.residual = random_floats(rng, d.count, 1, 4); /* to both sides of 0 and of 6 */
    d.dy = random_floats(rng, d.count, 0, 1);
    d.dx = random_floats(rng, d.count, 0, 1);
    d.dresidual = random_floats(rng, d.count, 0, 1);
    d.gamma = random_floats(rng, channels, 1, 0.2);
    d.beta = random_floats(rng, channels, 0, 1);
    d.dgamma = random_floats(rng, channels, 0, 1);
    d.dbeta = random_floats(rng, channels, 0, 1);
    d.variance = random_floats(rng, channels, 0, 1);
    for (size_t i = 0; i < channels; i++) d.variance[i] = fabsf(d.variance[i]);
    return d;
}

static void norm_data_free(norm_data *d)
{
    dho_free(d->x), dho_free(d->residual), dho_free(d->dy), dho_free(d->gamma), dho_free(d->beta);
    dho_free(d->dx), dho_free(d->dresidual), dho_free(d->dgamma), dho_free(d->dbeta);
    dho_free(d->variance);
}

/* One variant. */
typedef struct norm_variant {
    dho_activation activation;
    bool residual, accumulate_dx, accumulate_dresidual;
    bool frozen; /* backward */
} norm_variant;

typedef struct norm_results {
    float *y, *inference, *mean, *inv_std, *variance, *dx, *dresidual, *dgamma, *dbeta;
} norm_results;

/* Forward with the backend; backward from given y, mean, inv_std, so that a difference in rounding
 * at an activation's edge does not count twice (NULL: its own). */
static norm_results norm_run(dho_compute *c, const norm_data *d, norm_variant v,
                             const norm_results *from)
{
    const dho_kernels *k = dho_compute_kernels(c);
    const size_t channels = (size_t)d->channels;
    const float *residual = v.residual ? d->residual : NULL;
    norm_results r = {.y = nan_floats(d->count),
                      .inference = copy_floats(d->x, d->count),
                      .mean = nan_floats(channels),
                      .inv_std = nan_floats(channels),
                      .variance = nan_floats(channels),
                      .dx = v.accumulate_dx ? copy_floats(d->dx, d->count) : nan_floats(d->count),
                      .dresidual = v.accumulate_dresidual ? copy_floats(d->dresidual, d->count)
                                                          : nan_floats(d->count),
                      .dgamma = copy_floats(d->dgamma, channels),
                      .dbeta = copy_floats(d->dbeta, channels)};
    const dho_batch_norm_shape shape = {.rows = d->rows,
                                        .channels = d->channels,
                                        .eps = 1e-5f,
                                        .activation = v.activation,
                                        .frozen = v.frozen};
    k->batch_norm_forward(
        c, &shape,
        &(dho_batch_norm_tensors){
            .x = d->x, .gamma = d->gamma, .beta = d->beta, .residual = residual, .y = r.y},
        r.mean, r.inv_std, r.variance);
    k->batch_norm_inference(c, &shape,
                            &(dho_batch_norm_tensors){.x = r.inference,
                                                      .gamma = d->gamma,
                                                      .beta = d->beta,
                                                      .residual = residual,
                                                      .y = r.inference},
                            d->gamma, d->variance);
    if (from == NULL) from = &r;
    k->batch_norm_backward(
        c, &shape,
        &(dho_batch_norm_gradients){.x = d->x,
                                    .gamma = d->gamma,
                                    .beta = d->beta,
                                    .y = from->y,
                                    .dy = d->dy,
                                    .accumulate_dx = v.accumulate_dx,
                                    .accumulate_dresidual = v.accumulate_dresidual,
                                    .dx = r.dx,
                                    .dresidual = v.residual ? r.dresidual : NULL,
                                    .dgamma = r.dgamma,
                                    .dbeta = r.dbeta},
        from->mean, from->inv_std);
    return r;
}

/* What is computed again has the bits of the first time: y, and the mask of a backward without y.
 */
static void norm_check_again(dho_compute *c, const norm_data *d, norm_variant v,
                             const norm_results *own)
{
    const dho_kernels *k = dho_compute_kernels(c);
    const size_t bytes = d->count * sizeof(float),
                 channel_bytes = (size_t)d->channels * sizeof(float);
    float *y = nan_floats(d->count), *kept = copy_floats(d->dx, d->count);
    float *again = copy_floats(d->dx, d->count), *sums = nan_floats(4 * (size_t)d->channels);
    memset(sums, 0, 4 * channel_bytes);
    const dho_batch_norm_shape shape = {
        .rows = d->rows, .channels = d->channels, .activation = v.activation, .frozen = v.frozen};
    k->batch_norm_again(c, &shape,
                        &(dho_batch_norm_tensors){.x = d->x,
                                                  .gamma = d->gamma,
                                                  .beta = d->beta,
                                                  .residual = v.residual ? d->residual : NULL,
                                                  .y = y},
                        own->mean, own->inv_std);
    if (strcmp(k->name, "ref") != 0) ck_assert_mem_eq(y, own->y, bytes); /* ref: double inv_std */
    k->batch_norm_backward(c, &shape,
                           &(dho_batch_norm_gradients){.x = d->x,
                                                       .gamma = d->gamma,
                                                       .beta = d->beta,
                                                       .y = y,
                                                       .dy = d->dy,
                                                       .accumulate_dx = v.accumulate_dx,
                                                       .dx = kept,
                                                       .dgamma = sums,
                                                       .dbeta = sums + d->channels},
                           own->mean, own->inv_std);
    k->batch_norm_backward(c, &shape,
                           &(dho_batch_norm_gradients){.x = d->x,
                                                       .gamma = d->gamma,
                                                       .beta = d->beta,
                                                       .y = v.residual ? y : NULL,
                                                       .dy = d->dy,
                                                       .accumulate_dx = v.accumulate_dx,
                                                       .dx = again,
                                                       .dgamma = sums + 2 * d->channels,
                                                       .dbeta = sums + 3 * d->channels},
                           own->mean, own->inv_std);
    ck_assert_mem_eq(kept, again, bytes);
    ck_assert_mem_eq(sums, sums + 2 * d->channels, 2 * channel_bytes);
    dho_free(y), dho_free(kept), dho_free(again), dho_free(sums);
}

static void norm_results_free(norm_results *r)
{
    dho_free(r->y), dho_free(r->inference), dho_free(r->mean), dho_free(r->inv_std);
    dho_free(r->variance), dho_free(r->dx), dho_free(r->dresidual), dho_free(r->dgamma);
    dho_free(r->dbeta);
}

static void norm_compare(const char *name, const norm_data *d, norm_variant v, int mean,
                         const norm_results *a, const norm_results *b)
{
    /* x - mean has an error of eps |mean| from rounding the mean, then grows by inv_std: at most
     * 316 for one row or a constant column (eps 1e-5), about 1 otherwise; two rows that are close
     * are in between. */
    double spread = 1;
    for (int c = 0; c < d->channels; c++) {
        if ((double)b->inv_std[c] > spread) spread = (double)b->inv_std[c];
    }
    const double eps = (double)FLT_EPSILON, offset = 1 + mean;
    const double tolerance = 8 * eps * offset * spread;
    const size_t channels = (size_t)d->channels;
    /* Squares of up to 32 rows are summed in float: at worst 32 roundings, all upwards. */
    check_close(name, a->mean, b->mean, channels, 4 * eps * offset, 2 * eps);
    check_close(name, a->variance, b->variance, channels, 16 * eps, 32 * eps);
    check_close(name, a->inv_std, b->inv_std, channels, 0, 32 * eps * spread * spread);
    check_close(name, a->y, b->y, d->count, 4 * tolerance, 32 * eps * spread * spread);
    double deepest = 1; /* inference divides by the root of a random variance, down to 1e-5 */
    for (size_t c = 0; c < channels; c++) {
        deepest = dho_larger_or_nan(deepest, 1 / sqrt((double)d->variance[c] + 1e-5));
    }
    check_close(name, a->inference, b->inference, d->count, 16 * eps * offset * deepest, 8 * eps);
    /* Sums over the rows of g (x - mean) inv_std, and dx = their combination times inv_std. */
    const double sums = sum_tolerance((double)d->rows) * spread * offset;
    check_close(name, a->dgamma, b->dgamma, channels, sums, 4 * eps);
    check_close(name, a->dbeta, b->dbeta, channels, sums, 4 * eps);
    check_close(name, a->dx, b->dx, d->count, 16 * tolerance * spread, 8 * eps);
    if (v.residual) check_close(name, a->dresidual, b->dresidual, d->count, 0, 2 * eps);
}

START_TEST(test_batch_norm)
{
    dho_rng rng = test_rng((uint64_t)_i);
    norm_data d = norm_data_create(&rng, norm_cases[_i]);
    dho_compute *ref = open_backend("ref", 1);
    for (int flags = 0; flags < 48; flags++) {
        const norm_variant v = {(dho_activation)(flags / 8 % 3), flags & 1, flags & 2, flags & 4,
                                flags >= 24};
        norm_results expected = norm_run(ref, &d, v, NULL);
        FOR_BACKENDS(name)
        {
            /* Few parallel regions: on a busy machine each costs a time slice. */
            for (int threads = 1; threads <= (flags % 5 == 0 ? 3 : 1); threads++) {
                dho_compute *c = open_backend(*name, threads);
                norm_results a = norm_run(c, &d, v, &expected);
                norm_results b = norm_run(c, &d, v, &expected);
                norm_compare(*name, &d, v, norm_cases[_i][2], &a, &expected);
                norm_check_again(c, &d, v, &a);
                ck_assert_mem_eq(a.y, b.y, d.count * sizeof(float));
                ck_assert_mem_eq(a.dx, b.dx, d.count * sizeof(float));
                ck_assert_mem_eq(a.dgamma, b.dgamma, (size_t)d.channels * sizeof(float));
                norm_results_free(&a);
                norm_results_free(&b);
                dho_compute_destroy(&c);
            }
        }
        norm_results_free(&expected);
    }
    norm_data_free(&d);
    dho_compute_destroy(&ref);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* batch, in_h, in_w, channels, kernel, stride, padding */
static const int pool_cases[][7] = {{1, 1, 1, 1, 1, 1, 0},    {2, 9, 8, 5, 3, 2, 1},
                                    {3, 16, 15, 64, 3, 2, 1}, {1, 7, 7, 70, 2, 2, 0},
                                    {2, 6, 6, 130, 3, 1, 1},  {1, 5, 5, 3, 5, 1, 2},
                                    {2, 12, 12, 65, 2, 3, 0}, {4, 32, 32, 32, 3, 2, 1}};
enum { POOL_CASES = sizeof pool_cases / sizeof *pool_cases };

static dho_pool_shape pool_shape(const int c[7])
{
    return (dho_pool_shape){.batch = c[0],
                            .in_h = c[1],
                            .in_w = c[2],
                            .channels = c[3],
                            .out_h = (c[1] + 2 * c[6] - c[4]) / c[5] + 1,
                            .out_w = (c[2] + 2 * c[6] - c[4]) / c[5] + 1,
                            .kernel = c[4],
                            .stride = c[5],
                            .padding = c[6]};
}

START_TEST(test_max_pool)
{
    dho_rng rng = test_rng((uint64_t)_i);
    const dho_pool_shape s = pool_shape(pool_cases[_i]);
    const size_t in = (size_t)(s.batch * s.in_h * s.in_w * s.channels);
    const size_t out = (size_t)(s.batch * s.out_h * s.out_w * s.channels);
    float *x = random_floats(&rng, in, 0, 1), *dy = random_floats(&rng, out, 0, 1);
    for (size_t i = 0; i < in; i++) { /* ties, and what must not be lost */
        x[i] = floorf(x[i] * 2);
        const uint32_t draw = dho_rng_below(&rng, 100);
        if (draw == 0) x[i] = NAN;
        if (draw == 1) x[i] = -INFINITY;
    }
    float *y[2], *dx[2], *dx_added[2];
    uint8_t *argmax[2];
    for (int i = 0; i < 2; i++) ck_assert_ok(dho_alloc(&argmax[i], out, 1, "test"));
    dho_compute *ref = open_backend("ref", 1);
    const dho_kernels *k = dho_compute_kernels(ref);
    y[0] = nan_floats(out), dx[0] = nan_floats(in), dx_added[0] = copy_floats(x, in);
    k->max_pool_forward(ref, &s, x, y[0], argmax[0]);
    k->max_pool_backward(ref, &s, dy, argmax[0], false, dx[0]);
    k->max_pool_backward(ref, &s, dy, argmax[0], true, dx_added[0]);
    FOR_BACKENDS(name)
    {
        for (int threads = 1; threads <= 3; threads++) {
            dho_compute *c = open_backend(*name, threads);
            k = dho_compute_kernels(c);
            y[1] = nan_floats(out), dx[1] = nan_floats(in), dx_added[1] = copy_floats(x, in);
            k->max_pool_forward(c, &s, x, y[1], argmax[1]);
            ck_assert_mem_eq(argmax[0], argmax[1], out);
            size_t wrong = 0;
            for (size_t i = 0; i < out; i++) {
                wrong += isnan(y[0][i]) ? !isnan(y[1][i]) : !(y[0][i] == y[1][i]);
            }
            ck_assert_uint_eq(wrong, 0);
            k->max_pool_backward(c, &s, dy, argmax[1], false, dx[1]);
            k->max_pool_backward(c, &s, dy, argmax[1], true, dx_added[1]);
            /* Up to 25 windows add up in another order. */
            check_close(*name, dx[1], dx[0], in, 1e-5, 1e-6);
            for (size_t i = 0; i < in; i++) {
                if (!isfinite(x[i])) dx_added[0][i] = dx_added[1][i] = 0;
            }
            check_close(*name, dx_added[1], dx_added[0], in, 1e-5, 1e-6);
            dho_free(y[1]), dho_free(dx[1]), dho_free(dx_added[1]);
            dho_compute_destroy(&c);
        }
    }
    dho_free(x), dho_free(dy), dho_free(y[0]), dho_free(dx[0]), dho_free(dx_added[0]);
    dho_free(argmax[0]), dho_free(argmax[1]);
    dho_compute_destroy(&ref);
}
END_TEST

/* rows (or batch), positions, channels */
static const int vector_cases[][3] = {{1, 1, 1},     {3, 49, 70},  {5, 4, 512},  {2, 1, 2049},
                                      {64, 49, 130}, {7, 196, 33}, {1000, 3, 17}};
enum { VECTOR_CASES = sizeof vector_cases / sizeof *vector_cases };

/* All results of the simple kernels into one vector of tensors. */
enum { SIMPLE = 11 };
typedef struct simple_results {
    float *tensor[SIMPLE];
    size_t count[SIMPLE];
} simple_results;

static simple_results simple_run(dho_compute *c, const int size[3], const float *x, const float *y,
                                 const float *v)
{
    const dho_kernels *k = dho_compute_kernels(c);
    const int batch = size[0], positions = size[1], channels = size[2];
    const int64_t rows = (int64_t)batch * positions;
    const size_t n = (size_t)rows * (size_t)channels, small = (size_t)batch * (size_t)channels;
    simple_results r = {
        .count = {small, n, n, n, (size_t)rows, n, n, n, (size_t)channels, n, (size_t)channels}};
    for (int i = 0; i < SIMPLE; i++) {
        r.tensor[i] = i == 2 || i == 6 || i == 7 || i == 9 ? copy_floats(y, n)
                      : i == 8 || i == 10                  ? copy_floats(v, (size_t)channels)
                                                           : nan_floats(r.count[i]);
    }
    const dho_places_shape shape = {batch, positions, channels};
    k->average_pool_forward(c, &shape, x, r.tensor[0]);
    k->average_pool_backward(c, &shape, x, false, r.tensor[1]);
    k->average_pool_backward(c, &shape, x, true, r.tensor[2]);
    const dho_rows_shape rows_shape = {rows, channels};
    k->l2_normalise_forward(c, &rows_shape, x, r.tensor[3], r.tensor[4]);
    k->l2_normalise_backward(c, &rows_shape, r.tensor[3], r.tensor[4], y, false, r.tensor[5]);
    k->l2_normalise_backward(c, &rows_shape, r.tensor[3], r.tensor[4], y, true, r.tensor[6]);
    k->add_bias(c, &rows_shape, 3, v, r.tensor[7]);
    k->sum_rows(c, &rows_shape, x, r.tensor[8]);
    k->add(c, n, x, r.tensor[9], r.tensor[9]);
    k->sum_float_rows(c, &rows_shape, 3, x, r.tensor[10]);
    return r;
}

START_TEST(test_simple)
{
    static const char *const names[SIMPLE] = {"average_pool_forward",
                                              "average_pool_backward",
                                              "average_pool_backward +=",
                                              "l2_normalise_forward",
                                              "norms",
                                              "l2_normalise_backward",
                                              "l2_normalise_backward +=",
                                              "add_bias",
                                              "sum_rows",
                                              "add",
                                              "sum_float_rows"};
    dho_rng rng = test_rng((uint64_t)_i);
    const int *size = vector_cases[_i];
    const size_t n = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];
    float *x = random_floats(&rng, n, 0.5, 1), *y = random_floats(&rng, n, 0, 1);
    float *v = random_floats(&rng, (size_t)size[2], 0, 1);
    dho_compute *ref = open_backend("ref", 1);
    simple_results expected = simple_run(ref, size, x, y, v);
    /* Dot products of a row in float lanes; row sums over rows; the rest are a few roundings. With
     * one channel dx is the difference of two equal numbers over |x|, which may be small. */
    double smallest = 1;
    for (size_t i = 0; i < expected.count[4]; i++) {
        smallest = dho_smaller(smallest, (double)expected.tensor[4][i]);
    }
    const double eps = (double)FLT_EPSILON, rows = size[0] * (double)size[1];
    const double l2 = 16 * eps * (1 + sqrt(size[2])) / smallest;
    const double tolerance[SIMPLE] = {8 * eps,
                                      2 * eps,
                                      2 * eps,
                                      l2,
                                      8 * eps * sqrt(size[2]),
                                      l2,
                                      l2,
                                      2 * eps,
                                      sum_tolerance(rows),
                                      0,
                                      sum_tolerance(rows)};
    FOR_BACKENDS(name)
    {
        for (int threads = 1; threads <= 3; threads++) {
            dho_compute *c = open_backend(*name, threads);
            simple_results a = simple_run(c, size, x, y, v), b = simple_run(c, size, x, y, v);
            for (int i = 0; i < SIMPLE; i++) {
                check_close(names[i], a.tensor[i], expected.tensor[i], a.count[i], tolerance[i],
                            4 * eps);
                ck_assert_mem_eq(a.tensor[i], b.tensor[i], a.count[i] * sizeof(float));
                dho_free(a.tensor[i]), dho_free(b.tensor[i]);
            }
            dho_compute_destroy(&c);
        }
    }
    for (int i = 0; i < SIMPLE; i++) dho_free(expected.tensor[i]);
    dho_free(x), dho_free(y), dho_free(v);
    dho_compute_destroy(&ref);
}
END_TEST

/* Rows of zeros, of tiny and of huge numbers. */
START_TEST(test_l2_extremes)
{
    static const float scale[] = {0, 1e-30f, 1e-13f, 1e-8f, 1e10f, 1e18f, 1e25f};
    enum { ROWS = sizeof scale / sizeof *scale, CHANNELS = 19 };
    dho_rng rng = test_rng(0);
    float *x = random_floats(&rng, ROWS * CHANNELS, 0, 1);
    for (int i = 0; i < ROWS * CHANNELS; i++) x[i] *= scale[i / CHANNELS];
    dho_compute *ref = open_backend("ref", 1);
    float *y = nan_floats(ROWS * CHANNELS), *expected = nan_floats(ROWS * CHANNELS);
    const dho_rows_shape shape = {ROWS, CHANNELS};
    dho_compute_kernels(ref)->l2_normalise_forward(ref, &shape, x, expected, NULL);
    FOR_BACKENDS(name)
    {
        dho_compute *c = open_backend(*name, 1);
        dho_compute_kernels(c)->l2_normalise_forward(c, &shape, x, y, NULL);
        check_close(*name, y, expected, ROWS * CHANNELS, 1e-18, 1e-6);
        dho_compute_destroy(&c);
    }
    dho_free(x), dho_free(y), dho_free(expected);
    dho_compute_destroy(&ref);
}
END_TEST

enum { PARAMETERS = 40003, STEPS = 10 };

/* torch.optim.AdamW's documented update, in double. */
static void adamw_formula(double *p, double *m, double *v, double g, int step, double lr,
                          double decay)
{
    *p -= lr * decay * *p;
    *m = 0.9 * *m + 0.1 * g;
    *v = 0.999 * *v + 0.001 * g * g;
    const double m_hat = *m / (1 - pow(0.9, step)), v_hat = *v / (1 - pow(0.999, step));
    *p -= lr * m_hat / (sqrt(v_hat) + 1e-8);
}

START_TEST(test_adamw)
{
    dho_rng rng = test_rng(0);
    float *start = random_floats(&rng, PARAMETERS, 0, 1);
    float *g = random_floats(&rng, PARAMETERS * STEPS, 0, 1);
    float *expected[3];
    for (int i = 0; i < 3; i++) expected[i] = nan_floats(PARAMETERS);
    for (int i = 0; i < PARAMETERS; i++) {
        double p = (double)start[i], m = 0, v = 0;
        for (int t = 0; t < STEPS; t++) {
            adamw_formula(&p, &m, &v, 0.25 * (double)g[t * PARAMETERS + i], t + 1, 0.01, 0.05);
        }
        expected[0][i] = (float)p, expected[1][i] = (float)m, expected[2][i] = (float)v;
    }
    FOR_BACKENDS(name)
    {
        for (int threads = 1; threads <= 2; threads++) {
            dho_compute *c = open_backend(*name, threads);
            float *p = copy_floats(start, PARAMETERS), *m, *v;
            ck_assert_ok(dho_alloc_zero(&m, PARAMETERS, sizeof *m, "test"));
            ck_assert_ok(dho_alloc_zero(&v, PARAMETERS, sizeof *v, "test"));
            for (int t = 0; t < STEPS; t++) {
                dho_compute_kernels(c)->adamw(c, PARAMETERS,
                                              &(dho_adamw_step){.step = t + 1,
                                                                .lr = 0.01,
                                                                .beta1 = 0.9,
                                                                .beta2 = 0.999,
                                                                .eps = 1e-8,
                                                                .weight_decay = 0.05,
                                                                .gradient_scale = 0.25f},
                                              g + t * PARAMETERS, p, m, v);
            }
            /* Ten steps of a few roundings of p and of moments below 1. */
            check_close(*name, p, expected[0], PARAMETERS, 2e-6, 2e-6);
            check_close(*name, m, expected[1], PARAMETERS, 1e-6, 0);
            check_close(*name, v, expected[2], PARAMETERS, 1e-8, 1e-5);
            dho_free(p), dho_free(m), dho_free(v);
            dho_compute_destroy(&c);
        }
    }
    dho_free(start), dho_free(g);
    for (int i = 0; i < 3; i++) dho_free(expected[i]);
}
END_TEST

START_TEST(test_sgd)
{
    const double momentum = _i == 0 ? 0.9 : 0, decay = _i == 0 ? 1e-2 : 0;
    dho_rng rng = test_rng((uint64_t)_i);
    float *start = random_floats(&rng, PARAMETERS, 0, 1);
    float *g = random_floats(&rng, PARAMETERS * STEPS, 0, 1);
    float *expected = nan_floats(PARAMETERS), *expected_buffer = nan_floats(PARAMETERS);
    for (int i = 0; i < PARAMETERS; i++) {
        double q = (double)start[i], b = 0;
        for (int t = 0; t < STEPS; t++) {
            const double gradient = 0.5 * (double)g[t * PARAMETERS + i] + decay * q;
            b = t == 0 ? gradient : momentum * b + gradient;
            q -= 0.1 * b;
        }
        expected[i] = (float)q, expected_buffer[i] = (float)b;
    }
    FOR_BACKENDS(name)
    {
        for (int threads = 1; threads <= 2; threads++) {
            dho_compute *c = open_backend(*name, threads);
            float *p = copy_floats(start, PARAMETERS), *buffer = nan_floats(PARAMETERS);
            for (int t = 0; t < STEPS; t++) {
                dho_compute_kernels(c)->sgd(c, PARAMETERS,
                                            &(dho_sgd_step){.step = t + 1,
                                                            .lr = 0.1,
                                                            .momentum = momentum,
                                                            .weight_decay = decay,
                                                            .gradient_scale = 0.5f},
                                            g + t * PARAMETERS, p, buffer);
            }
            check_close(*name, p, expected, PARAMETERS, 1e-5, 0);
            check_close(*name, buffer, expected_buffer, PARAMETERS, 1e-5, 0);
            dho_free(p), dho_free(buffer);
            dho_compute_destroy(&c);
        }
    }
    dho_free(start), dho_free(g), dho_free(expected), dho_free(expected_buffer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels_elementwise");
    TCase *tests = tcase_create("kernels_elementwise");
    tcase_set_timeout(tests, 200);
    tcase_add_loop_test(tests, test_batch_norm, 0, NORM_CASES);
    tcase_add_loop_test(tests, test_max_pool, 0, POOL_CASES);
    tcase_add_loop_test(tests, test_simple, 0, VECTOR_CASES);
    tcase_add_test(tests, test_l2_extremes);
    tcase_add_test(tests, test_adamw);
    tcase_add_loop_test(tests, test_sgd, 0, 2);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

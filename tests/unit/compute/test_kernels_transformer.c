/* Kernels of transformers: every built backend, fp32 and bf16, against ref; ref against central
 * differences of the formulas in double. */
#include "base/compare.h"
#include "kernel_test.h"

#define FOR_BACKENDS(name) \
    for (const char *const *name = dho_compute_backends(); *name != NULL; name++)

/* A tensor as a context stores it. */
typedef struct stored {
    float *values; /* rounded to the dtype, as floats */
    void *data;    /* owned only when it is not `values` */
} stored;

static stored store(dho_compute *c, float *values, size_t count)
{
    stored s = {.values = values, .data = values};
    if (dho_compute_dtype_of(c) == DHO_DTYPE_FP32) return s;
    ck_assert_ok(dho_alloc(&s.data, count, dho_compute_element_bytes(c), "test"));
    dho_compute_kernels(c)->store(c, count, values, s.data);
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = (uint32_t)((uint16_t *)s.data)[i] << 16;
        memcpy(&values[i], &bits, sizeof bits);
    }
    return s;
}

/* Reads an output back into its floats. */
static void fetch(dho_compute *c, stored *s, size_t count)
{
    if (dho_compute_dtype_of(c) == DHO_DTYPE_FP32) return;
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = (uint32_t)((uint16_t *)s->data)[i] << 16;
        memcpy(&s->values[i], &bits, sizeof bits);
    }
}

static void drop(stored *s)
{
    if (s->data != s->values) dho_free(s->data);
    dho_free(s->values);
}

/* The relative rounding of a stored value. */
static double rounding(const dho_compute *c)
{
    return dho_compute_dtype_of(c) == DHO_DTYPE_FP32 ? (double)FLT_EPSILON : 0x1p-8;
}

/* Runs a test with every backend in fp32, and in bf16 where there is one. */
typedef void (*backend_test)(dho_compute *compute, dho_compute *ref, int index);

static void on_all_backends(backend_test test, int index)
{
    dho_compute *ref = open_backend("ref", 1), *compute;
    FOR_BACKENDS(name)
    {
        for (int threads = 1; threads <= 3; threads += 2) {
            compute = open_backend(*name, threads);
            test(compute, ref, index);
            dho_compute_destroy(&compute);
        }
    }
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_BF16, 2));
    test(compute, ref, index);
    dho_compute_destroy(&compute);
    dho_compute_destroy(&ref);
}

/* rows, channels */
static const int row_cases[][2] = {{1, 1}, {3, 7}, {70, 96}, {197, 768}, {33, 1030}, {9, 3100}};
enum { ROW_CASES = sizeof row_cases / sizeof *row_cases };

static void layer_norm_case(dho_compute *c, dho_compute *ref, int index)
{
    const int rows = row_cases[index / 4][0], channels = row_cases[index / 4][1];
    const bool wide = index % 2 == 1, accumulate = index / 2 % 2 == 1;
    const size_t count = (size_t)rows * (size_t)channels, n = (size_t)channels;
    const dho_kernels *k = dho_compute_kernels(c), *r = dho_compute_kernels(ref);
    dho_rng rng = test_rng((uint64_t)index);
    float *x = random_floats(&rng, count, 3, 1), *gamma = random_floats(&rng, n, 1, 0.3);
    float *beta = random_floats(&rng, n, 0, 1), *dx = random_floats(&rng, count, 0, 1);
    float *mean = nan_floats((size_t)rows), *inv_std = nan_floats((size_t)rows);
    float *ref_mean = nan_floats((size_t)rows), *ref_inv = nan_floats((size_t)rows);
    float *sums = random_floats(&rng, 2 * n, 0, 1), *ref_sums = copy_floats(sums, 2 * n);
    float *ref_y = nan_floats(count), *ref_dx = copy_floats(dx, count);
    float *dy_values = random_floats(&rng, count, 0, 1), *y_values = nan_floats(count);
    stored dy = wide ? (stored){dy_values, dy_values} : store(c, dy_values, count);
    stored y = wide ? (stored){y_values, y_values} : store(c, y_values, count);
    const dho_layer_norm_shape shape = {
        .rows = rows, .channels = channels, .eps = 1e-5f, .wide = wide};
    k->layer_norm_forward(c, &shape, x, gamma, beta, y.data, mean, inv_std);
    r->layer_norm_forward(ref, &shape, x, gamma, beta, ref_y, ref_mean, ref_inv);
    if (!wide) fetch(c, &y, count);
    const double eps = (double)FLT_EPSILON, round = wide ? eps : rounding(c);
    double spread = 1; /* few channels can be close together */
    for (int i = 0; i < rows; i++) spread = dho_larger_or_nan(spread, (double)ref_inv[i]);
    check_close("mean", mean, ref_mean, (size_t)rows, 16 * eps, 8 * eps);
    check_close("inv_std", inv_std, ref_inv, (size_t)rows, 0, 64 * eps * spread * spread);
    check_close("y", y.values, ref_y, count, 64 * eps * spread * spread, round);
    k->layer_norm_backward(
        c, &shape, x, gamma, ref_mean, ref_inv,
        &(dho_layer_norm_gradients){
            .dy = dy.data, .accumulate = accumulate, .dx = dx, .dgamma = sums, .dbeta = sums + n});
    r->layer_norm_backward(ref, &shape, x, gamma, ref_mean, ref_inv,
                           &(dho_layer_norm_gradients){.dy = dy.values,
                                                       .accumulate = accumulate,
                                                       .dx = ref_dx,
                                                       .dgamma = ref_sums,
                                                       .dbeta = ref_sums + n});
    check_close("dx", dx, ref_dx, count, 64 * eps * spread * spread, 16 * eps);
    check_close("dgamma, dbeta", sums, ref_sums, 2 * n, sum_tolerance(rows) * spread * 4, 4 * eps);
    drop(&dy), drop(&y);
    float *const all[] = {x,        gamma,   beta, dx,       mean,  inv_std,
                          ref_mean, ref_inv, sums, ref_sums, ref_y, ref_dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) dho_free(all[i]);
}

START_TEST(test_layer_norm)
{
    on_all_backends(layer_norm_case, _i);
}
END_TEST

static void gelu_case(dho_compute *c, dho_compute *ref, int index)
{
    const int rows = row_cases[index / 2][0], channels = row_cases[index / 2][1];
    const dho_gelu kind = index % 2 == 0 ? DHO_GELU_ERF : DHO_GELU_QUICK;
    const size_t count = (size_t)rows * (size_t)channels, n = (size_t)channels;
    const dho_kernels *k = dho_compute_kernels(c), *r = dho_compute_kernels(ref);
    dho_rng rng = test_rng((uint64_t)index);
    float *bias = random_floats(&rng, n, 0, 1), *dbias = random_floats(&rng, n, 0, 1);
    float *ref_dbias = copy_floats(dbias, n), *ref_y = nan_floats(count);
    float *ref_dx = nan_floats(count);
    stored x = store(c, random_floats(&rng, count, 0, 3), count);
    stored y = store(c, nan_floats(count), count);
    stored dy = store(c, random_floats(&rng, count, 0, 1), count);
    const dho_gelu_shape shape = {rows, channels, kind};
    k->bias_gelu_forward(c, &shape, x.data, bias, y.data);
    r->bias_gelu_forward(ref, &shape, x.values, bias, ref_y);
    r->bias_gelu_backward(ref, &shape, x.values, bias, dy.values, ref_dx, ref_dbias);
    k->bias_gelu_backward(c, &shape, x.data, bias, dy.data, dy.data, dbias);
    fetch(c, &y, count), fetch(c, &dy, count);
    /* Rounding x + bias moves y by up to eps |x|; the tail's exponent by as much times |x|. */
    const double eps = (double)FLT_EPSILON, round = rounding(c);
    check_close("y", y.values, ref_y, count, 4 * eps, 12 * eps + round);
    check_close("dx", dy.values, ref_dx, count, 12 * eps, 12 * eps + round);
    check_close("dbias", dbias, ref_dbias, n, sum_tolerance(rows) * 2, 4 * eps);
    drop(&x), drop(&y), drop(&dy);
    dho_free(bias), dho_free(dbias), dho_free(ref_dbias), dho_free(ref_y), dho_free(ref_dx);
}

/* A channel's scale on the stream, and the way from activations to floats. */
static void layer_scale_case(dho_compute *c, dho_compute *ref, int index)
{
    const dho_rows_shape shape = {row_cases[index][0], row_cases[index][1]};
    const size_t n = (size_t)shape.channels, count = (size_t)shape.rows * n;
    const dho_kernels *k = dho_compute_kernels(c), *r = dho_compute_kernels(ref);
    dho_rng rng = test_rng((uint64_t)index);
    float *gamma = random_floats(&rng, n, 0, 1), *dgamma = random_floats(&rng, n, 0, 1);
    float *residual = random_floats(&rng, count, 0, 1), *dy = random_floats(&rng, count, 0, 1);
    float *ref_dgamma = copy_floats(dgamma, n), *y = nan_floats(count), *ref_y = nan_floats(count);
    float *ref_dx = nan_floats(count), *sum = copy_floats(residual, count);
    stored x = store(c, random_floats(&rng, count, 0, 3), count);
    stored dx = store(c, nan_floats(count), count);
    k->layer_scale_forward(c, &shape, x.data, gamma, residual, y);
    r->layer_scale_forward(ref, &shape, x.values, gamma, residual, ref_y);
    k->layer_scale_backward(c, &shape, x.data, gamma, dy, dx.data, dgamma);
    r->layer_scale_backward(ref, &shape, x.values, gamma, dy, ref_dx, ref_dgamma);
    fetch(c, &dx, count);
    const double eps = (double)FLT_EPSILON;
    check_close("y", y, ref_y, count, 32 * eps, 2 * eps); /* products up to some 20 */
    check_close("dx", dx.values, ref_dx, count, 0, 2 * eps + rounding(c));
    check_close("dgamma", dgamma, ref_dgamma, n, 3 * sum_tolerance((double)shape.rows), 4 * eps);
    k->load(c, count, x.data, true, sum);
    k->load(c, count, x.data, false, y);
    check_close("load", y, x.values, count, 0, 0);
    for (size_t i = 0; i < count; i++) ref_y[i] = residual[i] + x.values[i];
    check_close("load, added", sum, ref_y, count, 0, 0);
    drop(&x), drop(&dx);
    float *const all[] = {gamma, dgamma, residual, dy, ref_dgamma, y, ref_y, ref_dx, sum};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) dho_free(all[i]);
}

/* An image's factor: a row is an image. */
static void image_scale_case(dho_compute *c, dho_compute *ref, int index)
{
    const dho_rows_shape shape = {row_cases[index][0], row_cases[index][1]};
    const size_t count = (size_t)shape.rows * (size_t)shape.channels;
    const dho_kernels *k = dho_compute_kernels(c), *r = dho_compute_kernels(ref);
    dho_rng rng = test_rng((uint64_t)index);
    float *scales = random_floats(&rng, (size_t)shape.rows, 0, 1);
    float *residual = random_floats(&rng, count, 0, 1), *dy = random_floats(&rng, count, 0, 1);
    float *y = nan_floats(count), *ref_y = nan_floats(count), *ref_dx = nan_floats(count);
    stored x = store(c, random_floats(&rng, count, 0, 3), count);
    stored dx = store(c, nan_floats(count), count);
    scales[0] = 0;
    k->image_scale_forward(c, &shape, x.data, scales, residual, y);
    r->image_scale_forward(ref, &shape, x.values, scales, residual, ref_y);
    k->image_scale_backward(c, &shape, scales, dy, dx.data);
    r->image_scale_backward(ref, &shape, scales, dy, ref_dx);
    fetch(c, &dx, count);
    const double eps = (double)FLT_EPSILON;
    check_close("y", y, ref_y, count, 32 * eps, 2 * eps);
    check_close("dx", dx.values, ref_dx, count, 0, 2 * eps + rounding(c));
    drop(&x), drop(&dx);
    float *const all[] = {scales, residual, dy, y, ref_y, ref_dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) dho_free(all[i]);
}

START_TEST(test_image_scale)
{
    on_all_backends(image_scale_case, _i);
}
END_TEST

START_TEST(test_layer_scale)
{
    on_all_backends(layer_scale_case, _i);
}
END_TEST

START_TEST(test_gelu)
{
    on_all_backends(gelu_case, _i);
}
END_TEST

/* From one end of the floats to the other, densely where GELU bends: relative to |y| down to where
 * e^(-x^2/2) leaves the normal floats, as torch's own is not. */
START_TEST(test_gelu_everywhere)
{
    enum { POINTS = 400001 };
    const float zero[1] = {0};
    dho_compute *c = open_backend("blis", 1);
    float *x = nan_floats(POINTS), *y = nan_floats(POINTS);
    for (int i = 0; i < POINTS; i++) x[i] = (float)(-20 + i * 1e-4);
    double worst[2] = {0, 0};
    for (int kind = 0; kind < 2; kind++) {
        dho_compute_kernels(c)->bias_gelu_forward(c, &(dho_gelu_shape){POINTS, 1, (dho_gelu)kind},
                                                  x, zero, y);
        for (int i = 0; i < POINTS; i++) {
            const double v = (double)x[i];
            const double expected =
                kind == 0 ? 0.5 * v * erfc(-v * sqrt(0.5)) : v / (1 + exp(-1.702 * v));
            const double error = fabs((double)y[i] - expected);
            if (fabs(v) < (kind == 0 ? 4 : 16))
                worst[kind] = dho_larger_or_nan(worst[kind], error / fmax(fabs(expected), 1e-30));
            ck_assert_msg(error <= 1e-6 * fabs(v) && error <= 4e-6 * fabs(expected) + 1e-30,
                          "kind %d: gelu(%.9g) = %.9g, not %.9g", kind, v, (double)y[i], expected);
        }
    }
    printf("largest relative errors: %.2g (erf, |x| < 4), %.2g (quick, |x| < 16)\n", worst[0],
           worst[1]);
    ck_assert_double_lt(worst[0], 1e-6);
    ck_assert_double_lt(worst[1], 1.7e-6); /* 1.702 x is rounded before the exponential */
    const float far[] = {-INFINITY, INFINITY, NAN, -1e30f, 1e30f, -0.0f};
    float out[6];
    for (int kind = 0; kind < 2; kind++) {
        dho_compute_kernels(c)->bias_gelu_forward(c, &(dho_gelu_shape){6, 1, (dho_gelu)kind}, far,
                                                  zero, out);
        ck_assert(out[1] == INFINITY && isnan(out[2]) && out[4] == 1e30f && out[5] == 0);
        ck_assert_float_le(fabsf(out[3]), 1e-7f);
    }
    dho_free(x), dho_free(y);
    dho_compute_destroy(&c);
}
END_TEST

/* batch, tokens, heads, head_dim, causal; the long ones go by several blocks of query rows */
static const int attention_cases[][5] = {{1, 1, 1, 1, 0},    {2, 5, 3, 8, 0},   {2, 17, 2, 64, 1},
                                         {1, 77, 2, 64, 1},  {2, 50, 4, 16, 0}, {1, 300, 1, 32, 0},
                                         {1, 301, 1, 16, 1}, {1, 577, 1, 8, 0}};
enum { ATTENTION_CASES = sizeof attention_cases / sizeof *attention_cases };

static dho_attention_shape attention_shape(int index)
{
    const int *c = attention_cases[index];
    return (dho_attention_shape){c[0], c[1], c[2], c[3], c[4] != 0};
}

/* Of each gradient of one head, the sum of its terms' absolute values: what roundings are relative
 * to. dS = P (dP - D) counts as P (|dP| + |D|), D as the sum of |dy| P |v|. */
static void head_magnitudes(const dho_attention_shape *s, const float *qkv, const float *dy,
                            const float *lse, double *out)
{
    const int width = s->heads * s->head_dim, stride = 3 * width;
    const double scale = 1 / sqrt(s->head_dim);
    for (int row = 0; row < s->tokens; row++) {
        const float *q = qkv + row * stride, *g = dy + row * width;
        const int keys = s->causal ? row + 1 : s->tokens;
        double p[600], dp[600], mean = 0;
        for (int t = 0; t < keys; t++) {
            const float *k = qkv + t * stride + width, *v = k + width;
            double score = 0;
            dp[t] = 0;
            for (int i = 0; i < s->head_dim; i++) {
                score += scale * (double)q[i] * (double)k[i];
                dp[t] += fabs((double)g[i] * (double)v[i]);
            }
            p[t] = exp(score - (double)lse[row]);
            mean += p[t] * dp[t];
        }
        for (int t = 0; t < keys; t++) {
            const float *k = qkv + t * stride + width;
            const double ds = p[t] * (dp[t] + mean) * scale;
            double *out_k = out + t * stride + width, *out_v = out_k + width;
            for (int i = 0; i < s->head_dim; i++) {
                out[row * stride + i] += ds * fabs((double)k[i]);
                out_k[i] += ds * fabs((double)q[i]);
                out_v[i] += p[t] * fabs((double)g[i]);
            }
        }
    }
}

/* In bf16 y, P, dS and the result are each rounded by at most 2^-9 of themselves, and y is of
 * rounded P, which makes two roundings of D: four in all, of the terms' absolute values. */
static void check_rounded_gradients(const dho_attention_shape *s, const float *qkv, const float *dy,
                                    const float *lse, const float *ours, const float *expected,
                                    double absolute)
{
    const size_t width = (size_t)(s->heads * s->head_dim), image = (size_t)s->tokens * width;
    double *magnitudes;
    ck_assert_ok(
        dho_alloc_zero(&magnitudes, 3 * image * (size_t)s->batch, sizeof *magnitudes, "test"));
    for (int b = 0; b < s->batch; b++) {
        for (int h = 0; h < s->heads; h++) {
            const size_t at = (size_t)b * image + (size_t)(h * s->head_dim);
            const size_t at3 = 3 * (size_t)b * image + (size_t)(h * s->head_dim);
            head_magnitudes(s, qkv + at3, dy + at, lse + (b * s->heads + h) * s->tokens,
                            magnitudes + at3);
        }
    }
    for (size_t i = 0; i < 3 * image * (size_t)s->batch; i++) {
        const double allowed = 4.0 / 512 * magnitudes[i] + absolute;
        if (fabs((double)ours[i] - (double)expected[i]) <= allowed) continue; /* a NaN is not */
        ck_abort_msg("dqkv [%zu]: %.9g, expected %.9g (allowed %g)", i, (double)ours[i],
                     (double)expected[i], allowed);
    }
    dho_free(magnitudes);
}

static void attention_case(dho_compute *c, dho_compute *ref, int index)
{
    const dho_attention_shape s = attention_shape(index);
    const size_t count = (size_t)(s.batch * s.tokens * s.heads * s.head_dim);
    const size_t rows = (size_t)(s.batch * s.heads * s.tokens);
    const dho_kernels *k = dho_compute_kernels(c), *r = dho_compute_kernels(ref);
    if (s.tokens > 100 && dho_compute_threads(c) > 2) return; /* ref takes long */
    dho_rng rng = test_rng((uint64_t)index);
    ck_assert_ok(dho_compute_reserve_attention(c, &s));
    const int64_t calls = dho_alloc_get_stats().calls;
    float *lse = nan_floats(rows), *ref_lse = nan_floats(rows);
    float *ref_y = nan_floats(count), *ref_dqkv = nan_floats(3 * count);
    stored qkv = store(c, random_floats(&rng, 3 * count, 0, 1.5), 3 * count);
    stored y = store(c, nan_floats(count), count),
           dy = store(c, random_floats(&rng, count, 0, 1), count);
    stored dqkv = store(c, nan_floats(3 * count), 3 * count);
    const int64_t own = dho_alloc_get_stats().calls - calls;
    k->attention_forward(c, &s, qkv.data, y.data, lse);
    k->attention_backward(c, &s, qkv.data, y.data, lse, dy.data, dqkv.data);
    ck_assert_int_eq(dho_alloc_get_stats().calls - calls, own); /* the hot path allocates nothing */
    r->attention_forward(ref, &s, qkv.values, ref_y, ref_lse);
    r->attention_backward(ref, &s, qkv.values, ref_y, ref_lse, dy.values, ref_dqkv);
    fetch(c, &y, count), fetch(c, &dqkv, 3 * count);
    /* A score is a sum of head_dim products of size 2 over its root; e^score moves as it does. */
    const double eps = (double)FLT_EPSILON, round = rounding(c);
    const double score = 16 * eps * sqrt(s.head_dim) * 4, coarse = round > eps ? round : 0;
    check_close("lse", lse, ref_lse, rows, score, 8 * eps);
    /* In bf16 the probabilities are rounded too: half a rounding of max |v|, 4.5 deviations. */
    check_close("y", y.values, ref_y, count, score + coarse / 2 * 4.5 * 1.5, 2 * round);
    if (coarse > 0)
        check_rounded_gradients(&s, qkv.values, dy.values, ref_lse, dqkv.values, ref_dqkv,
                                20 * score);
    else
        check_close("dqkv", dqkv.values, ref_dqkv, 3 * count, 20 * score, 2 * round);
    drop(&qkv), drop(&y), drop(&dy), drop(&dqkv);
    dho_free(lse), dho_free(ref_lse), dho_free(ref_y), dho_free(ref_dqkv);
}

START_TEST(test_attention)
{
    on_all_backends(attention_case, _i);
}
END_TEST

static void attention_pool_case(dho_compute *c, dho_compute *ref, int index)
{
    const dho_attention_shape s = {2 + index, 1 + 12 * index, 3, 8 + index, false};
    const size_t vector = (size_t)(s.batch * s.heads * s.head_dim);
    const size_t count = vector * (size_t)s.tokens, rows = (size_t)(s.batch * s.heads * s.tokens);
    const dho_kernels *k = dho_compute_kernels(c), *r = dho_compute_kernels(ref);
    dho_rng rng = test_rng((uint64_t)index);
    float *q = random_floats(&rng, vector, 0, 1.5), *dy = random_floats(&rng, vector, 0, 1);
    float *y = nan_floats(vector), *ref_y = nan_floats(vector), *p = nan_floats(rows);
    float *ref_p = nan_floats(rows), *dq = nan_floats(vector), *ref_dq = nan_floats(vector);
    float *ref_dk = nan_floats(count), *ref_dv = nan_floats(count);
    stored key = store(c, random_floats(&rng, count, 0, 1.5), count);
    stored value = store(c, random_floats(&rng, count, 0, 1), count);
    stored dk = store(c, nan_floats(count), count), dv = store(c, nan_floats(count), count);
    k->attention_pool_forward(c, &s, q, key.data, value.data, y, p);
    k->attention_pool_backward(
        c, &s, q, key.data, value.data, p,
        &(dho_attention_pool_gradients){.dy = dy, .dq = dq, .dk = dk.data, .dv = dv.data});
    r->attention_pool_forward(ref, &s, q, key.values, value.values, ref_y, ref_p);
    r->attention_pool_backward(
        ref, &s, q, key.values, value.values, ref_p,
        &(dho_attention_pool_gradients){.dy = dy, .dq = ref_dq, .dk = ref_dk, .dv = ref_dv});
    fetch(c, &dk, count), fetch(c, &dv, count);
    const double tolerance = 256 * (double)FLT_EPSILON * s.head_dim, round = 2 * rounding(c);
    check_close("y", y, ref_y, vector, tolerance, 0);
    check_close("p", p, ref_p, rows, tolerance, 0);
    check_close("dq", dq, ref_dq, vector, tolerance, 0);
    check_close("dk", dk.values, ref_dk, count, tolerance, round);
    check_close("dv", dv.values, ref_dv, count, tolerance, round);
    drop(&key), drop(&value), drop(&dk), drop(&dv);
    float *const all[] = {q, dy, y, ref_y, p, ref_p, dq, ref_dq, ref_dk, ref_dv};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) dho_free(all[i]);
}

START_TEST(test_attention_pool)
{
    on_all_backends(attention_pool_case, _i);
}
END_TEST

static void tokens_case(dho_compute *c, dho_compute *ref, int index)
{
    enum { BATCH = 4 };
    const int patches = 1 + 24 * (index / 2), channels = 3 + 310 * (index / 2);
    const bool accumulate = index % 2 == 1;
    const size_t one = (size_t)channels, rows = (size_t)patches * one, all_rows = rows + one;
    const size_t in = BATCH * rows, out = BATCH * all_rows;
    const double eps = (double)FLT_EPSILON, round = 2 * rounding(c);
    const dho_kernels *k = dho_compute_kernels(c), *r = dho_compute_kernels(ref);
    dho_rng rng = test_rng((uint64_t)index);
    float *class_embedding = random_floats(&rng, one, 0, 1);
    float *position = random_floats(&rng, all_rows, 0, 1), *y = nan_floats(out);
    float *ref_y = nan_floats(out), *stream = random_floats(&rng, out, 0, 1);
    float *sums = random_floats(&rng, one + all_rows, 0, 1);
    float *ref_sums = copy_floats(sums, one + all_rows);
    float *vector = random_floats(&rng, BATCH * one, 0, 1);
    stored x = store(c, random_floats(&rng, in, 0, 1), in),
           dx = store(c, random_floats(&rng, in, 0, 1), in);
    stored pooled = store(c, nan_floats(out), out),
           dpooled = store(c, random_floats(&rng, out, 0, 1), out);
    float *ref_dx = copy_floats(dx.values, in);

    const dho_places_shape patch_shape = {BATCH, patches, channels};
    k->embed_tokens_forward(c, &patch_shape, x.data, class_embedding, position, y);
    r->embed_tokens_forward(ref, &patch_shape, x.values, class_embedding, position, ref_y);
    check_close("embed", y, ref_y, out, 0, 2 * eps);
    k->pool_tokens_forward(c, &patch_shape, x.data, position, pooled.data);
    r->pool_tokens_forward(ref, &patch_shape, x.values, position, ref_y);
    fetch(c, &pooled, out);
    check_close("pool", pooled.values, ref_y, out, 8 * eps, round);
    k->pool_tokens_backward(c, &patch_shape, dpooled.data, accumulate, dx.data, sums + one);
    r->pool_tokens_backward(ref, &patch_shape, dpooled.values, accumulate, ref_dx, ref_sums + one);
    fetch(c, &dx, in);
    check_close("pool dx", dx.values, ref_dx, in, 4 * eps, round);
    k->embed_tokens_backward(c, &patch_shape, stream, dx.data, sums, sums + one);
    r->embed_tokens_backward(ref, &patch_shape, stream, ref_dx, ref_sums, ref_sums + one);
    fetch(c, &dx, in);
    check_close("embed dx", dx.values, ref_dx, in, 0, round);
    check_close("class, position", sums, ref_sums, one + all_rows, 32 * eps, 8 * eps);

    const dho_places_shape token_shape = {BATCH, patches + 1, channels};
    k->take_token_forward(c, &token_shape, true, stream, y);
    r->take_token_forward(ref, &token_shape, true, stream, ref_y);
    check_close("token", y, ref_y, BATCH * one, 0, 0);
    k->take_token_forward(c, &token_shape, false, pooled.data, y);
    r->take_token_forward(ref, &token_shape, false, pooled.values, ref_y);
    check_close("token", y, ref_y, BATCH * one, 0, 0);
    memcpy(y, stream, out * sizeof *y);
    memcpy(ref_y, stream, out * sizeof *y);
    k->take_token_backward(c, &token_shape, true, vector, accumulate, y);
    r->take_token_backward(ref, &token_shape, true, vector, accumulate, ref_y);
    check_close("token dx", y, ref_y, out, 0, 0);
    memcpy(ref_y, dpooled.values, out * sizeof *y);
    k->take_token_backward(c, &token_shape, false, vector, accumulate, dpooled.data);
    r->take_token_backward(ref, &token_shape, false, vector, accumulate, ref_y);
    fetch(c, &dpooled, out);
    check_close("token dx", dpooled.values, ref_y, out, 0, round);
    drop(&x), drop(&dx), drop(&pooled), drop(&dpooled);
    float *const all[] = {class_embedding, position, y,     ref_y, stream, sums,
                          ref_sums,        vector,   ref_dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) dho_free(all[i]);
}

START_TEST(test_tokens)
{
    on_all_backends(tokens_case, _i);
}
END_TEST

static void average_pool_case(dho_compute *c, dho_compute *ref, int index)
{
    const int h = 2 + index * 7, w = 3 + index, channels = 1 + 37 * index;
    const bool accumulate = index % 2 == 1;
    const size_t in = (size_t)(2 * h * w * channels),
                 out = (size_t)(2 * (h / 2) * (w / 2) * channels);
    const dho_kernels *k = dho_compute_kernels(c), *r = dho_compute_kernels(ref);
    dho_rng rng = test_rng((uint64_t)index);
    float *ref_y = nan_floats(out);
    stored x = store(c, random_floats(&rng, in, 0, 1), in), y = store(c, nan_floats(out), out);
    stored dy = store(c, random_floats(&rng, out, 0, 1), out);
    stored dx = store(c, random_floats(&rng, in, 0, 1), in);
    float *ref_dx = copy_floats(dx.values, in);
    const dho_pool_shape shape = {.batch = 2, .in_h = h, .in_w = w, .channels = channels};
    k->average_pool_2x2_forward(c, &shape, x.data, y.data);
    k->average_pool_2x2_backward(c, &shape, dy.data, accumulate, dx.data);
    r->average_pool_2x2_forward(ref, &shape, x.values, ref_y);
    r->average_pool_2x2_backward(ref, &shape, dy.values, accumulate, ref_dx);
    fetch(c, &y, out), fetch(c, &dx, in);
    check_close("y", y.values, ref_y, out, 4 * (double)FLT_EPSILON, 2 * rounding(c));
    check_close("dx", dx.values, ref_dx, in, 4 * (double)FLT_EPSILON, 2 * rounding(c));
    drop(&x), drop(&y), drop(&dy), drop(&dx);
    dho_free(ref_y), dho_free(ref_dx);
}

START_TEST(test_average_pool_2x2)
{
    on_all_backends(average_pool_case, _i);
}
END_TEST

/* --- gradients: everything is the derivative of L = sum(y r) in double --- */
enum { ROWS = 6, CHANNELS = 5, COUNT = ROWS * CHANNELS };

typedef struct loss_data {
    double x[COUNT], gamma[CHANNELS], beta[CHANNELS], r[COUNT];
    dho_gelu kind;
} loss_data;

static double layer_norm_loss(const loss_data *l)
{
    double loss = 0;
    for (int i = 0; i < ROWS; i++) {
        const double *x = l->x + i * CHANNELS, *r = l->r + i * CHANNELS;
        double mean = 0, variance = 0;
        for (int c = 0; c < CHANNELS; c++) mean += x[c] / CHANNELS;
        for (int c = 0; c < CHANNELS; c++) variance += pow(x[c] - mean, 2) / CHANNELS;
        for (int c = 0; c < CHANNELS; c++)
            loss += ((x[c] - mean) / sqrt(variance + 1e-5) * l->gamma[c] + l->beta[c]) * r[c];
    }
    return loss;
}

static double gelu_loss(const loss_data *l)
{
    double loss = 0;
    for (int i = 0; i < COUNT; i++) {
        const double v = l->x[i] + l->beta[i % CHANNELS];
        loss += l->r[i] * (l->kind == DHO_GELU_QUICK ? v / (1 + exp(-1.702 * v))
                                                     : 0.5 * v * (1 + erf(v / sqrt(2))));
    }
    return loss;
}

/* Right to about 1e-9. */
static double difference(double (*loss)(const loss_data *), loss_data *l, double *value)
{
    const double kept = *value;
    *value = kept + 1e-6;
    const double above = loss(l);
    *value = kept - 1e-6;
    const double below = loss(l);
    *value = kept;
    return (above - below) / 2e-6;
}

static void random_loss(dho_rng *rng, loss_data *l, float *x, float *gamma, float *beta, float *r)
{
    for (int i = 0; i < COUNT; i++) {
        l->x[i] = (double)(x[i] = (float)dho_rng_normal(rng));
        l->r[i] = (double)(r[i] = (float)dho_rng_normal(rng));
    }
    for (int i = 0; i < CHANNELS; i++) {
        l->gamma[i] = (double)(gamma[i] = (float)dho_rng_normal(rng));
        l->beta[i] = (double)(beta[i] = (float)dho_rng_normal(rng));
    }
}

START_TEST(test_row_gradients)
{
    dho_rng rng = test_rng((uint64_t)_i);
    loss_data l = {.kind = (dho_gelu)(_i % 2)};
    float x[COUNT], gamma[CHANNELS], beta[CHANNELS], r[COUNT], y[COUNT], mean[ROWS], inv[ROWS];
    float dx[COUNT], dgamma[CHANNELS] = {0}, dbeta[CHANNELS] = {0}, dbias[CHANNELS] = {0};
    dho_compute *ref = open_backend("ref", 1);
    const dho_kernels *k = dho_compute_kernels(ref);
    random_loss(&rng, &l, x, gamma, beta, r);
    const dho_layer_norm_shape shape = {
        .rows = ROWS, .channels = CHANNELS, .eps = 1e-5f, .wide = true};
    k->layer_norm_forward(ref, &shape, x, gamma, beta, y, mean, inv);
    k->layer_norm_backward(
        ref, &shape, x, gamma, mean, inv,
        &(dho_layer_norm_gradients){.dy = r, .dx = dx, .dgamma = dgamma, .dbeta = dbeta});
    for (int i = 0; i < COUNT; i++) {
        const double spread = fmax(1, pow((double)inv[i / CHANNELS], 2)); /* five may be close */
        ck_assert_double_eq_tol((double)dx[i], difference(layer_norm_loss, &l, &l.x[i]),
                                1e-5 * spread);
    }
    for (int c = 0; c < CHANNELS; c++) {
        ck_assert_double_eq_tol((double)dgamma[c], difference(layer_norm_loss, &l, &l.gamma[c]),
                                1e-4);
        ck_assert_double_eq_tol((double)dbeta[c], difference(layer_norm_loss, &l, &l.beta[c]),
                                1e-5);
    }
    k->bias_gelu_backward(ref, &(dho_gelu_shape){ROWS, CHANNELS, l.kind}, x, beta, r, dx, dbias);
    for (int i = 0; i < COUNT; i++)
        ck_assert_double_eq_tol((double)dx[i], difference(gelu_loss, &l, &l.x[i]), 2e-6);
    for (int c = 0; c < CHANNELS; c++)
        ck_assert_double_eq_tol((double)dbias[c], difference(gelu_loss, &l, &l.beta[c]), 1e-5);
    dho_compute_destroy(&ref);
}
END_TEST

/* Attention in double: all of it, from the definition. pool: queries of the first token only. */
enum { TOKENS = 6, HEADS = 2, DIM = 3, WIDTH = HEADS * DIM, QKV = TOKENS * 3 * WIDTH };

static double attention_loss(const double *qkv, const double *r, bool causal, bool pool)
{
    double loss = 0;
    for (int h = 0; h < HEADS; h++) {
        for (int row = 0; row < (pool ? 1 : TOKENS); row++) {
            double p[TOKENS], sum = 0;
            const int keys = causal ? row + 1 : TOKENS;
            for (int t = 0; t < keys; t++) {
                double score = 0;
                for (int i = 0; i < DIM; i++)
                    score += qkv[row * 3 * WIDTH + h * DIM + i] *
                             qkv[t * 3 * WIDTH + WIDTH + h * DIM + i];
                sum += p[t] = exp(score / sqrt(DIM));
            }
            for (int t = 0; t < keys; t++)
                for (int i = 0; i < DIM; i++)
                    loss += r[row * WIDTH + h * DIM + i] * p[t] / sum *
                            qkv[t * 3 * WIDTH + 2 * WIDTH + h * DIM + i];
        }
    }
    return loss;
}

START_TEST(test_attention_gradients)
{
    const bool causal = _i % 3 == 1, pool = _i % 3 == 2;
    const dho_attention_shape s = {1, TOKENS, HEADS, DIM, causal};
    dho_rng rng = test_rng((uint64_t)_i);
    float qkv[QKV], r[TOKENS * WIDTH], y[TOKENS * WIDTH], lse[TOKENS * HEADS], dqkv[QKV] = {0};
    double exact[QKV], weights[TOKENS * WIDTH];
    for (int i = 0; i < QKV; i++) exact[i] = (double)(qkv[i] = (float)dho_rng_normal(&rng));
    for (int i = 0; i < TOKENS * WIDTH; i++)
        weights[i] = (double)(r[i] = (float)dho_rng_normal(&rng));
    dho_compute *ref = open_backend("ref", 1);
    const dho_kernels *k = dho_compute_kernels(ref);
    if (pool) {
        float q[WIDTH], kv[2][TOKENS * WIDTH], dq[WIDTH], dkv[2][TOKENS * WIDTH];
        memcpy(q, qkv, sizeof q);
        for (int i = 0; i < 2 * TOKENS * WIDTH; i++)
            kv[i / (TOKENS * WIDTH)][i % (TOKENS * WIDTH)] =
                qkv[i / WIDTH % TOKENS * 3 * WIDTH + (1 + i / (TOKENS * WIDTH)) * WIDTH +
                    i % WIDTH];
        k->attention_pool_forward(ref, &s, q, kv[0], kv[1], y, lse);
        k->attention_pool_backward(
            ref, &s, q, kv[0], kv[1], lse,
            &(dho_attention_pool_gradients){.dy = r, .dq = dq, .dk = dkv[0], .dv = dkv[1]});
        memcpy(dqkv, dq, sizeof dq);
        for (int i = 0; i < 2 * TOKENS * WIDTH; i++)
            dqkv[i / WIDTH % TOKENS * 3 * WIDTH + (1 + i / (TOKENS * WIDTH)) * WIDTH + i % WIDTH] =
                dkv[i / (TOKENS * WIDTH)][i % (TOKENS * WIDTH)];
    } else {
        k->attention_forward(ref, &s, qkv, y, lse);
        k->attention_backward(ref, &s, qkv, y, lse, r, dqkv);
    }
    double loss = 0;
    for (int i = 0; i < (pool ? 1 : TOKENS) * WIDTH; i++) loss += (double)y[i] * weights[i];
    ck_assert_double_eq_tol(loss, attention_loss(exact, weights, causal, pool), 1e-4);
    for (int i = 0; i < QKV; i++) {
        const double kept = exact[i];
        exact[i] = kept + 1e-6;
        const double above = attention_loss(exact, weights, causal, pool);
        exact[i] = kept - 1e-6;
        const double below = attention_loss(exact, weights, causal, pool);
        exact[i] = kept;
        ck_assert_double_eq_tol((double)dqkv[i], (above - below) / 2e-6, 1e-5);
    }
    dho_compute_destroy(&ref);
}
END_TEST

/* What only copies and adds is linear: <backward(r), x> = <r, forward(x)>. */
START_TEST(test_linear_kernels_are_transposed)
{
    enum { BATCH = 2, PATCHES = 4, WIDE = 3, IN = BATCH * PATCHES * WIDE };
    enum { OUT = BATCH * (PATCHES + 1) * WIDE, SIDE = 5, IMAGE = SIDE * SIDE * WIDE };
    dho_rng rng = test_rng(0);
    const float zeros[OUT] = {0};
    dho_compute *ref = open_backend("ref", 1);
    const dho_kernels *k = dho_compute_kernels(ref);
    float *x = random_floats(&rng, OUT, 0, 1), *r = random_floats(&rng, OUT, 0, 1);
    float y[OUT], dx[OUT], unused[OUT] = {0};
    const struct {
        size_t in, out;
    } sizes[4] = {{IN, OUT}, {IN, OUT}, {OUT, BATCH * WIDE}, {0, 0}};
    const dho_places_shape patch_shape = {BATCH, PATCHES, WIDE};
    const dho_places_shape token_shape = {BATCH, PATCHES + 1, WIDE};
    for (int i = 0; i < 3; i++) {
        double forward = 0, backward = 0;
        if (i == 0) {
            k->embed_tokens_forward(ref, &patch_shape, x, zeros, zeros, y);
            k->embed_tokens_backward(ref, &patch_shape, r, dx, unused, unused);
        } else if (i == 1) {
            k->pool_tokens_forward(ref, &patch_shape, x, zeros, y);
            k->pool_tokens_backward(ref, &patch_shape, r, false, dx, unused);
        } else {
            k->take_token_forward(ref, &token_shape, true, x, y);
            k->take_token_backward(ref, &token_shape, true, r, false, dx);
        }
        for (size_t j = 0; j < sizes[i].in; j++) backward += (double)dx[j] * (double)x[j];
        for (size_t j = 0; j < sizes[i].out; j++) forward += (double)y[j] * (double)r[j];
        ck_assert_double_eq_tol(forward, backward, 1e-5);
    }
    float image[IMAGE], half[IMAGE], dimage[IMAGE];
    double forward = 0, backward = 0;
    for (int i = 0; i < IMAGE; i++) image[i] = (float)dho_rng_normal(&rng);
    const dho_pool_shape shape = {.batch = 1, .in_h = SIDE, .in_w = SIDE, .channels = WIDE};
    k->average_pool_2x2_forward(ref, &shape, image, half);
    k->average_pool_2x2_backward(ref, &shape, r, false, dimage);
    for (int i = 0; i < IMAGE; i++) backward += (double)dimage[i] * (double)image[i];
    for (int i = 0; i < 4 * WIDE; i++) forward += (double)half[i] * (double)r[i];
    ck_assert_double_eq_tol(forward, backward, 1e-5);
    dho_free(x), dho_free(r);
    dho_compute_destroy(&ref);
}
END_TEST

START_TEST(test_attention_refuses)
{
    dho_compute *c = open_backend("blis", 1);
    dho_attention_shape s = {1, 1 << 30, 1, 64, false};
    ck_assert_fails(dho_compute_reserve_attention(c, &s), DHO_ERR_CONFIG, "tokens");
    s.tokens = 0;
    ck_assert_fails(dho_compute_reserve_attention(c, &s), DHO_ERR_CONFIG, "positive");
    dho_compute_destroy(&c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels_transformer");
    TCase *tests = tcase_create("kernels_transformer");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, test_layer_norm, 0, 4 * ROW_CASES);
    tcase_add_loop_test(tests, test_layer_scale, 0, ROW_CASES);
    tcase_add_loop_test(tests, test_image_scale, 0, ROW_CASES);
    tcase_add_loop_test(tests, test_gelu, 0, 2 * ROW_CASES);
    tcase_add_test(tests, test_gelu_everywhere);
    tcase_add_loop_test(tests, test_attention, 0, ATTENTION_CASES);
    tcase_add_loop_test(tests, test_attention_pool, 0, 4);
    tcase_add_loop_test(tests, test_tokens, 0, 6);
    tcase_add_loop_test(tests, test_average_pool_2x2, 0, 4);
    tcase_add_loop_test(tests, test_row_gradients, 0, 4);
    tcase_add_loop_test(tests, test_attention_gradients, 0, 3);
    tcase_add_test(tests, test_linear_kernels_are_transposed);
    tcase_add_test(tests, test_attention_refuses);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

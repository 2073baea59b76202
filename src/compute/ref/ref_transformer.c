/* Reference kernels of transformers: one formula at a time, in double. */
#include "base/compare.h"
#include "compute/ref/ref_tables.h"

#include <math.h>
#include <string.h>

static void layer_norm_forward(dho_compute *compute, const dho_layer_norm_shape *shape,
                               const float *x, const float *gamma, const float *beta, void *y_data,
                               float *mean, float *inv_std)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    float *y = y_data;
    (void)compute;
    for (int64_t r = 0; r < rows; r++, x += channels, y += channels) {
        double sum = 0, squares = 0;
        for (int c = 0; c < channels; c++) sum += (double)x[c];
        const double m = sum / channels;
        for (int c = 0; c < channels; c++) squares += ((double)x[c] - m) * ((double)x[c] - m);
        const double inverse = 1 / sqrt(squares / channels + (double)shape->eps);
        for (int c = 0; c < channels; c++)
            y[c] = (float)((double)gamma[c] * ((double)x[c] - m) * inverse + (double)beta[c]);
        mean[r] = (float)m;
        inv_std[r] = (float)inverse;
    }
}

static void layer_norm_backward(dho_compute *compute, const dho_layer_norm_shape *shape,
                                const float *x, const float *gamma, const float *mean,
                                const float *inv_std, const dho_layer_norm_gradients *t)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    float *dx = t->dx, *dgamma = t->dgamma, *dbeta = t->dbeta;
    const float *dy = t->dy;
    (void)compute;
    for (int64_t r = 0; r < rows; r++, x += channels, dy += channels, dx += channels) {
        const double m = (double)mean[r], inverse = (double)inv_std[r];
        double sum = 0, sum_xhat = 0;
        for (int c = 0; c < channels; c++) {
            const double g = (double)gamma[c] * (double)dy[c];
            sum += g;
            sum_xhat += g * ((double)x[c] - m) * inverse;
        }
        for (int c = 0; c < channels; c++) {
            const double xhat = ((double)x[c] - m) * inverse;
            const double g = (double)gamma[c] * (double)dy[c];
            const double d = inverse * (g - sum / channels - xhat * sum_xhat / channels);
            dx[c] = (float)(t->accumulate ? (double)dx[c] + d : d);
        }
    }
    x -= rows * channels, dy -= rows * channels;
    for (int c = 0; c < channels; c++) {
        double gamma_sum = 0, beta_sum = 0;
        for (int64_t r = 0; r < rows; r++) {
            const int64_t i = r * channels + c;
            gamma_sum += (double)dy[i] * ((double)x[i] - (double)mean[r]) * (double)inv_std[r];
            beta_sum += (double)dy[i];
        }
        dgamma[c] = (float)((double)dgamma[c] + gamma_sum);
        dbeta[c] = (float)((double)dbeta[c] + beta_sum);
    }
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void bias_gelu_forward(dho_compute *compute, const dho_gelu_shape *shape, const void *x_data,
                              const float *bias, void *y_data)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    const dho_gelu kind = shape->kind;
    const float *x = x_data;
    float *y = y_data;
    (void)compute;
    for (int64_t i = 0; i < rows * channels; i++) {
        const double v = (double)x[i] + (double)bias[i % channels];
        y[i] = (float)(kind == DHO_GELU_QUICK ? v * sigmoid(1.702 * v)
                                              : v * 0.5 * erfc(-v * sqrt(0.5)));
    }
}

static void bias_gelu_backward(dho_compute *compute, const dho_gelu_shape *shape,
                               const void *x_data, const float *bias, const void *dy_data,
                               void *dx_data, float *dbias)
{
    const int64_t rows = shape->rows;
    const int channels = shape->channels;
    const dho_gelu kind = shape->kind;
    const float *x = x_data, *dy = dy_data;
    float *dx = dx_data;
    const double density = 0.3989422804014327; /* 1 / sqrt(2 pi) */
    (void)compute;
    for (int c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t i = c; i < rows * channels; i += channels) {
            const double v = (double)x[i] + (double)bias[c], s = sigmoid(1.702 * v);
            const double slope = kind == DHO_GELU_QUICK
                                     ? s + 1.702 * v * s * (1 - s)
                                     : 0.5 * erfc(-v * sqrt(0.5)) + v * density * exp(-v * v / 2);
            const double d = (double)dy[i] * slope;
            dx[i] = (float)d;
            sum += d;
        }
        dbias[c] = (float)((double)dbias[c] + sum);
    }
}

/* Rows of q, k, v or y of one image and head. */
typedef struct head {
    const float *data;
    int64_t stride;
    int count;
} head;

static double dot(const head *a, int row_a, const head *b, int row_b)
{
    const float *x = a->data + row_a * a->stride, *y = b->data + row_b * b->stride;
    double sum = 0;
    for (int i = 0; i < a->count; i++) sum += (double)x[i] * (double)y[i];
    return sum;
}

static head head_at(const dho_attention_shape *s, const float *data, int parts, int part, int image,
                    int index)
{
    const int64_t width = (int64_t)s->heads * s->head_dim;
    return (head){data + image * s->tokens * parts * width + part * width +
                      (int64_t)index * s->head_dim,
                  parts * width, s->head_dim};
}

/* The logarithm of the softmax's denominator of query `row`, and score(key). */
static double log_sum(const dho_attention_shape *s, const head *q, const head *k, int row,
                      double scale)
{
    const int keys = s->causal ? row + 1 : s->tokens;
    double largest = -INFINITY, sum = 0;
    for (int t = 0; t < keys; t++) largest = dho_larger(largest, scale * dot(q, row, k, t));
    for (int t = 0; t < keys; t++) sum += exp(scale * dot(q, row, k, t) - largest);
    return largest + log(sum);
}

static void head_forward(const dho_attention_shape *s, const head *q, const head *k, const head *v,
                         float *y, float *lse)
{
    const double scale = 1 / sqrt(s->head_dim);
    for (int row = 0; row < s->tokens; row++) {
        const double log_denominator = log_sum(s, q, k, row, scale);
        lse[row] = (float)log_denominator;
        for (int i = 0; i < s->head_dim; i++) {
            double sum = 0;
            for (int t = 0; t < (s->causal ? row + 1 : s->tokens); t++)
                sum += exp(scale * dot(q, row, k, t) - log_denominator) *
                       (double)v->data[t * v->stride + i];
            y[(int64_t)row * s->heads * s->head_dim + i] = (float)sum;
        }
    }
}

static void attention_forward(dho_compute *compute, const dho_attention_shape *s, const void *qkv,
                              void *y, float *lse)
{
    (void)compute;
    for (int image = 0; image < s->batch; image++) {
        for (int h = 0; h < s->heads; h++) {
            const head q = head_at(s, qkv, 3, 0, image, h), k = head_at(s, qkv, 3, 1, image, h);
            const head v = head_at(s, qkv, 3, 2, image, h), out = head_at(s, y, 1, 0, image, h);
            head_forward(s, &q, &k, &v, (float *)y + (out.data - (float *)y),
                         lse + ((int64_t)image * s->heads + h) * s->tokens);
        }
    }
}

/* From the definitions: P, dP = dY V', dS = P (dP - sum P dP), and their products. */
static void head_backward(const dho_attention_shape *s, const head in[3], const head *dy,
                          float *const out[3])
{
    const double scale = 1 / sqrt(s->head_dim);
    const int64_t stride = in[0].stride;
    for (int row = 0; row < s->tokens; row++) {
        const int keys = s->causal ? row + 1 : s->tokens;
        const double log_denominator = log_sum(s, &in[0], &in[1], row, scale);
        double mean = 0;
        for (int t = 0; t < keys; t++)
            mean += exp(scale * dot(&in[0], row, &in[1], t) - log_denominator) *
                    dot(dy, row, &in[2], t);
        for (int t = 0; t < keys; t++) {
            const double p = exp(scale * dot(&in[0], row, &in[1], t) - log_denominator);
            const double ds = p * (dot(dy, row, &in[2], t) - mean) * scale;
            for (int i = 0; i < s->head_dim; i++) {
                out[0][row * stride + i] += (float)(ds * (double)in[1].data[t * stride + i]);
                out[1][t * stride + i] += (float)(ds * (double)in[0].data[row * stride + i]);
                out[2][t * stride + i] += (float)(p * (double)dy->data[row * dy->stride + i]);
            }
        }
    }
}

static void attention_backward(dho_compute *compute, const dho_attention_shape *s,
                               const void *qkv_data, const void *y, const float *lse,
                               const void *dy_data, void *dqkv_data)
{
    const float *qkv = qkv_data;
    float *dqkv = dqkv_data;
    (void)compute;
    (void)y;
    (void)lse;
    memset(dqkv, 0,
           (size_t)s->batch * (size_t)s->tokens * 3 * (size_t)s->heads * (size_t)s->head_dim *
               sizeof *dqkv);
    for (int image = 0; image < s->batch; image++) {
        for (int h = 0; h < s->heads; h++) {
            const head dy = head_at(s, dy_data, 1, 0, image, h);
            head in[3];
            float *out[3];
            for (int i = 0; i < 3; i++) {
                in[i] = head_at(s, qkv, 3, i, image, h);
                out[i] = dqkv + (in[i].data - qkv);
            }
            head_backward(s, in, &dy, out);
        }
    }
}

static void gelu_forward(dho_compute *compute, size_t count, const float *x, float *y)
{
    (void)compute;
    for (size_t i = 0; i < count; i++) y[i] = (float)(x[i] * 0.5 * erfc(-x[i] * sqrt(0.5)));
}

static void gelu_backward(dho_compute *compute, size_t count, const float *x, const float *dy,
                          bool accumulate, float *dx)
{
    const double density = 0.3989422804014327; /* 1 / sqrt(2 pi) */
    (void)compute;
    for (size_t i = 0; i < count; i++) {
        const double v = x[i];
        const double slope = 0.5 * erfc(-v * sqrt(0.5)) + v * density * exp(-v * v / 2);
        dx[i] = (float)(slope * dy[i]) + (accumulate ? dx[i] : 0);
    }
}

const dho_kernel_table dho_ref_transformer = {
    .kernels = {.layer_norm_forward = layer_norm_forward,
                .layer_norm_backward = layer_norm_backward,
                .gelu_forward = gelu_forward,
                .gelu_backward = gelu_backward,
                .bias_gelu_forward = bias_gelu_forward,
                .bias_gelu_backward = bias_gelu_backward,
                .attention_forward = attention_forward,
                .attention_backward = attention_backward},
};

/* Reference kernels between patches, tokens and vectors. */
#include "base/compare.h"
#include "compute/ref/ref_tables.h"

#include <math.h>

static void embed_tokens_forward(dho_compute *compute, const dho_places_shape *shape,
                                 const void *x_data, const float *class_embedding,
                                 const float *position, float *y)
{
    const int batch = shape->batch, patches = shape->positions, channels = shape->channels;
    const float *x = x_data;
    (void)compute;
    for (int b = 0; b < batch; b++) {
        for (int t = 0; t <= patches; t++) {
            for (int c = 0; c < channels; c++)
                *y++ = (t == 0 ? class_embedding[c] : *x++) + position[(int64_t)t * channels + c];
        }
    }
}

static void embed_tokens_backward(dho_compute *compute, const dho_places_shape *shape,
                                  const float *dy, void *dx_data, float *dclass, float *dposition)
{
    const int batch = shape->batch, patches = shape->positions, channels = shape->channels;
    float *dx = dx_data;
    (void)compute;
    for (int b = 0; b < batch; b++) {
        for (int t = 0; t <= patches; t++) {
            for (int c = 0; c < channels; c++, dy++) {
                dposition[(int64_t)t * channels + c] += *dy;
                if (t == 0)
                    dclass[c] += *dy;
                else
                    *dx++ = *dy;
            }
        }
    }
}

static void pool_tokens_forward(dho_compute *compute, const dho_places_shape *shape,
                                const void *x_data, const float *position, void *y_data)
{
    const int batch = shape->batch, positions = shape->positions, channels = shape->channels;
    const float *x = x_data;
    float *y = y_data;
    (void)compute;
    for (int64_t b = 0; b < batch; b++) {
        for (int c = 0; c < channels; c++) {
            double sum = 0;
            for (int64_t p = 0; p < positions; p++) {
                const float v = x[(b * positions + p) * channels + c];
                sum += (double)v;
                y[(b * (positions + 1) + p + 1) * channels + c] =
                    v + position[(p + 1) * channels + c];
            }
            y[b * (positions + 1) * channels + c] = (float)(sum / positions + (double)position[c]);
        }
    }
}

static void pool_tokens_backward(dho_compute *compute, const dho_places_shape *shape,
                                 const void *dy_data, bool accumulate, void *dx_data,
                                 float *dposition)
{
    const int batch = shape->batch, positions = shape->positions, channels = shape->channels;
    const float *dy = dy_data;
    float *dx = dx_data;
    (void)compute;
    for (int64_t b = 0; b < batch; b++) {
        const float *mean = dy + b * (positions + 1) * channels;
        for (int64_t t = 0; t <= positions; t++) {
            for (int c = 0; c < channels; c++) {
                const float own = mean[t * channels + c];
                dposition[t * channels + c] += own;
                if (t == 0) continue;
                const float d = own + mean[c] / (float)positions;
                float *to = dx + (b * positions + t - 1) * channels + c;
                *to = accumulate ? *to + d : d;
            }
        }
    }
}

static void take_token_forward(dho_compute *compute, const dho_places_shape *shape, bool wide,
                               const void *x_data, float *y)
{
    const int batch = shape->batch, tokens = shape->positions, channels = shape->channels;
    const float *x = x_data;
    (void)compute;
    (void)wide;
    for (int64_t b = 0; b < batch; b++)
        for (int c = 0; c < channels; c++) y[b * channels + c] = x[b * tokens * channels + c];
}

static void take_token_backward(dho_compute *compute, const dho_places_shape *shape, bool wide,
                                const float *dy, bool accumulate, void *dx_data)
{
    const int batch = shape->batch, tokens = shape->positions, channels = shape->channels;
    float *dx = dx_data;
    (void)compute;
    (void)wide;
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t i = 0; i < (int64_t)tokens * channels; i++) {
            const float d = i < channels ? dy[b * channels + i] : 0;
            float *to = dx + b * tokens * channels + i;
            *to = accumulate ? *to + d : d;
        }
    }
}

static void average_pool_2x2_forward(dho_compute *compute, const dho_pool_shape *shape,
                                     const void *x_data, void *y_data)
{
    const int batch = shape->batch, in_h = shape->in_h, in_w = shape->in_w;
    const int channels = shape->channels;
    const float *x = x_data;
    float *y = y_data;
    (void)compute;
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t oy = 0; oy < in_h / 2; oy++) {
            for (int64_t ox = 0; ox < in_w / 2; ox++) {
                for (int c = 0; c < channels; c++) {
                    double sum = 0;
                    for (int i = 0; i < 4; i++) {
                        const int64_t row = b * in_h + 2 * oy + i / 2;
                        sum += (double)x[(row * in_w + 2 * ox + i % 2) * channels + c];
                    }
                    *y++ = (float)(sum / 4);
                }
            }
        }
    }
}

static void average_pool_2x2_backward(dho_compute *compute, const dho_pool_shape *shape,
                                      const void *dy_data, bool accumulate, void *dx_data)
{
    const int batch = shape->batch, in_h = shape->in_h, in_w = shape->in_w;
    const int channels = shape->channels;
    const float *dy = dy_data;
    float *dx = dx_data;
    const int64_t out_h = in_h / 2, out_w = in_w / 2;
    (void)compute;
    for (int64_t b = 0; b < batch; b++) {
        for (int64_t y = 0; y < in_h; y++) {
            for (int64_t x = 0; x < in_w; x++) {
                for (int c = 0; c < channels; c++, dx++) {
                    float d = 0;
                    if (y / 2 < out_h && x / 2 < out_w)
                        d = dy[((b * out_h + y / 2) * out_w + x / 2) * channels + c] / 4;
                    *dx = accumulate ? *dx + d : d;
                }
            }
        }
    }
}

/* Where an image's and a head's columns begin. */
static int64_t start_of(const dho_attention_shape *s, int64_t image, int64_t head, int rows)
{
    return image * rows * s->heads * s->head_dim + head * s->head_dim;
}

static void attention_pool_forward(dho_compute *compute, const dho_attention_shape *s,
                                   const float *q_data, const void *k_data, const void *v_data,
                                   float *y_data, float *p)
{
    const int64_t width = (int64_t)s->heads * s->head_dim;
    (void)compute;
    for (int64_t i = 0; i < (int64_t)s->batch * s->heads; i++, p += s->tokens) {
        const int64_t one = start_of(s, i / s->heads, i % s->heads, 1);
        const int64_t many = start_of(s, i / s->heads, i % s->heads, s->tokens);
        const float *k = (const float *)k_data + many, *v = (const float *)v_data + many;
        double largest = -INFINITY, sum = 0;
        for (int t = 0; t < s->tokens; t++) {
            double score = 0;
            for (int d = 0; d < s->head_dim; d++)
                score += (double)q_data[one + d] * (double)k[t * width + d];
            p[t] = (float)(score / sqrt(s->head_dim));
            largest = dho_larger(largest, (double)p[t]);
        }
        for (int t = 0; t < s->tokens; t++) sum += exp((double)p[t] - largest);
        for (int t = 0; t < s->tokens; t++) p[t] = (float)(exp((double)p[t] - largest) / sum);
        for (int d = 0; d < s->head_dim; d++) {
            double value = 0;
            for (int t = 0; t < s->tokens; t++) value += (double)p[t] * (double)v[t * width + d];
            y_data[one + d] = (float)value;
        }
    }
}

static void attention_pool_backward(dho_compute *compute, const dho_attention_shape *s,
                                    const float *q, const void *k_data, const void *v_data,
                                    const float *p, const dho_attention_pool_gradients *g)
{
    const float *dy = g->dy;
    float *dq = g->dq;
    const float *k = k_data, *v = v_data;
    float *dk = g->dk, *dv = g->dv;
    const int64_t width = (int64_t)s->heads * s->head_dim;
    (void)compute;
    for (int64_t i = 0; i < (int64_t)s->batch * s->heads; i++, p += s->tokens) {
        const int64_t one = start_of(s, i / s->heads, i % s->heads, 1);
        const int64_t many = start_of(s, i / s->heads, i % s->heads, s->tokens);
        double mean = 0;
        for (int t = 0; t < s->tokens; t++)
            for (int d = 0; d < s->head_dim; d++)
                mean += (double)p[t] * (double)v[many + t * width + d] * (double)dy[one + d];
        for (int d = 0; d < s->head_dim; d++) dq[one + d] = 0;
        for (int t = 0; t < s->tokens; t++) {
            const int64_t at = many + t * width;
            double dp = 0;
            for (int d = 0; d < s->head_dim; d++) dp += (double)v[at + d] * (double)dy[one + d];
            const double ds = (double)p[t] * (dp - mean) / sqrt(s->head_dim);
            for (int d = 0; d < s->head_dim; d++) {
                dq[one + d] += (float)(ds * (double)k[at + d]);
                dk[at + d] = (float)(ds * (double)q[one + d]);
                dv[at + d] = (float)((double)p[t] * (double)dy[one + d]);
            }
        }
    }
}

const dho_kernel_table dho_ref_tokens = {
    .kernels = {.embed_tokens_forward = embed_tokens_forward,
                .embed_tokens_backward = embed_tokens_backward,
                .pool_tokens_forward = pool_tokens_forward,
                .pool_tokens_backward = pool_tokens_backward,
                .take_token_forward = take_token_forward,
                .take_token_backward = take_token_backward,
                .average_pool_2x2_forward = average_pool_2x2_forward,
                .average_pool_2x2_backward = average_pool_2x2_backward,
                .attention_pool_forward = attention_pool_forward,
                .attention_pool_backward = attention_pool_backward},
};

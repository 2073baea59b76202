/* Compute kernels behind one table. All Local; all sizes in elements.
 *
 * Storage: activations and their gradients, `void *` here, are of the context's dtype, fp32 or bf16
 * (x, y, dy, dx, residual, dresidual unless a comment says float); parameters, their gradients,
 * statistics and vectors of one image (pooled features, logits) are float. Sums are taken in float
 * or double.
 *
 * Layout is NHWC: activations [batch][height][width][channels]; convolution weights
 * [out channels][kernel h][kernel w][in channels / groups] (OHWI), so that a convolution is a GEMM
 * against them. A backend fills the slots it accelerates; dho_compute_create copies the reference's
 * kernel into every empty slot. Results depend on the number of threads at most through a fixed
 * partition: the same threads give the same bits.
 *
 * Outputs never alias inputs unless said. "accumulate": += instead of =. */
#ifndef DHO_COMPUTE_H
#define DHO_COMPUTE_H

#include "dho/compute_shapes.h"
#include "dho/config.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_compute dho_compute;

/* --- the kernels --- */

typedef struct dho_kernels {
    const char *name;

    /* C = alpha op(A) op(B) + beta C. */
    void (*gemm)(dho_compute *compute, const dho_gemm_shape *shape, const float *a, const float *b,
                 float *c);

    /* y = conv(x, w) (+ bias [out_c] when not NULL). */
    void (*conv_forward)(dho_compute *compute, const dho_conv_shape *shape, const void *x,
                         const float *w, const float *bias, void *y);
    /* y = activation(conv(x, w) + bias (+ y, where shape->adds)). The activation may make 0 of a
     * NaN. Not every backend has it: then its call cannot be reserved. */
    void (*conv_fused)(dho_compute *compute, const dho_conv_shape *shape, const void *x,
                       const float *w, const float *bias, void *y);
    /* dx (+)= dy convolved back. */
    void (*conv_backward_data)(dho_compute *compute, const dho_conv_shape *shape, const void *dy,
                               const float *w, bool accumulate, void *dx);
    /* dw += ..., dbias += column sums of dy (NULL: none). */
    void (*conv_backward_weights)(dho_compute *compute, const dho_conv_shape *shape, const void *x,
                                  const void *dy, float *dw, float *dbias);

    /* Batch normalisation in training mode, with mean and biased variance of the rows:
     * y = gamma (x - mean) inv_std + beta (+ residual), then the activation. Saves mean[channels]
     * and inv_std[channels] = 1/sqrt(var+eps). batch_variance[channels]: the unbiased variance
     * (n/(n-1); n = 1 gives the biased one). */
    void (*batch_norm_forward)(dho_compute *compute, const dho_batch_norm_shape *shape,
                               const dho_batch_norm_tensors *tensors, float *mean, float *inv_std,
                               float *batch_variance);
    /* Forward's y again, bit for bit, from what it saved. */
    void (*batch_norm_again)(dho_compute *compute, const dho_batch_norm_shape *shape,
                             const dho_batch_norm_tensors *tensors, const float *mean,
                             const float *inv_std);
    /* dgamma += , dbeta += , dx (+)= ; dy is first masked, by y > 0 for ReLU, by 0 < y < 6 for
     * ReLU6; dresidual (+)= the masked dy. dx, dresidual and dy are three different buffers. */
    void (*batch_norm_backward)(dho_compute *compute, const dho_batch_norm_shape *shape,
                                const dho_batch_norm_gradients *tensors, const float *mean,
                                const float *inv_std);
    /* Evaluation mode with running statistics; y may be x. */
    void (*batch_norm_inference)(dho_compute *compute, const dho_batch_norm_shape *shape,
                                 const dho_batch_norm_tensors *tensors, const float *running_mean,
                                 const float *running_var);

    /* Max pooling; padding counts as -infinity. argmax[out]: index in the window, first wins. */
    void (*max_pool_forward)(dho_compute *compute, const dho_pool_shape *shape, const void *x,
                             void *y, uint8_t *argmax);
    void (*max_pool_backward)(dho_compute *compute, const dho_pool_shape *shape, const void *dy,
                              const uint8_t *argmax, bool accumulate, void *dx);

    /* Mean over the positions: x [batch][positions][channels] -> y [batch][channels], float; so is
     * dy. */
    void (*average_pool_forward)(dho_compute *compute, const dho_places_shape *shape, const void *x,
                                 float *y);
    void (*average_pool_backward)(dho_compute *compute, const dho_places_shape *shape,
                                  const float *dy, bool accumulate, void *dx);

    /* y = x W^T (+ bias [out] when not NULL). */
    void (*linear_forward)(dho_compute *compute, const dho_linear_shape *shape, const void *x,
                           const float *w, const float *bias, void *y);
    /* Added to a float residual stream: y = residual + x W^T (+ bias). y is not residual. */
    void (*linear_add_forward)(dho_compute *compute, const dho_linear_shape *shape, const void *x,
                               const float *w, const float *bias, const float *residual, float *y);
    /* dx (+)= dy W. */
    void (*linear_backward_data)(dho_compute *compute, const dho_linear_shape *shape,
                                 const void *dy, const float *w, bool accumulate, void *dx);
    /* dw += dy^T x; dbias += column sums of dy (NULL: none). */
    void (*linear_backward_weights)(dho_compute *compute, const dho_linear_shape *shape,
                                    const void *x, const void *dy, float *dw, float *dbias);

    /* --- transformers: the residual stream, class token and position embeddings are float --- */

    /* y = gamma (x - mean) inv_std + beta over the channels of each row; x float [rows][channels],
     * mean and inv_std = 1/sqrt(biased variance + eps) of each row are saved. y (and dy in
     * backward): activations, or with `wide` float. y is not x. */
    void (*layer_norm_forward)(dho_compute *compute, const dho_layer_norm_shape *shape,
                               const float *x, const float *gamma, const float *beta, void *y,
                               float *mean, float *inv_std);
    /* dgamma += , dbeta += , dx (+)= . */
    void (*layer_norm_backward)(dho_compute *compute, const dho_layer_norm_shape *shape,
                                const float *x, const float *gamma, const float *mean,
                                const float *inv_std, const dho_layer_norm_gradients *gradients);

    /* y = gelu(x + bias[channels]). */
    void (*bias_gelu_forward)(dho_compute *compute, const dho_gelu_shape *shape, const void *x,
                              const float *bias, void *y);
    /* dx = gelu'(x + bias) dy, which may be dy itself; dbias += its column sums. */
    void (*bias_gelu_backward)(dho_compute *compute, const dho_gelu_shape *shape, const void *x,
                               const float *bias, const void *dy, void *dx, float *dbias);

    /* y = softmax(q k' / sqrt(head_dim)) v of each image and head; qkv
     * [batch][tokens][3][channels], y [batch][tokens][channels]; saves lse [batch][heads][tokens],
     * the logarithm of each softmax's denominator. */
    void (*attention_forward)(dho_compute *compute, const dho_attention_shape *shape,
                              const void *qkv, void *y, float *lse);
    /* dqkv = ; all of it. */
    void (*attention_backward)(dho_compute *compute, const dho_attention_shape *shape,
                               const void *qkv, const void *y, const float *lse, const void *dy,
                               void *dqkv);
    /* The same for one query an image: q and y float [batch][channels], k and v
     * [batch][tokens][channels]; saves the probabilities [batch][heads][tokens]. Not causal. */
    void (*attention_pool_forward)(dho_compute *compute, const dho_attention_shape *shape,
                                   const float *q, const void *k, const void *v, float *y,
                                   float *probabilities);
    /* dq, dk, dv = ; dy and dq float. */
    void (*attention_pool_backward)(dho_compute *compute, const dho_attention_shape *shape,
                                    const float *q, const void *k, const void *v,
                                    const float *probabilities,
                                    const dho_attention_pool_gradients *gradients);

    /* x [batch][positions][channels], its positions the patches;
     * y [batch][positions + 1][channels], float = [class embedding; patches x] + position
     * [positions + 1][channels]. */
    void (*embed_tokens_forward)(dho_compute *compute, const dho_places_shape *shape, const void *x,
                                 const float *class_embedding, const float *position, float *y);
    /* dx = , dclass += , dposition += . */
    void (*embed_tokens_backward)(dho_compute *compute, const dho_places_shape *shape,
                                  const float *dy, void *dx, float *dclass, float *dposition);
    /* y [batch][positions + 1][channels] = [mean of x; x] + position. */
    void (*pool_tokens_forward)(dho_compute *compute, const dho_places_shape *shape, const void *x,
                                const float *position, void *y);
    void (*pool_tokens_backward)(dho_compute *compute, const dho_places_shape *shape,
                                 const void *dy, bool accumulate, void *dx, float *dposition);
    /* y float [batch][channels] = the first position of x, which is float when wide. */
    void (*take_token_forward)(dho_compute *compute, const dho_places_shape *shape, bool wide,
                               const void *x, float *y);
    void (*take_token_backward)(dho_compute *compute, const dho_places_shape *shape, bool wide,
                                const float *dy, bool accumulate, void *dx);

    /* Means of 2x2 windows, stride 2; an odd last row or column is left out. */
    void (*average_pool_2x2_forward)(dho_compute *compute, const dho_pool_shape *shape,
                                     const void *x, void *y);
    void (*average_pool_2x2_backward)(dho_compute *compute, const dho_pool_shape *shape,
                                      const void *dy, bool accumulate, void *dx);

    /* y[i] = x[i] / max(|x[i]|_2, 1e-12) for each of rows; norms[rows] is saved (may be NULL). All
     * float. */
    void (*l2_normalise_forward)(dho_compute *compute, const dho_rows_shape *shape, const float *x,
                                 float *y, float *norms);
    void (*l2_normalise_backward)(dho_compute *compute, const dho_rows_shape *shape, const float *y,
                                  const float *norms, const float *dy, bool accumulate, float *dx);

    /* y = x Phi(x) of each of `count` floats; dx (+)= its slope times dy. y is not x. */
    void (*gelu_forward)(dho_compute *compute, size_t count, const float *x, float *y);
    void (*gelu_backward)(dho_compute *compute, size_t count, const float *x, const float *dy,
                          bool accumulate, float *dx);

    /* y = residual + gamma[channels] x; y and residual float. */
    void (*layer_scale_forward)(dho_compute *compute, const dho_rows_shape *shape, const void *x,
                                const float *gamma, const float *residual, float *y);
    /* dx = gamma dy; dgamma += the column sums of dy x. */
    void (*layer_scale_backward)(dho_compute *compute, const dho_rows_shape *shape, const void *x,
                                 const float *gamma, const float *dy, void *dx, float *dgamma);

    /* Of rows images of `channels` values: y = residual + scales[image] x; y and residual float. */
    void (*image_scale_forward)(dho_compute *compute, const dho_rows_shape *shape, const void *x,
                                const float *scales, const float *residual, float *y);
    /* dx = scales[image] dy. */
    void (*image_scale_backward)(dho_compute *compute, const dho_rows_shape *shape,
                                 const float *scales, const float *dy, void *dx);

    /* Rounds floats to the context's dtype. */
    void (*store)(dho_compute *compute, size_t count, const float *in, void *out);
    /* Floats of activations: out (+)= in. */
    void (*load)(dho_compute *compute, size_t count, const void *in, bool accumulate, float *out);
    /* y[r][c] += scale bias[c], all float. */
    void (*add_bias)(dho_compute *compute, const dho_rows_shape *shape, float scale,
                     const float *bias, float *y);
    /* dbias[c] += sum over r of dy[r][c]; of float rows: scale times that sum. */
    void (*sum_rows)(dho_compute *compute, const dho_rows_shape *shape, const void *dy,
                     float *dbias);
    void (*sum_float_rows)(dho_compute *compute, const dho_rows_shape *shape, float scale,
                           const float *dy, float *dbias);

    /* out[i] = a[i] + b[i], float; out may be a or b. */
    void (*add)(dho_compute *compute, size_t count, const float *a, const float *b, float *out);
    /* out[i] += in[i], activations. */
    void (*accumulate)(dho_compute *compute, size_t count, const void *in, void *out);

    /* Decoupled weight decay Adam (Loshchilov & Hutter 2019, as torch.optim.AdamW):
     * parameters -= lr * weight_decay * parameters comes first. */
    void (*adamw)(dho_compute *compute, size_t count, const dho_adamw_step *step,
                  const float *gradient, float *parameters, float *moment1, float *moment2);
    /* SGD with momentum as torch.optim.SGD (weight decay added to the gradient, no dampening, no
     * Nesterov): buffer = momentum * buffer + g (step 1: = g); parameters -= lr * buffer. */
    void (*sgd)(dho_compute *compute, size_t count, const dho_sgd_step *step, const float *gradient,
                float *parameters, float *buffer);
} dho_kernels;

/* threads: OpenMP threads of every kernel; 0 = omp_get_max_threads(). BLIS is told the same number.
 * auto: the fastest backend built in. Errors: DHO_ERR_CONFIG when the backend is not built in, or
 * has no bf16 (ref). Without oneDNN or AVX-512, products in bf16 are made in floats. */
dho_status dho_compute_create(dho_compute **out, dho_backend backend, dho_compute_dtype dtype,
                              int threads);
void dho_compute_destroy(dho_compute **compute);
/* from[count], borrowed, does not change until the release: layers convert these weights once. */
dho_status dho_compute_keep_weights(dho_compute *compute, const float *from, size_t count);
void dho_compute_release_weights(dho_compute *compute);
const dho_kernels *dho_compute_kernels(const dho_compute *compute);
int dho_compute_threads(const dho_compute *compute);
dho_compute_dtype dho_compute_dtype_of(const dho_compute *compute);
/* Whether it is bf16 and processor or build have no products of bf16: they are made in floats. */
bool dho_compute_widens(const dho_compute *compute);
/* Bytes of one activation: 4 or 2. */
size_t dho_compute_element_bytes(const dho_compute *compute);

/* Scratch memory of at least `bytes`, 64-byte aligned, valid until the next call with a larger
 * size: kernels use it one at a time. */
dho_status dho_compute_reserve(dho_compute *compute, size_t bytes);
void *dho_compute_scratch(dho_compute *compute);

/* The calls of a convolution or a linear layer that are reserved: a set of these bits. */
typedef enum dho_call {
    DHO_CALL_FORWARD = 1,
    DHO_CALL_FORWARD_BIAS = 2,
    DHO_CALL_ADD = 4, /* linear_add_forward */
    DHO_CALL_ADD_BIAS = 8,
    DHO_CALL_FUSED = 16, /* conv_fused */
    DHO_CALL_DATA = 32,
    DHO_CALL_DATA_ADD = 64, /* accumulates */
    DHO_CALL_WEIGHTS = 128
} dho_call;

enum { DHO_CALL_ALL = 2 * DHO_CALL_WEIGHTS - 1 };

/* Convolutions, linear layers and attention are reserved before they run, at this very shape: the
 * kernels allocate nothing, and the algorithm is chosen here. Scratch, and primitives for `calls`.
 * Errors: DHO_ERR_MEMORY; DHO_ERR_CONFIG for sizes that do not fit, or where backend, dtype or
 * processor have no kernel for them. */
dho_status dho_compute_reserve_conv(dho_compute *compute, const dho_conv_shape *shape,
                                    unsigned calls);
dho_status dho_compute_reserve_linear(dho_compute *compute, const dho_linear_shape *shape,
                                      unsigned calls);
dho_status dho_compute_reserve_attention(dho_compute *compute, const dho_attention_shape *shape);

/* "BLIS 0.9.0 (zen3), oneDNN 2.6.3": the libraries in use, and the kernels BLIS chose
 * ("..., no oneDNN" where it is not built in). */
void dho_compute_versions(char *out, size_t bytes);

/* Which backends are built in; NULL-terminated names in order of preference. */
const char *const *dho_compute_backends(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

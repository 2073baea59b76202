/* Shapes and tensors of the compute kernels (dho/compute.h). */
#ifndef DHO_COMPUTE_SHAPES_H
#define DHO_COMPUTE_SHAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* --- what is computed: a shape for each kind of operation ---
 * A shape says the sizes and the kind of an operation; the tensors are parameters of the kernel:
 *   kernels->linear_forward(compute, &(dho_linear_shape){rows, in, out}, x, w, bias, y);
 * What an initialiser does not name is 0, false or NULL. */

/* Plain rows: [rows][channels]. */
typedef struct dho_rows_shape {
    int64_t rows;
    int channels;
} dho_rows_shape;

/* A row-major matrix product. op(A) is [m][k], op(B) [k][n], C [m][n]; transposed: A is stored
 * [k][m], B [n][k]. lda, ldb, ldc: elements from one stored row to the next; 0: its length. */
typedef struct dho_gemm_shape {
    bool transpose_a, transpose_b;
    int64_t m, n, k;
    int64_t lda, ldb, ldc;
    float alpha, beta; /* C = alpha op(A) op(B) + beta C; beta 0 never reads C */
} dho_gemm_shape;

/* What batch normalisation and a fused convolution end with. ReLU6 is min(max(v, 0), 6). */
typedef enum dho_activation {
    DHO_ACTIVATION_NONE,
    DHO_ACTIVATION_RELU,
    DHO_ACTIVATION_RELU6
} dho_activation;

/* A convolution: x [batch][in_h][in_w][in_c], y [batch][out_h][out_w][out_c]. */
typedef struct dho_conv_shape {
    int batch, in_h, in_w, in_c;
    int out_h, out_w, out_c;
    int kernel_h, kernel_w, stride, padding, groups;
    /* The batch by which the algorithm is chosen, so that passes of other sizes take the same one;
     * 0: batch. */
    int plan_batch;
    int adds;                  /* conv_fused: 1: to what y holds */
    dho_activation activation; /* conv_fused */
} dho_conv_shape;

/* Windows over x [batch][in_h][in_w][channels]. 2x2 averages read no further than `channels`. */
typedef struct dho_pool_shape {
    int batch, in_h, in_w, channels, out_h, out_w, kernel, stride, padding;
} dho_pool_shape;

/* Batch normalisation of [rows][channels], rows = batch * height * width. */
typedef struct dho_batch_norm_shape {
    int64_t rows;
    int channels;
    float eps; /* batch_norm_forward and _inference */
    dho_activation activation;
    bool frozen; /* batch_norm_backward: mean and inv_std are constants, not the batch's */
} dho_batch_norm_shape;

/* Layer normalisation of each row of [rows][channels]. wide: y and dy are float. */
typedef struct dho_layer_norm_shape {
    int64_t rows;
    int channels;
    float eps; /* layer_norm_forward */
    bool wide;
} dho_layer_norm_shape;

/* A linear layer on rows: x [rows][in], W [out][in], y [rows][out]. */
typedef struct dho_linear_shape {
    int64_t rows;
    int in, out;
} dho_linear_shape;

/* x Phi(x), exactly as torch's default, and OpenAI's x sigmoid(1.702 x). */
typedef enum dho_gelu { DHO_GELU_ERF, DHO_GELU_QUICK } dho_gelu;

typedef struct dho_gelu_shape {
    int64_t rows;
    int channels;
    dho_gelu kind;
} dho_gelu_shape;

/* Tokens of images through heads; the channels are heads * head_dim. causal: a token sees those up
 * to itself only. */
typedef struct dho_attention_shape {
    int batch, tokens, heads, head_dim;
    bool causal;
} dho_attention_shape;

/* Places of an image: [batch][positions][channels]. The positions of a map are its height * width
 * pixels, those of a sequence its tokens. */
typedef struct dho_places_shape {
    int batch, positions, channels;
} dho_places_shape;

/* --- tensors of the kernels that have many --- */

/* What batch normalisation reads and writes in each direction forward. */
typedef struct dho_batch_norm_tensors {
    const void *x; /* [rows][channels], as are residual and y */
    const float *gamma, *beta;
    const void *residual; /* NULL: none */
    void *y;
} dho_batch_norm_tensors;

/* What its backward reads and writes. */
typedef struct dho_batch_norm_gradients {
    const void *x;
    const float *gamma, *beta;
    const void *y; /* NULL where there was no residual: it is then computed again from x */
    const void *dy;
    bool accumulate_dx, accumulate_dresidual;
    void *dx;
    void *dresidual; /* NULL: none */
    float *dgamma, *dbeta;
} dho_batch_norm_gradients;

typedef struct dho_layer_norm_gradients {
    const void *dy;
    bool accumulate; /* dx */
    float *dx, *dgamma, *dbeta;
} dho_layer_norm_gradients;

typedef struct dho_attention_pool_gradients {
    const float *dy;
    float *dq;
    void *dk, *dv;
} dho_attention_pool_gradients;

/* A step of AdamW on the parameters [count]. */
typedef struct dho_adamw_step {
    int64_t step; /* >= 1 */
    double lr, beta1, beta2, eps, weight_decay;
    float gradient_scale; /* the gradient is multiplied by this first */
} dho_adamw_step;

typedef struct dho_sgd_step {
    int64_t step; /* >= 1 */
    double lr, momentum, weight_decay;
    float gradient_scale;
} dho_sgd_step;

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

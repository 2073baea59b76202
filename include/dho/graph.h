/* The static graph: operators in the order of execution, parameters and buffers as one slab each,
 * and an executor that runs it forward and backward in one planned arena. All Local.
 *
 * A value is the output of one operator, [batch][height][width][channels]: maps and tokens
 * (width 1, height their number) in the dtype of the compute context; vectors (height = width = 1:
 * pooled features, logits) and the residual stream of transformers always float. Shapes without the
 * batch are fixed when the operator is appended; builders do not check for errors one by one: the
 * first failure sticks and dho_graph_finish reports it. */
#ifndef DHO_GRAPH_H
#define DHO_GRAPH_H

#include "dho/compute.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_graph dho_graph;
typedef int dho_value; /* index of the operator that makes it; -1: none */

/* How a parameter starts (the numbers are torch's and torchvision's). */
typedef enum dho_init {
    DHO_INIT_ZEROS,
    DHO_INIT_ONES,
    DHO_INIT_HE_FAN_OUT, /* normal, std = sqrt(2 / (out_c * kh * kw)) */
    DHO_INIT_LINEAR,     /* uniform in +-1/sqrt(fan_in) */
    DHO_INIT_NORMAL,     /* normal, std = 1/sqrt(fan_in) */
    DHO_INIT_XAVIER,     /* uniform in +-sqrt(6 / (fan_in + out)), of a linear layer */
    DHO_INIT_SMALL,      /* normal, std = 0.02 (timm cuts it off at 100 std) */
    DHO_INIT_TINY        /* 1e-6 everywhere */
} dho_init;

/* A parameter or a buffer: a named range of its slab. Offsets are multiples of 16 floats; the gaps
 * are zero and stay zero. */
typedef struct dho_slot {
    char *name; /* owned by the graph; as in torchvision, e.g. "layer1.0.bn1.weight" */
    int dims;
    int64_t shape[4]; /* as published: conv [out][in/groups][kh][kw], linear [out][in] */
    bool is_conv;     /* in memory [out][kh][kw][in/groups] instead */
    bool transposed;  /* of a linear layer, published [in][out]: in memory [out][in] instead */
    bool is_position; /* [1 + side * side][channels], also [1][..][..]: of a grid; it can be resized
                         from that of another grid */
    dho_init init;
    int64_t fan_in;
    size_t offset, count; /* floats */
    bool frozen;          /* it is not trained: dho_graph_freeze */
    int block;            /* 0: it is in none; else the number of its block, from 1 */
    int behind;           /* so many blocks were begun before it */
} dho_slot;

dho_status dho_graph_create(dho_graph **out);
void dho_graph_destroy(dho_graph **graph);

dho_value dho_graph_input(dho_graph *graph, int height, int width, int channels);

typedef struct dho_conv_spec {
    const char *name; /* "name.weight", and "name.bias" with bias */
    int out_channels, kernel, padding;
    int stride, groups; /* 0: 1 */
    bool bias;
    dho_init init; /* of the weight; ZEROS: HE_FAN_OUT. With SMALL the bias starts at 0 */
} dho_conv_spec;

dho_value dho_graph_conv(dho_graph *graph, dho_value x, const dho_conv_spec *spec);
/* From now on batch normalisations are frozen: training uses the running statistics as evaluation
 * does, and does not report the batch's. */
void dho_graph_freeze_batch_norms(dho_graph *graph);
/* Batch normalisation (eps 1e-5), + residual (-1: none), the activation, as one operator.
 * "name.weight", "name.bias"; buffers "name.running_mean", "name.running_var". */
dho_value dho_graph_batch_norm(dho_graph *graph, dho_value x, const char *name, dho_value residual,
                               dho_activation activation);
/* The activation of x + y, which have one shape. To be run, not trained, in fp32. */
dho_value dho_graph_sum(dho_graph *graph, dho_value x, dho_value y, dho_activation activation);
dho_value dho_graph_max_pool(dho_graph *graph, dho_value x, int kernel, int stride, int padding);
/* Mean over all positions. */
dho_value dho_graph_average_pool(dho_graph *graph, dho_value x);
/* y = x W^T + b on a vector. */
dho_value dho_graph_linear(dho_graph *graph, dho_value x, const char *name, int out_channels,
                           bool bias);
/* GELU, as torch's default, on a float vector. */
dho_value dho_graph_gelu(dho_graph *graph, dho_value x);
/* x / max(|x|, 1e-12) on a vector. */
dho_value dho_graph_l2_normalise(dho_graph *graph, dho_value x);

/* --- transformers --- */

typedef struct dho_layer_norm_spec {
    const char *name; /* "name.weight", "name.bias" */
    float eps;        /* 0: 1e-5 */
    bool stream;      /* the result is float, too, and kept as the residual stream is; otherwise it
                         is made again for backward */
} dho_layer_norm_spec;

/* Layer normalisation of a float value. */
dho_value dho_graph_layer_norm(dho_graph *graph, dho_value x, const dho_layer_norm_spec *spec);

/* A linear layer with all its freedoms. */
typedef struct dho_linear_spec {
    const char *weight, *bias; /* the parameters' whole names; bias NULL: none */
    int out_channels;
    bool transposed; /* the weight is published as [in][out] */
    bool adds;       /* the result is added to `residual`, float, and float itself */
    dho_value residual;
    float scale;    /* of vectors only: y = scale (x W^T + b); 0: 1 */
    dho_init init;  /* of the weight; ZEROS: LINEAR */
    bool zero_bias; /* the bias starts at 0 instead of LINEAR */
} dho_linear_spec;

/* On tokens, or on a float vector. */
dho_value dho_graph_linear_of(dho_graph *graph, dho_value x, const dho_linear_spec *spec);
/* gelu(x + bias), made again for backward; `bias`: the parameter's whole name. */
dho_value dho_graph_bias_gelu(dho_graph *graph, dho_value x, const char *bias, dho_gelu kind);
/* Attention over tokens; x is [q, k, v], three times the channels of the result. */
dho_value dho_graph_attention(dho_graph *graph, dho_value x, int heads, bool causal);
typedef struct dho_token_spec {
    const char *class_token, *position; /* the parameters' whole names */
    bool batched;  /* published as [1][1][channels] and [1][tokens][channels] */
    dho_init init; /* ZEROS: NORMAL */
} dho_token_spec;

/* The float residual stream's start: the class token and the patches, with position embeddings. */
dho_value dho_graph_embed_tokens(dho_graph *graph, dho_value patches, const dho_token_spec *spec);
/* The first token as a float vector. */
dho_value dho_graph_take_token(dho_graph *graph, dho_value x);

/* --- between maps and a float residual stream --- */

/* The float value of an activation, and back: rounded to the context's dtype, made again for
 * backward. A widened value must not be read elsewhere. */
dho_value dho_graph_widen(dho_graph *graph, dho_value x);
dho_value dho_graph_narrow(dho_graph *graph, dho_value x);
/* residual + gamma x, a scale for each channel; `name`: gamma's whole name, [channels][1][1]. The
 * residual and the result are float. */
dho_value dho_graph_layer_scale(dho_graph *graph, dho_value x, const char *name,
                                dho_value residual);
/* residual + f x, a factor f for each image: dho_executor_set_drops gives them to training; else
 * f = 1. Stochastic depth (Huang et al. 2016, arXiv 1603.09382). The residual and the result are
 * float. */
dho_value dho_graph_drop_path(dho_graph *graph, dho_value x, dho_value residual);
/* From now on the branches of a model's blocks have such factors; layer scales, too: residual + f
 * gamma x. */
void dho_graph_enable_drop_path(dho_graph *graph);
bool dho_graph_has_drop_path(const dho_graph *graph);
/* How many factors an image has: one for each branch in their order, as many for each block. */
int dho_graph_drop_count(const dho_graph *graph);
/* The blocks of the graph. */
int dho_graph_block_count(const dho_graph *graph);

/* --- text: to be run, not trained --- */

/* Token ids as floats, [length] a text; integers from 0 to the embedding's vocabulary - 1, which
 * the caller checks. */
dho_value dho_graph_text_input(dho_graph *graph, int length);
/* The float residual stream's start: row ids[t] of the token embedding, [vocabulary][channels],
 * plus row t of the position embedding, [positions][channels]; both are whole names. */
dho_value dho_graph_embed_text(dho_graph *graph, dho_value ids, const char *token,
                               const char *position, int vocabulary, int positions, int channels);
/* The row of x, a residual stream, where the ids are largest (the first of these), as a float
 * vector: CLIP's end mark. */
dho_value dho_graph_take_largest(dho_graph *graph, dho_value x, dho_value ids);

/* --- CLIP's modified ResNet --- */
dho_value dho_graph_average_pool_2x2(dho_graph *graph, dho_value x);
/* Tokens: the mean of all positions and the positions, with position embeddings. */
dho_value dho_graph_pool_tokens(dho_graph *graph, dho_value x, const char *position);
/* Attention of one query, a float vector; keys and values are tokens. */
dho_value dho_graph_attention_pool(dho_graph *graph, dho_value query, dho_value keys,
                                   dho_value values, int heads);

/* Between these, operators are a block: with DHO_RECOMPUTE_BLOCK its inner values are not kept from
 * forward to backward, but made again from what it reads of earlier ones. */
void dho_graph_begin_block(dho_graph *graph);
void dho_graph_end_block(dho_graph *graph);

/* The parameters that were added so far are not trained. Backward ends where nothing below is
 * trained. */
void dho_graph_freeze(dho_graph *graph);

/* Backward makes this value again, from its inputs, rather than that it is kept from forward: less
 * memory for a little time. For what is cheap to have (normalisations, activations). */
void dho_graph_make_again(dho_graph *graph, dho_value x);
/* Marks a value that the caller reads, and whose gradient the caller sets. */
void dho_graph_output(dho_graph *graph, dho_value x);

/* The graph is to be run, not trained: operators without a backward, and values that nobody reads,
 * are allowed. */
void dho_graph_run_only(dho_graph *graph);
/* The same, and the graph is to be exported: whatever an export may round to 8 bits is the output
 * of an operator of its own, also the images, and a sum behind a batch normalisation. To be called
 * before the first operator is appended. */
void dho_graph_deploy(dho_graph *graph);

/* Reports the first failure of the builder calls. Errors: theirs; unless dho_graph_run_only was
 * called, DHO_ERR_CONFIG for what cannot be trained: an operator without a backward, or whose value
 * neither an operator nor the caller reads. */
dho_status dho_graph_finish(dho_graph *graph);

size_t dho_graph_parameter_count(const dho_graph *graph); /* number of slots */
const dho_slot *dho_graph_parameter(const dho_graph *graph, size_t i);
size_t dho_graph_parameter_floats(const dho_graph *graph); /* size of the slab */
size_t dho_graph_buffer_count(const dho_graph *graph);
const dho_slot *dho_graph_buffer(const dho_graph *graph, size_t i);
size_t dho_graph_buffer_floats(const dho_graph *graph);
/* Layers for a learning rate that falls with depth (train.layer_decay; Clark et al. 2020, arXiv
 * 2003.10555; BEiT, Bao et al. 2021, arXiv 2106.08254; timm groups so): 0: what stands before the
 * first block; b: block b with what stands between it and the one before; the last: what stands
 * behind the last block, the heads among it. */
int dho_graph_layer_count(const dho_graph *graph);        /* 1 without blocks */
int dho_graph_layer_of(const dho_graph *graph, size_t i); /* of parameter i */
/* Channels (vectors: the width) of a value. */
int dho_graph_channels(const dho_graph *graph, dho_value x);

/* Can a pass of `batch` images be trained? A batch normalisation with one value a channel has no
 * variance: it would learn from its bias alone, and its running variance would shrink to 0.
 * Errors: DHO_ERR_CONFIG naming the layer, in PyTorch's words. */
dho_status dho_graph_check_batch(const dho_graph *graph, int batch);

/* Fills the slabs with initial values: parameter i from the stream (seed, DHO_RNG_INIT, 0, i);
 * running_mean 0, running_var 1. */
void dho_graph_initialise(const dho_graph *graph, uint64_t seed, float *parameters, float *buffers);

/* --- execution --- */
typedef struct dho_executor dho_executor;

typedef struct dho_executor_options {
    dho_compute *compute;    /* borrowed */
    int batch;               /* the largest batch */
    bool training;           /* batch statistics and backward, or running statistics and none */
    dho_recompute recompute; /* training: what backward makes again instead of keeping it */
    /* Not training: the slabs of every forward, where these are always the same (borrowed). Then
     * batch normalisations are folded into the convolutions in front of them, which changes the
     * last bits, and models of few operations a value take a few images of a batch at a time, so
     * that the values stay in the caches. NULL: the slabs may change. */
    const float *parameters, *buffers;
} dho_executor_options;

/* Plans the arena: every activation, gradient and saved value gets an offset by liveness, and
 * prepares passes of options.batch images. After this nothing is allocated. The graph must outlive
 * the executor. Errors: DHO_ERR_CONFIG for training what can only be run, and those of
 * dho_executor_prepare. */
dho_status dho_executor_create(dho_executor **out, const dho_graph *graph,
                               const dho_executor_options *options);
void dho_executor_destroy(dho_executor **executor);

/* Reserves the kernels of passes of `batch` < options.batch images; to be called before the first
 * such forward, further calls do nothing. The algorithms are those of options.batch. Errors:
 * DHO_ERR_MEMORY; training: those of dho_graph_check_batch. */
dho_status dho_executor_prepare(dho_executor *executor, int batch);

/* The factors of dho_graph_drop_path in the training forwards from now on, [batch][drop_count], and
 * in their backward; borrowed. NULL: all 1. */
void dho_executor_set_drops(dho_executor *executor, const float *factors);

/* Runs all operators on a prepared batch of images [batch][h][w][c] in the dtype of the
 * compute context (of a text, ids as floats); the input is read again by backward and must stay
 * until then. buffers: running statistics (evaluation, and training of a graph whose batch
 * normalisations are frozen; else NULL).
 * statistics: training only, slab like the buffers, receives the batch mean and the unbiased batch
 * variance of each batch normalisation that is not frozen. */
void dho_executor_forward(dho_executor *executor, int batch, const void *input,
                          const float *parameters, const float *buffers, float *statistics);

/* Bytes of one image or text of the input. */
size_t dho_executor_input_bytes(const dho_executor *executor);

/* An output's values [batch][channels]; valid until the next forward (training: or backward). */
const float *dho_executor_output(const dho_executor *executor, dho_value x);
/* From now on each forward shows every value that an operator has made to `see`, in order, which
 * may change it: [batch][height][width][channels]. NULL: no longer. */
typedef void (*dho_value_observer)(void *context, dho_value x, size_t count, void *values);
void dho_executor_observe(dho_executor *executor, dho_value_observer see, void *context);
/* Where the caller puts the gradient of an output, before backward. Training only. */
float *dho_executor_output_gradient(dho_executor *executor, dho_value x);

/* From now on each backward copies the gradient of x, a vector that is no output, into
 * out [batch][channels]; NULL: no longer. */
void dho_executor_capture_gradient(dho_executor *executor, dho_value x, float *out);

/* From now on each backward says which gradients nothing will be added to any more: those from
 * float `from` of the slab on. It falls from call to call, down to 0 with the last one. NULL: no
 * longer. */
typedef void (*dho_gradients_final)(void *context, size_t from);
void dho_executor_on_final(dho_executor *executor, dho_gradients_final final, void *context);

/* Backward through everything; gradients += (slab like the parameters). */
void dho_executor_backward(dho_executor *executor, const float *parameters, float *gradients);

/* What a node has cost since the last reset, and what one pass with the batch of the last forward
 * takes at least. [0]: forward, [1]: backward. */
typedef struct dho_node_profile {
    const char *kind;      /* the operator's name: one pointer an operator */
    const char *parameter; /* the node's first one, "layer1.0.conv1.weight"; "" without any */
    double seconds[2];
    double flops[2]; /* of matrix products only; 0 for what is bound by memory */
    double bytes[2]; /* each value, parameter and gradient that it needs moved once */
} dho_node_profile;

size_t dho_executor_node_count(const dho_executor *executor);
dho_node_profile dho_executor_profile(const dho_executor *executor, size_t i);
void dho_executor_profile_reset(dho_executor *executor);

/* Bytes of the arena: all activations, gradients and saved values. */
size_t dho_executor_arena_bytes(const dho_executor *executor);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

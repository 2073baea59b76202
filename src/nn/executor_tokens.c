/* Running the operators of transformers and of CLIP's modified ResNet. */
#include "nn/executor_internal.h"

#include <string.h>

dho_attention_shape dho_node_attention_shape(const dho_graph *graph, const dho_node *node,
                                             int batch)
{
    const dho_node *in = &graph->nodes[node->residual >= 0 ? node->residual : node->x];
    return (dho_attention_shape){.batch = batch,
                                 .tokens = in->height * in->width,
                                 .heads = node->heads,
                                 .head_dim = node->channels / node->heads,
                                 .causal = node->causal};
}

size_t dho_executor_tokens_saved(const dho_node *node, int tokens, int batch)
{
    const size_t rows = (size_t)batch * (size_t)tokens * sizeof(float);
    switch (node->op) {
    case DHO_OP_LAYER_NORM:
        return 2 * rows;
    case DHO_OP_ATTENTION:
    case DHO_OP_ATTENTION_POOL:
        return (size_t)node->heads * rows;
    default:
        return 0;
    }
}

dho_status dho_executor_tokens_reserve(dho_executor *executor, int index, int batch)
{
    const dho_graph *graph = executor->graph;
    const dho_node *node = &graph->nodes[index];
    if (node->op == DHO_OP_ATTENTION) {
        const dho_attention_shape shape = dho_node_attention_shape(graph, node, batch);
        return dho_compute_reserve_attention(executor->compute, &shape);
    }
    if (node->op != DHO_OP_TOKENS_LINEAR) return DHO_OK;
    const bool bias = node->bias >= 0;
    const unsigned forward = node->residual >= 0
                                 ? (bias ? DHO_CALL_ADD_BIAS : DHO_CALL_ADD)
                                 : (bias ? DHO_CALL_FORWARD_BIAS : DHO_CALL_FORWARD);
    return dho_compute_reserve_linear(executor->compute,
                                      (int64_t)batch * node->height * node->width,
                                      graph->nodes[node->x].channels, node->channels,
                                      forward | dho_executor_backward_calls(executor, index));
}

/* What both passes need of a node. */
typedef struct call {
    dho_compute *compute;
    const dho_kernels *kernels;
    const dho_node *node, *in;
    int batch, channels, positions; /* of the input */
    int64_t rows;                   /* of the output */
    const void *x;
    const float *weight, *bias;
} call;

static call call_of(const dho_executor *executor, int index, const float *parameters)
{
    const dho_node *node = &executor->graph->nodes[index];
    const dho_node *in = &executor->graph->nodes[node->x];
    return (call){.compute = executor->compute,
                  .kernels = dho_compute_kernels(executor->compute),
                  .node = node,
                  .in = in,
                  .batch = executor->batch,
                  .channels = in->channels,
                  .positions = in->height * in->width,
                  .rows = (int64_t)executor->batch * node->height * node->width,
                  .x = dho_executor_value(executor, node->x),
                  .weight = dho_executor_parameter(executor, parameters, node->weight),
                  .bias = dho_executor_parameter(executor, parameters, node->bias)};
}

static void linear_forward(const dho_executor *executor, const call *c, void *y)
{
    if (c->node->residual < 0) {
        c->kernels->linear_forward(c->compute, c->rows, c->channels, c->node->channels, c->x,
                                   c->weight, c->bias, y);
        return;
    }
    const float *residual = dho_executor_value(executor, c->node->residual);
    c->kernels->linear_add_forward(c->compute, c->rows, c->channels, c->node->channels, c->x,
                                   c->weight, c->bias, residual, y);
}

/* Row ids[t] of the token embedding plus row t of the position embedding, for each text. */
static void embed_text(const call *c, const float *ids, float *y)
{
    const int channels = c->node->channels, length = c->positions;
    for (int64_t r = 0; r < c->rows; r++, y += channels) {
        const float *token = c->weight + (size_t)ids[r] * (size_t)channels;
        const float *position = c->bias + (size_t)(r % length) * (size_t)channels;
        for (int i = 0; i < channels; i++) y[i] = token[i] + position[i];
    }
}

static void take_largest(const call *c, const float *x, const float *ids, float *y)
{
    const size_t channels = (size_t)c->channels;
    for (int b = 0; b < c->batch; b++, ids += c->positions) {
        int largest = 0;
        for (int t = 1; t < c->positions; t++)
            if (ids[t] > ids[largest]) largest = t;
        memcpy(y + (size_t)b * channels,
               x + ((size_t)b * (size_t)c->positions + (size_t)largest) * channels,
               channels * sizeof *y);
    }
}

void dho_executor_tokens_forward(dho_executor *executor, int index, const float *parameters,
                                 void *y)
{
    const call c = call_of(executor, index, parameters);
    const dho_attention_shape shape =
        c.node->heads > 0 ? dho_node_attention_shape(executor->graph, c.node, c.batch)
                          : (dho_attention_shape){0};
    float *saved = executor->memory[index].saved;
    switch (c.node->op) {
    case DHO_OP_LAYER_NORM:
        c.kernels->layer_norm_forward(c.compute, c.rows, c.channels, 1e-5f, c.node->is_float, c.x,
                                      c.weight, c.bias, y, saved, saved + c.rows);
        break;
    case DHO_OP_TOKENS_LINEAR:
        linear_forward(executor, &c, y);
        break;
    case DHO_OP_BIAS_GELU:
        c.kernels->bias_gelu_forward(c.compute, c.rows, c.channels, c.node->gelu, c.x, c.bias, y);
        break;
    case DHO_OP_ATTENTION:
        c.kernels->attention_forward(c.compute, &shape, c.x, y, saved);
        break;
    case DHO_OP_EMBED_TOKENS:
        c.kernels->embed_tokens_forward(c.compute, c.batch, c.positions, c.channels, c.x, c.bias,
                                        c.weight, y);
        break;
    case DHO_OP_TAKE_TOKEN:
        c.kernels->take_token_forward(c.compute, c.batch, c.positions, c.channels, c.in->is_float,
                                      c.x, y);
        break;
    case DHO_OP_AVERAGE_POOL_2X2:
        c.kernels->average_pool_2x2_forward(c.compute, c.batch, c.in->height, c.in->width,
                                            c.channels, c.x, y);
        break;
    case DHO_OP_POOL_TOKENS:
        c.kernels->pool_tokens_forward(c.compute, c.batch, c.positions, c.channels, c.x, c.weight,
                                       y);
        break;
    case DHO_OP_ATTENTION_POOL:
        c.kernels->attention_pool_forward(c.compute, &shape, c.x,
                                          dho_executor_value(executor, c.node->residual),
                                          dho_executor_value(executor, c.node->third), y, saved);
        break;
    case DHO_OP_EMBED_TEXT:
        embed_text(&c, c.x, y);
        break;
    case DHO_OP_TAKE_LARGEST:
        take_largest(&c, c.x, dho_executor_value(executor, c.node->residual), y);
        break;
    default:
        break;
    }
}

/* The residual's gradient is dy; where it is not the same memory, dy is added or copied there. */
static void residual_backward(const dho_executor *executor, const call *c,
                              const dho_node_memory *memory)
{
    float *to = executor->memory[c->node->residual].gradient;
    const float *dy = memory->gradient;
    const size_t count = (size_t)c->rows * (size_t)c->node->channels;
    if (to == NULL || to == dy) return;
    if (memory->accumulate[1])
        c->kernels->add(c->compute, count, to, dy, to);
    else
        memcpy(to, dy, count * sizeof *to);
}

static void linear_backward(const dho_executor *executor, const call *c,
                            const dho_node_memory *memory, float *dweight, float *dbias, void *dx)
{
    const int in = c->channels, out = c->node->channels;
    const void *dy = memory->gradient;
    if (memory->rounded != NULL) {
        c->kernels->store(c->compute, (size_t)c->rows * (size_t)out, dy, memory->rounded);
        dy = memory->rounded;
    }
    c->kernels->linear_backward_weights(c->compute, c->rows, in, out, c->x, dy, dweight, dbias);
    if (dx != NULL)
        c->kernels->linear_backward_data(c->compute, c->rows, in, out, dy, c->weight,
                                         memory->accumulate[0], dx);
    if (c->node->residual >= 0) residual_backward(executor, c, memory);
}

static void attention_backward(const dho_executor *executor, int index, const call *c, void *dx)
{
    const dho_node_memory *memory = &executor->memory[index];
    const dho_attention_shape shape = dho_node_attention_shape(executor->graph, c->node, c->batch);
    if (c->node->op == DHO_OP_ATTENTION) {
        c->kernels->attention_backward(c->compute, &shape, c->x,
                                       dho_executor_value(executor, index), memory->saved,
                                       memory->gradient, dx);
        return;
    }
    c->kernels->attention_pool_backward(
        c->compute, &shape, c->x, dho_executor_value(executor, c->node->residual),
        dho_executor_value(executor, c->node->third), memory->saved, memory->gradient, dx,
        executor->memory[c->node->residual].gradient, executor->memory[c->node->third].gradient);
}

void dho_executor_tokens_backward(dho_executor *executor, int index, const float *parameters,
                                  float *gradients)
{
    const call c = call_of(executor, index, parameters);
    const dho_node_memory *memory = &executor->memory[index];
    const float *saved = memory->saved;
    void *dx = executor->memory[c.node->x].gradient; /* NULL for the input */
    const void *dy = memory->gradient;
    const bool add = memory->accumulate[0];
    float *dweight = dho_executor_slot(executor, gradients, c.node->weight);
    float *dbias = dho_executor_slot(executor, gradients, c.node->bias);
    switch (c.node->op) {
    case DHO_OP_LAYER_NORM:
        c.kernels->layer_norm_backward(c.compute, c.rows, c.channels, c.node->is_float, c.x,
                                       c.weight, saved, saved + c.rows, dy, add, dx, dweight,
                                       dbias);
        break;
    case DHO_OP_TOKENS_LINEAR:
        linear_backward(executor, &c, memory, dweight, dbias, dx);
        break;
    case DHO_OP_BIAS_GELU:
        c.kernels->bias_gelu_backward(c.compute, c.rows, c.channels, c.node->gelu, c.x, c.bias, dy,
                                      dx, dbias);
        break;
    case DHO_OP_ATTENTION:
    case DHO_OP_ATTENTION_POOL:
        attention_backward(executor, index, &c, dx);
        break;
    case DHO_OP_EMBED_TOKENS:
        c.kernels->embed_tokens_backward(c.compute, c.batch, c.positions, c.channels, dy, dx, dbias,
                                         dweight);
        break;
    case DHO_OP_TAKE_TOKEN:
        c.kernels->take_token_backward(c.compute, c.batch, c.positions, c.channels, c.in->is_float,
                                       dy, add, dx);
        break;
    case DHO_OP_AVERAGE_POOL_2X2:
        if (dx != NULL)
            c.kernels->average_pool_2x2_backward(c.compute, c.batch, c.in->height, c.in->width,
                                                 c.channels, dy, add, dx);
        break;
    case DHO_OP_POOL_TOKENS:
        c.kernels->pool_tokens_backward(c.compute, c.batch, c.positions, c.channels, dy, add, dx,
                                        dweight);
        break;
    default:
        break;
    }
}

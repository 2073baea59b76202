/* Attention of one query an image. */
#include "nn/onnx_pass.h"

#include <math.h>

enum { QUERY, KEYS, VALUES };

static void shape(dho_graph *graph, dho_node *node)
{
    const int *heads = node->attributes;
    dho_shape_of_input(graph, node);
    node->is_float = true;
    dho_graph_demand(graph, *heads > 0 && node->channels % *heads == 0,
                     "the heads do not divide the channels");
}

static dho_attention_shape attention_shape(const dho_node_pass *pass)
{
    const dho_node *keys = pass->in[KEYS];
    const int *heads = pass->node->attributes;
    return (dho_attention_shape){.batch = pass->batch,
                                 .tokens = keys->height * keys->width,
                                 .heads = *heads,
                                 .head_dim = pass->node->channels / *heads};
}

static void forward(const dho_node_pass *pass)
{
    const dho_attention_shape s = attention_shape(pass);
    pass->kernels->attention_pool_forward(pass->compute, &s, pass->x[QUERY], pass->x[KEYS],
                                          pass->x[VALUES], pass->y, pass->saved);
}

static void backward(const dho_node_pass *pass)
{
    const dho_attention_shape s = attention_shape(pass);
    pass->kernels->attention_pool_backward(
        pass->compute, &s, pass->x[QUERY], pass->x[KEYS], pass->x[VALUES], pass->saved,
        &(dho_attention_pool_gradients){
            .dy = pass->dy, .dq = pass->dx[QUERY], .dk = pass->dx[KEYS], .dv = pass->dx[VALUES]});
}

/* The probabilities. */
static size_t saved_bytes(const dho_node_pass *pass)
{
    const dho_attention_shape s = attention_shape(pass);
    return (size_t)s.batch * (size_t)s.heads * (size_t)s.tokens * sizeof(float);
}

static void onnx(const dho_onnx_pass *pass)
{
    static const int for_keys[4] = {0, 2, 3, 1}, for_values[4] = {0, 2, 1, 3};
    dho_onnx *to = pass->onnx;
    const int64_t heads = *(const int *)pass->node->attributes;
    const int64_t channels = pass->node->channels, dim = channels / heads;
    const int64_t one[4] = {0, heads, 1, dim}, all[4] = {0, 0, heads, dim};
    const int64_t joined[2] = {0, channels};
    const char *q = dho_onnx_reshape(to, dho_onnx_read(pass, QUERY, DHO_ONNX_ROWS), 4, one);
    const char *k = dho_onnx_reshape(to, dho_onnx_read(pass, KEYS, DHO_ONNX_ROWS), 4, all);
    const char *v = dho_onnx_reshape(to, dho_onnx_read(pass, VALUES, DHO_ONNX_ROWS), 4, all);
    q = dho_onnx_call(to, "Mul", q, dho_onnx_scalar(to, 1 / sqrtf((float)dim)));
    const char *x = dho_onnx_call(to, "MatMul", q, dho_onnx_transpose(to, k, 4, for_keys));
    x = dho_onnx_call(to, "Softmax", x, NULL);
    x = dho_onnx_call(to, "MatMul", x, dho_onnx_transpose(to, v, 4, for_values));
    dho_onnx_write(pass, dho_onnx_reshape(to, x, 2, joined), DHO_ONNX_ROWS);
}

static const dho_operator attention_pool = {.name = "attention pool",
                                            .attribute_bytes = sizeof(int),
                                            .shape = shape,
                                            .forward = forward,
                                            .backward = backward,
                                            .backward_reads =
                                                DHO_INPUT_0 | DHO_INPUT_1 | DHO_INPUT_2,
                                            .only_sets = true,
                                            .saved_bytes = saved_bytes,
                                            .onnx = onnx};

dho_value dho_graph_attention_pool(dho_graph *graph, dho_value query, dho_value keys,
                                   dho_value values, int heads)
{
    dho_node node = dho_node_begin(&attention_pool, query);
    node.attributes = &heads;
    node.inputs[KEYS] = keys;
    node.inputs[VALUES] = values;
    return dho_graph_append(graph, node);
}

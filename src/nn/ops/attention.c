/* Attention over tokens: softmax(q k' / sqrt(head_dim)) v. */
#include "nn/onnx_pass.h"

#include <math.h>

typedef struct attention_attributes {
    int heads;
    bool causal;
} attention_attributes;

static void shape(dho_graph *graph, dho_node *node)
{
    const int heads = ((const attention_attributes *)node->attributes)->heads;
    dho_shape_of_input(graph, node);
    dho_graph_demand(graph, !dho_graph_node(graph, node->inputs[0])->is_float,
                     "attention of a float value");
    dho_graph_demand(graph, heads > 0 && node->channels % (3 * heads) == 0,
                     "the heads do not divide the channels");
    node->channels /= 3;
}

static dho_attention_shape attention_shape(const dho_node_pass *pass)
{
    const attention_attributes *a = pass->node->attributes;
    return (dho_attention_shape){.batch = pass->batch,
                                 .tokens = pass->node->height * pass->node->width,
                                 .heads = a->heads,
                                 .head_dim = pass->node->channels / a->heads,
                                 .causal = a->causal};
}

static void forward(const dho_node_pass *pass)
{
    const dho_attention_shape s = attention_shape(pass);
    pass->kernels->attention_forward(pass->compute, &s, pass->x[0], pass->y, pass->saved);
}

static void backward(const dho_node_pass *pass)
{
    const dho_attention_shape s = attention_shape(pass);
    pass->kernels->attention_backward(pass->compute, &s, pass->x[0], pass->y, pass->saved, pass->dy,
                                      pass->dx[0]);
}

/* The logarithms of the softmaxes' denominators. */
static size_t saved_bytes(const dho_node_pass *pass)
{
    return (size_t)pass->rows * (size_t)attention_shape(pass).heads * sizeof(float);
}

static dho_status reserve(const dho_node_pass *pass)
{
    const dho_attention_shape s = attention_shape(pass);
    return dho_compute_reserve_attention(pass->compute, &s);
}

static double flops(const dho_node_pass *pass)
{
    const dho_attention_shape s = attention_shape(pass);
    return 4.0 * s.batch * s.heads * s.tokens * s.tokens * s.head_dim;
}

/* [3][batch][heads][tokens][head_dim], of which q, k and v are taken. */
static void onnx(const dho_onnx_pass *pass)
{
    static const int apart[5] = {2, 0, 3, 1, 4}, keys[4] = {0, 1, 3, 2}, back[4] = {0, 2, 1, 3};
    dho_onnx *to = pass->onnx;
    const attention_attributes *a = pass->node->attributes;
    const int64_t dim = pass->node->channels / a->heads;
    const int64_t split[5] = {0, 0, 3, a->heads, dim}, joined[3] = {0, 0, pass->node->channels};
    const char *parts[3];
    if (a->causal) dho_onnx_refuse(pass, "a causal one has no ONNX form");
    const char *x = dho_onnx_reshape(to, dho_onnx_read(pass, 0, DHO_ONNX_ROWS), 5, split);
    x = dho_onnx_transpose(to, x, 5, apart);
    for (int i = 0; i < 3; i++) {
        int64_t *index;
        const char *which = dho_onnx_constant(to, NULL, DHO_ONNX_INT64, 0, NULL, &index);
        if (index != NULL) *index = i;
        parts[i] = dho_onnx_call(to, "Gather", x, which); /* along axis 0 */
    }
    const char *q = dho_onnx_call(to, "Mul", parts[0], dho_onnx_scalar(to, 1 / sqrtf((float)dim)));
    x = dho_onnx_call(to, "MatMul", q, dho_onnx_transpose(to, parts[1], 4, keys));
    x = dho_onnx_call(to, "Softmax", x, NULL); /* along the last axis */
    x = dho_onnx_transpose(to, dho_onnx_call(to, "MatMul", x, parts[2]), 4, back);
    dho_onnx_write(pass, dho_onnx_reshape(to, x, 3, joined), DHO_ONNX_ROWS);
}

static const dho_operator attention = {.name = "attention",
                                       .attribute_bytes = sizeof(attention_attributes),
                                       .shape = shape,
                                       .forward = forward,
                                       .backward = backward,
                                       .backward_reads = DHO_INPUT_0 | DHO_OUTPUT,
                                       .only_sets = true,
                                       .saved_bytes = saved_bytes,
                                       .reserve = reserve,
                                       .flops = flops,
                                       .backward_flops = 2.5, /* the scores are made again */
                                       .onnx = onnx};

dho_value dho_graph_attention(dho_graph *graph, dho_value x, int heads, bool causal)
{
    attention_attributes attributes = {heads, causal};
    dho_node node = dho_node_begin(&attention, x);
    node.attributes = &attributes;
    return dho_graph_append(graph, node);
}

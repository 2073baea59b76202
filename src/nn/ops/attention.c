/* Attention over tokens: softmax(q k' / sqrt(head_dim)) v. */
#include "nn/operator.h"

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
                                       .backward_flops = 2.5}; /* the scores are made again */

dho_value dho_graph_attention(dho_graph *graph, dho_value x, int heads, bool causal)
{
    attention_attributes attributes = {heads, causal};
    dho_node node = dho_node_begin(&attention, x);
    node.attributes = &attributes;
    return dho_graph_append(graph, node);
}

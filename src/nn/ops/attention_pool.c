/* Attention of one query an image. */
#include "nn/operator.h"

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

static const dho_operator attention_pool = {.name = "attention pool",
                                            .attribute_bytes = sizeof(int),
                                            .shape = shape,
                                            .forward = forward,
                                            .backward = backward,
                                            .backward_reads =
                                                DHO_INPUT_0 | DHO_INPUT_1 | DHO_INPUT_2,
                                            .only_sets = true,
                                            .saved_bytes = saved_bytes};

dho_value dho_graph_attention_pool(dho_graph *graph, dho_value query, dho_value keys,
                                   dho_value values, int heads)
{
    dho_node node = dho_node_begin(&attention_pool, query);
    node.attributes = &heads;
    node.inputs[KEYS] = keys;
    node.inputs[VALUES] = values;
    return dho_graph_append(graph, node);
}

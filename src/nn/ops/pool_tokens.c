/* Tokens: the mean of all positions and the positions. */
#include "nn/operator.h"

static void forward(const dho_node_pass *pass)
{
    const dho_places_shape s = dho_pass_places(pass);
    pass->kernels->pool_tokens_forward(pass->compute, &s, pass->x[0], pass->parameters[0], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_places_shape s = dho_pass_places(pass);
    pass->kernels->pool_tokens_backward(pass->compute, &s, pass->dy, pass->add[0], pass->dx[0],
                                        pass->gradients[0]);
}

static const dho_operator pool_tokens = {
    .name = "mean token", .shape = dho_shape_of_tokens, .forward = forward, .backward = backward};

dho_value dho_graph_pool_tokens(dho_graph *graph, dho_value x, const char *position)
{
    dho_node node = dho_node_begin(&pool_tokens, x);
    node.parameters[0] =
        dho_graph_add_position(graph, position, dho_graph_node(graph, x), false, DHO_INIT_NORMAL);
    return dho_graph_append(graph, node);
}

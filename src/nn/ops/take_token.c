/* The first token. */
#include "nn/operator.h"

static void forward(const dho_node_pass *pass)
{
    const dho_places_shape s = dho_pass_places(pass);
    pass->kernels->take_token_forward(pass->compute, &s, pass->in[0]->is_float, pass->x[0],
                                      pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_places_shape s = dho_pass_places(pass);
    pass->kernels->take_token_backward(pass->compute, &s, pass->in[0]->is_float, pass->dy,
                                       pass->add[0], pass->dx[0]);
}

static const dho_operator take_token = {
    .name = "class token", .shape = dho_shape_of_vector, .forward = forward, .backward = backward};

dho_value dho_graph_take_token(dho_graph *graph, dho_value x)
{
    return dho_graph_append(graph, dho_node_begin(&take_token, x));
}

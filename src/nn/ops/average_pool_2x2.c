/* Means of 2x2 windows. */
#include "nn/operator.h"

static void shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_input(graph, node);
    node->height /= 2;
    node->width /= 2;
}

static void forward(const dho_node_pass *pass)
{
    const dho_node *in = pass->in[0];
    pass->kernels->average_pool_2x2_forward(pass->compute, pass->batch, in->height, in->width,
                                            in->channels, pass->x[0], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_node *in = pass->in[0];
    if (pass->dx[0] != NULL)
        pass->kernels->average_pool_2x2_backward(pass->compute, pass->batch, in->height, in->width,
                                                 in->channels, pass->dy, pass->add[0], pass->dx[0]);
}

static const dho_operator average_pool_2x2 = {
    .name = "average pool 2x2", .shape = shape, .forward = forward, .backward = backward};

dho_value dho_graph_average_pool_2x2(dho_graph *graph, dho_value x)
{
    return dho_graph_append(graph, dho_node_begin(&average_pool_2x2, x));
}

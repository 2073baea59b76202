/* Stochastic depth: a branch with a factor for each image, added to the float residual stream. */
#include "nn/operator.h"

enum { X, RESIDUAL };

static void shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_branch(graph, node, "a factor for the residual stream itself");
}

static dho_rows_shape images_of(const dho_node_pass *pass)
{
    const dho_node *node = pass->node;
    return (dho_rows_shape){pass->batch, node->height * node->width * node->channels};
}

/* Saved: the factors. */
static void forward(const dho_node_pass *pass)
{
    const dho_rows_shape images = images_of(pass);
    float *factors = pass->saved;
    for (int i = 0; i < pass->batch; i++)
        factors[i] = dho_pass_drop(pass, i, *(const int *)pass->node->attributes);
    pass->kernels->image_scale_forward(pass->compute, &images, pass->x[X], factors,
                                       pass->x[RESIDUAL], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_rows_shape images = images_of(pass);
    pass->kernels->image_scale_backward(pass->compute, &images, pass->saved, pass->dy, pass->dx[X]);
    dho_pass_residual_backward(pass);
}

static size_t saved_bytes(const dho_node_pass *pass)
{
    return (size_t)pass->batch * sizeof(float);
}

static const dho_operator drop_path = {.name = "drop path",
                                       .attribute_bytes = sizeof(int),
                                       .shape = shape,
                                       .forward = forward,
                                       .backward = backward,
                                       .only_sets = true,
                                       .shares_gradient = DHO_INPUT_1,
                                       .saved_bytes = saved_bytes};

dho_value dho_graph_drop_path(dho_graph *graph, dho_value x, dho_value residual)
{
    const int drop = dho_graph_add_drop(graph);
    dho_node node = dho_node_begin(&drop_path, x);
    node.attributes = (void *)&drop;
    node.inputs[RESIDUAL] = residual;
    return dho_graph_append(graph, node);
}

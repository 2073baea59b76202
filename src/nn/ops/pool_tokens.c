/* Tokens: the mean of all positions and the positions. */
#include "nn/onnx_pass.h"

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

static void onnx(const dho_onnx_pass *pass)
{
    static const int order[3] = {0, 2, 1};
    const int64_t channels = pass->node->channels, tokens = pass->node->height;
    const int64_t grid[3] = {0, channels, tokens - 1}, shape[2] = {tokens, channels};
    const char *x = dho_onnx_reshape(pass->onnx, dho_onnx_read(pass, 0, DHO_ONNX_MAP), 3, grid);
    const dho_onnx_node mean = {.op = "ReduceMean",
                                .inputs = {x},
                                .attributes = {DHO_ONNX_ATTRIBUTE_INTS("axes", 1, 2),
                                               DHO_ONNX_ATTRIBUTE_INT("keepdims", 1)}};
    const dho_onnx_node both = {.op = "Concat",
                                .inputs = {dho_onnx_add(pass->onnx, &mean), x},
                                .attributes = {DHO_ONNX_ATTRIBUTE_INT("axis", 2)}};
    x = dho_onnx_transpose(pass->onnx, dho_onnx_add(pass->onnx, &both), 3, order);
    x = dho_onnx_call(pass->onnx, "Add", x, dho_onnx_parameter(pass, 0, 2, shape));
    dho_onnx_write(pass, x, DHO_ONNX_ROWS);
}

static const dho_operator pool_tokens = {.name = "mean token",
                                         .shape = dho_shape_of_tokens,
                                         .forward = forward,
                                         .backward = backward,
                                         .onnx = onnx};

dho_value dho_graph_pool_tokens(dho_graph *graph, dho_value x, const char *position)
{
    dho_node node = dho_node_begin(&pool_tokens, x);
    node.parameters[0] =
        dho_graph_add_position(graph, position, dho_graph_node(graph, x), false, DHO_INIT_NORMAL);
    return dho_graph_append(graph, node);
}

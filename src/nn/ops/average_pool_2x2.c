/* Means of 2x2 windows. */
#include "nn/onnx_pass.h"

static void shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_input(graph, node);
    node->height /= 2;
    node->width /= 2;
}

static dho_pool_shape shape_of(const dho_node_pass *pass)
{
    const dho_node *in = pass->in[0];
    return (dho_pool_shape){
        .batch = pass->batch, .in_h = in->height, .in_w = in->width, .channels = in->channels};
}

static void forward(const dho_node_pass *pass)
{
    const dho_pool_shape s = shape_of(pass);
    pass->kernels->average_pool_2x2_forward(pass->compute, &s, pass->x[0], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_pool_shape s = shape_of(pass);
    if (pass->dx[0] != NULL)
        pass->kernels->average_pool_2x2_backward(pass->compute, &s, pass->dy, pass->add[0],
                                                 pass->dx[0]);
}

static void onnx(const dho_onnx_pass *pass)
{
    const dho_onnx_node node = {.op = "AveragePool",
                                .inputs = {dho_onnx_read(pass, 0, DHO_ONNX_MAP)},
                                .attributes = {DHO_ONNX_ATTRIBUTE_INTS("kernel_shape", 2, 2, 2),
                                               DHO_ONNX_ATTRIBUTE_INTS("strides", 2, 2, 2)}};
    dho_onnx_write(pass, dho_onnx_add(pass->onnx, &node), DHO_ONNX_MAP);
}

static const dho_operator average_pool_2x2 = {.name = "average pool 2x2",
                                              .shape = shape,
                                              .forward = forward,
                                              .backward = backward,
                                              .can_skip_dx = true,
                                              .onnx = onnx,
                                              .in_8_bits = DHO_ROUNDS_INPUTS | DHO_ROUNDS_OUTPUT};

dho_value dho_graph_average_pool_2x2(dho_graph *graph, dho_value x)
{
    return dho_graph_append(graph, dho_node_begin(&average_pool_2x2, x));
}

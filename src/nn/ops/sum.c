/* The activation of a sum of two values, where it is no part of another operator: in graphs that
 * are exported (dho_graph_deploy). */
#include "nn/onnx_pass.h"

#include <assert.h>

enum { X, Y };

static void shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_input(graph, node);
    dho_graph_demand(graph, dho_same_shape(node, dho_graph_node(graph, node->inputs[Y])),
                     "a sum of two shapes");
}

static float activate(float value, dho_activation activation)
{
    if (activation == DHO_ACTIVATION_NONE) return value;
    if (activation == DHO_ACTIVATION_RELU6 && value > 6) return 6;
    return value > 0 ? value : 0;
}

static void forward(const dho_node_pass *pass)
{
    const dho_activation *activation = pass->node->attributes;
    const int64_t count = pass->rows * pass->node->channels;
    const float *x = pass->x[X], *y = pass->x[Y];
    float *sum = pass->y;
    assert(dho_compute_dtype_of(pass->compute) == DHO_DTYPE_FP32);
    for (int64_t i = 0; i < count; i++) sum[i] = activate(x[i] + y[i], *activation);
}

static void onnx(const dho_onnx_pass *pass)
{
    const dho_activation *activation = pass->node->attributes;
    const dho_onnx_form form = dho_onnx_form_of(pass, X);
    const char *sum = dho_onnx_call(pass->onnx, "Add", dho_onnx_read(pass, X, form),
                                    dho_onnx_read(pass, Y, form));
    dho_onnx_write(pass, dho_onnx_activate(pass->onnx, sum, *activation), form);
}

static const dho_operator sum = {.name = "sum",
                                 .attribute_bytes = sizeof(dho_activation),
                                 .shape = shape,
                                 .forward = forward,
                                 .onnx = onnx,
                                 .in_8_bits = DHO_ROUNDS_INPUTS | DHO_ROUNDS_OUTPUT};

dho_value dho_graph_sum(dho_graph *graph, dho_value x, dho_value y, dho_activation activation)
{
    dho_node node = dho_node_begin(&sum, x);
    node.inputs[Y] = y;
    node.attributes = &activation;
    return dho_graph_append(graph, node);
}

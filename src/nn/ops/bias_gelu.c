/* A linear layer's bias, and GELU. */
#include "nn/onnx_pass.h"

static void shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_input(graph, node);
    dho_graph_demand(graph, !dho_graph_node(graph, node->inputs[0])->is_float,
                     "GELU of a float value");
}

static dho_gelu_shape shape_of(const dho_node_pass *pass)
{
    const dho_gelu *kind = pass->node->attributes;
    return (dho_gelu_shape){pass->rows, pass->node->channels, *kind};
}

static void forward(const dho_node_pass *pass)
{
    const dho_gelu_shape s = shape_of(pass);
    pass->kernels->bias_gelu_forward(pass->compute, &s, pass->x[0], pass->parameters[0], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_gelu_shape s = shape_of(pass);
    pass->kernels->bias_gelu_backward(pass->compute, &s, pass->x[0], pass->parameters[0], pass->dy,
                                      pass->dx[0], pass->gradients[0]);
}

/* x (1 + erf(x / sqrt 2)) / 2, or x sigmoid(1.702 x). */
static void onnx(const dho_onnx_pass *pass)
{
    dho_onnx *to = pass->onnx;
    const dho_gelu *kind = pass->node->attributes;
    const int64_t channels = pass->node->channels;
    const char *x = dho_onnx_call(to, "Add", dho_onnx_read(pass, 0, DHO_ONNX_ROWS),
                                  dho_onnx_parameter(pass, 0, 1, &channels));
    if (*kind == DHO_GELU_QUICK) {
        const char *y = dho_onnx_call(to, "Mul", x, dho_onnx_scalar(to, 1.702f));
        y = dho_onnx_call(to, "Mul", x, dho_onnx_call(to, "Sigmoid", y, NULL));
        dho_onnx_write(pass, y, DHO_ONNX_ROWS);
        return;
    }
    dho_onnx_write(pass, dho_onnx_gelu(to, x), DHO_ONNX_ROWS);
}

static const dho_operator bias_gelu = {.name = "gelu",
                                       .attribute_bytes = sizeof(dho_gelu),
                                       .shape = shape,
                                       .forward = forward,
                                       .backward = backward,
                                       .backward_reads = DHO_INPUT_0,
                                       .only_sets = true,
                                       .shares_gradient = DHO_INPUT_0,
                                       .onnx = onnx};

dho_value dho_graph_bias_gelu(dho_graph *graph, dho_value x, const char *bias, dho_gelu kind)
{
    const dho_node *linear = dho_graph_node(graph, x); /* whose bias this is */
    dho_node node = dho_node_begin(&bias_gelu, x);
    node.attributes = &kind;
    node.cheap = true;
    node.parameters[0] = dho_graph_add_vector(
        graph, bias, NULL, linear->channels,
        dho_graph_starts_small(graph, linear) ? DHO_INIT_ZEROS : DHO_INIT_LINEAR,
        dho_graph_node(graph, linear->inputs[0])->channels);
    return dho_graph_append(graph, node);
}

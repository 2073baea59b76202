/* ConvNeXt's and CaiT's scale of each channel of a branch, with the sum of branch and stream. */
#include "nn/onnx_pass.h"

enum { X, RESIDUAL };

static void shape(dho_graph *graph, dho_node *node)
{
    const dho_node *in = dho_graph_node(graph, node->inputs[X]);
    const dho_node *residual = dho_graph_node(graph, node->inputs[RESIDUAL]);
    dho_shape_of_input(graph, node);
    node->is_float = true;
    dho_graph_demand(graph, !in->is_float, "a scale of the residual stream itself");
    dho_graph_demand(graph, residual->is_float && dho_same_shape(node, residual),
                     "a residual that is not float, or of another shape");
}

static dho_rows_shape rows_of(const dho_node_pass *pass)
{
    return (dho_rows_shape){pass->rows, pass->node->channels};
}

static void forward(const dho_node_pass *pass)
{
    const dho_rows_shape rows = rows_of(pass);
    pass->kernels->layer_scale_forward(pass->compute, &rows, pass->x[X], pass->parameters[0],
                                       pass->x[RESIDUAL], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_rows_shape rows = rows_of(pass);
    pass->kernels->layer_scale_backward(pass->compute, &rows, pass->x[X], pass->parameters[0],
                                        pass->dy, pass->dx[X], pass->gradients[0]);
    dho_pass_residual_backward(pass, RESIDUAL);
}

static void onnx(const dho_onnx_pass *pass)
{
    const int64_t channels = pass->node->channels;
    const char *x = dho_onnx_call(pass->onnx, "Mul", dho_onnx_read(pass, X, DHO_ONNX_ROWS),
                                  dho_onnx_parameter(pass, 0, 1, &channels));
    const char *residual = dho_onnx_read(pass, RESIDUAL, DHO_ONNX_ROWS);
    dho_onnx_write(pass, dho_onnx_call(pass->onnx, "Add", residual, x), DHO_ONNX_ROWS);
}

static const dho_operator layer_scale = {.name = "layer scale",
                                         .shape = shape,
                                         .forward = forward,
                                         .backward = backward,
                                         .backward_reads = DHO_INPUT_0,
                                         .shares_gradient = DHO_INPUT_1,
                                         .onnx = onnx};

dho_value dho_graph_layer_scale(dho_graph *graph, dho_value x, const char *name, dho_value residual)
{
    const int channels = dho_graph_node(graph, x)->channels;
    dho_node node = dho_node_begin(&layer_scale, x);
    node.inputs[RESIDUAL] = residual;
    node.parameters[0] = dho_graph_add_parameter(
        graph, name, NULL, (dho_slot){.dims = 3, .shape = {channels, 1, 1}, .init = DHO_INIT_TINY});
    return dho_graph_append(graph, node);
}

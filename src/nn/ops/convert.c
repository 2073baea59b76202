/* Between the float residual stream and activations in the context's dtype. */
#include "nn/onnx_pass.h"

static size_t count_of(const dho_node_pass *pass)
{
    return (size_t)pass->rows * (size_t)pass->node->channels;
}

/* The same value. */
static void onnx(const dho_onnx_pass *pass)
{
    const dho_onnx_form form = dho_onnx_form_of(pass, 0);
    dho_onnx_write(pass, dho_onnx_read(pass, 0, form), form);
}

static void narrow_shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_input(graph, node);
    dho_graph_demand(graph, dho_graph_node(graph, node->inputs[0])->is_float,
                     "rounding of a value that is not float");
}

static void narrow_forward(const dho_node_pass *pass)
{
    pass->kernels->store(pass->compute, count_of(pass), pass->x[0], pass->y);
}

static void narrow_backward(const dho_node_pass *pass)
{
    pass->kernels->load(pass->compute, count_of(pass), pass->dy, pass->add[0], pass->dx[0]);
}

static const dho_operator narrow = {.name = "rounding",
                                    .shape = narrow_shape,
                                    .forward = narrow_forward,
                                    .backward = narrow_backward,
                                    .onnx = onnx};

dho_value dho_graph_narrow(dho_graph *graph, dho_value x)
{
    dho_node node = dho_node_begin(&narrow, x);
    node.cheap = true;
    return dho_graph_append(graph, node);
}

static void widen_shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_input(graph, node);
    node->is_float = true;
    dho_graph_demand(graph, !dho_graph_node(graph, node->inputs[0])->is_float,
                     "widening of a value that is float");
}

static void widen_forward(const dho_node_pass *pass)
{
    pass->kernels->load(pass->compute, count_of(pass), pass->x[0], false, pass->y);
}

static void widen_backward(const dho_node_pass *pass)
{
    pass->kernels->store(pass->compute, count_of(pass), pass->dy, pass->dx[0]);
}

static const dho_operator widen = {.name = "widening",
                                   .shape = widen_shape,
                                   .forward = widen_forward,
                                   .backward = widen_backward,
                                   .only_sets = true,
                                   .onnx = onnx};

dho_value dho_graph_widen(dho_graph *graph, dho_value x)
{
    dho_node node = dho_node_begin(&widen, x);
    node.cheap = true;
    return dho_graph_append(graph, node);
}

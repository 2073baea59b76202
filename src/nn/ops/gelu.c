/* GELU of a float vector, without a bias of its own. */
#include "nn/onnx_pass.h"

/* Torch's default: x (1 + erf(x / sqrt 2)) / 2. */
const char *dho_onnx_gelu(dho_onnx *to, const char *x)
{
    const char *y = dho_onnx_call(to, "Div", x, dho_onnx_scalar(to, 1.41421356f));
    y = dho_onnx_call(to, "Add", dho_onnx_call(to, "Erf", y, NULL), dho_onnx_scalar(to, 1));
    return dho_onnx_call(to, "Mul", dho_onnx_call(to, "Mul", x, y), dho_onnx_scalar(to, 0.5f));
}

static void shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_vector(graph, node);
    dho_graph_demand(graph, dho_graph_node(graph, node->inputs[0])->is_float,
                     "GELU without a bias of an activation");
}

static size_t count_of(const dho_node_pass *pass)
{
    return (size_t)pass->batch * (size_t)pass->node->channels;
}

static void forward(const dho_node_pass *pass)
{
    pass->kernels->gelu_forward(pass->compute, count_of(pass), pass->x[0], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    if (pass->dx[0] != NULL)
        pass->kernels->gelu_backward(pass->compute, count_of(pass), pass->x[0], pass->dy,
                                     pass->add[0], pass->dx[0]);
}

static void onnx(const dho_onnx_pass *pass)
{
    dho_onnx_write(pass, dho_onnx_gelu(pass->onnx, dho_onnx_read(pass, 0, DHO_ONNX_ROWS)),
                   DHO_ONNX_ROWS);
}

static const dho_operator gelu = {.name = "gelu",
                                  .shape = shape,
                                  .forward = forward,
                                  .backward = backward,
                                  .can_skip_dx = true,
                                  .backward_reads = DHO_INPUT_0,
                                  .onnx = onnx};

dho_value dho_graph_gelu(dho_graph *graph, dho_value x)
{
    return dho_graph_append(graph, dho_node_begin(&gelu, x));
}

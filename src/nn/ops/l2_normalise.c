/* A vector of length one. */
#include "nn/onnx_pass.h"

static void forward(const dho_node_pass *pass)
{
    pass->kernels->l2_normalise_forward(pass->compute,
                                        &(dho_rows_shape){pass->batch, pass->node->channels},
                                        pass->x[0], pass->y, pass->saved);
}

static void backward(const dho_node_pass *pass)
{
    if (pass->dx[0] != NULL)
        pass->kernels->l2_normalise_backward(
            pass->compute, &(dho_rows_shape){pass->batch, pass->node->channels}, pass->y,
            pass->saved, pass->dy, pass->add[0], pass->dx[0]);
}

/* The lengths. */
static size_t saved_bytes(const dho_node_pass *pass)
{
    return (size_t)pass->batch * sizeof(float);
}

static void onnx(const dho_onnx_pass *pass)
{
    const char *x = dho_onnx_read(pass, 0, DHO_ONNX_ROWS);
    const dho_onnx_node norm = {.op = "ReduceL2",
                                .inputs = {x},
                                .attributes = {DHO_ONNX_ATTRIBUTE_INTS("axes", 1, -1),
                                               DHO_ONNX_ATTRIBUTE_INT("keepdims", 1)}};
    const char *length = dho_onnx_call(pass->onnx, "Max", dho_onnx_add(pass->onnx, &norm),
                                       dho_onnx_scalar(pass->onnx, 1e-12f));
    dho_onnx_write(pass, dho_onnx_call(pass->onnx, "Div", x, length), DHO_ONNX_ROWS);
}

static const dho_operator l2_normalise = {.name = "normalise",
                                          .shape = dho_shape_of_vector,
                                          .forward = forward,
                                          .backward = backward,
                                          .can_skip_dx = true,
                                          .backward_reads = DHO_OUTPUT,
                                          .saved_bytes = saved_bytes,
                                          .onnx = onnx};

dho_value dho_graph_l2_normalise(dho_graph *graph, dho_value x)
{
    return dho_graph_append(graph, dho_node_begin(&l2_normalise, x));
}

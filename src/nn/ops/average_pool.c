/* Mean over all positions. */
#include "nn/onnx_pass.h"

static void forward(const dho_node_pass *pass)
{
    const dho_places_shape s = dho_pass_places(pass);
    pass->kernels->average_pool_forward(pass->compute, &s, pass->x[0], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_places_shape s = dho_pass_places(pass);
    if (pass->dx[0] != NULL)
        pass->kernels->average_pool_backward(pass->compute, &s, pass->dy, pass->add[0],
                                             pass->dx[0]);
}

static void onnx(const dho_onnx_pass *pass)
{
    const char *x = dho_onnx_read(pass, 0, DHO_ONNX_MAP);
    const char *mean = dho_onnx_call(pass->onnx, "GlobalAveragePool", x, NULL);
    dho_onnx_write(pass, dho_onnx_call(pass->onnx, "Flatten", mean, NULL), DHO_ONNX_ROWS);
}

static const dho_operator average_pool = {.name = "average pool",
                                          .shape = dho_shape_of_vector,
                                          .forward = forward,
                                          .backward = backward,
                                          .can_skip_dx = true,
                                          .onnx = onnx};

dho_value dho_graph_average_pool(dho_graph *graph, dho_value x)
{
    return dho_graph_append(graph, dho_node_begin(&average_pool, x));
}

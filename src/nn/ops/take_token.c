/* The first token. */
#include "nn/onnx_pass.h"

static void forward(const dho_node_pass *pass)
{
    const dho_places_shape s = dho_pass_places(pass);
    pass->kernels->take_token_forward(pass->compute, &s, pass->in[0]->is_float, pass->x[0],
                                      pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_places_shape s = dho_pass_places(pass);
    pass->kernels->take_token_backward(pass->compute, &s, pass->in[0]->is_float, pass->dy,
                                       pass->add[0], pass->dx[0]);
}

static size_t reads(const dho_node_pass *pass)
{
    const size_t width =
        pass->in[0]->is_float ? sizeof(float) : dho_compute_element_bytes(pass->compute);
    return (size_t)pass->batch * (size_t)pass->in[0]->channels * width;
}

static void onnx(const dho_onnx_pass *pass)
{
    int64_t *first; /* token 0, as it is */
    const char *index = dho_onnx_constant(pass->onnx, NULL, DHO_ONNX_INT64, 0, NULL, &first);
    const dho_onnx_node node = {.op = "Gather",
                                .inputs = {dho_onnx_read(pass, 0, DHO_ONNX_ROWS), index},
                                .attributes = {DHO_ONNX_ATTRIBUTE_INT("axis", 1)}};
    dho_onnx_write(pass, dho_onnx_add(pass->onnx, &node), DHO_ONNX_ROWS);
}

static const dho_operator take_token = {.name = "class token",
                                        .shape = dho_shape_of_vector,
                                        .forward = forward,
                                        .backward = backward,
                                        .reads = reads,
                                        .onnx = onnx};

dho_value dho_graph_take_token(dho_graph *graph, dho_value x)
{
    return dho_graph_append(graph, dho_node_begin(&take_token, x));
}

/* Layer normalisation. */
#include "nn/onnx_pass.h"

enum { GAMMA, BETA };

static void shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_input(graph, node);
    dho_graph_demand(graph, dho_graph_node(graph, node->inputs[0])->is_float,
                     "layer normalisation of a value that is not the residual stream's");
}

static dho_layer_norm_shape shape_of(const dho_node_pass *pass)
{
    return (dho_layer_norm_shape){.rows = pass->rows,
                                  .channels = pass->node->channels,
                                  .eps = *(const float *)pass->node->attributes,
                                  .wide = pass->node->is_float};
}

/* Saved: the mean of each row, then 1 / sqrt(variance + eps). */
static void forward(const dho_node_pass *pass)
{
    const dho_layer_norm_shape s = shape_of(pass);
    float *mean = pass->saved, *inv_std = mean + pass->rows;
    pass->kernels->layer_norm_forward(pass->compute, &s, pass->x[0], pass->parameters[GAMMA],
                                      pass->parameters[BETA], pass->y, mean, inv_std);
}

static void backward(const dho_node_pass *pass)
{
    const dho_layer_norm_shape s = shape_of(pass);
    const float *mean = pass->saved, *inv_std = mean + pass->rows;
    const dho_layer_norm_gradients gradients = {.dy = pass->dy,
                                                .accumulate = pass->add[0],
                                                .dx = pass->dx[0],
                                                .dgamma = pass->gradients[GAMMA],
                                                .dbeta = pass->gradients[BETA]};
    pass->kernels->layer_norm_backward(pass->compute, &s, pass->x[0], pass->parameters[GAMMA], mean,
                                       inv_std, &gradients);
}

static size_t saved_bytes(const dho_node_pass *pass)
{
    return 2 * (size_t)pass->rows * sizeof(float);
}

static void onnx(const dho_onnx_pass *pass)
{
    const int64_t channels = pass->node->channels;
    const float eps = *(const float *)pass->node->attributes;
    const dho_onnx_node node = {.op = "LayerNormalization",
                                .inputs = {dho_onnx_read(pass, 0, DHO_ONNX_ROWS),
                                           dho_onnx_parameter(pass, GAMMA, 1, &channels),
                                           dho_onnx_parameter(pass, BETA, 1, &channels)},
                                .attributes = {DHO_ONNX_ATTRIBUTE_INT("axis", -1),
                                               DHO_ONNX_ATTRIBUTE_FLOAT("epsilon", eps)}};
    dho_onnx_write(pass, dho_onnx_add(pass->onnx, &node), DHO_ONNX_ROWS);
}

static const dho_operator layer_norm = {.name = "layer norm",
                                        .attribute_bytes = sizeof(float), /* eps */
                                        .shape = shape,
                                        .forward = forward,
                                        .backward = backward,
                                        .backward_reads = DHO_INPUT_0,
                                        .saved_bytes = saved_bytes,
                                        .onnx = onnx};

dho_value dho_graph_layer_norm(dho_graph *graph, dho_value x, const dho_layer_norm_spec *spec)
{
    float eps = spec->eps > 0 ? spec->eps : 1e-5f;
    const int channels = dho_graph_node(graph, x)->channels;
    dho_node node = dho_node_begin(&layer_norm, x);
    node.attributes = &eps;
    node.is_float = spec->stream;
    node.cheap = !spec->stream;
    node.parameters[GAMMA] =
        dho_graph_add_vector(graph, spec->name, "weight", channels, DHO_INIT_ONES, 0);
    node.parameters[BETA] =
        dho_graph_add_vector(graph, spec->name, "bias", channels, DHO_INIT_ZEROS, 0);
    return dho_graph_append(graph, node);
}

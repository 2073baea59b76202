/* ConvNeXt's and CaiT's scale of each channel of a branch, with the sum of branch and stream. */
#include "nn/onnx_pass.h"

#include <string.h>

enum { X, RESIDUAL };

static void shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_branch(graph, node, "a scale of the residual stream itself");
}

static dho_rows_shape rows_of(const dho_node_pass *pass)
{
    return (dho_rows_shape){pass->rows, pass->node->channels};
}

/* Each image of a pass with its factor: rows and gamma are the image's own. */
typedef struct image_part {
    dho_rows_shape rows;
    size_t at; /* of its first value */
    float factor;
} image_part;

static image_part image_of(const dho_node_pass *pass, int image)
{
    const int64_t positions = (int64_t)pass->node->height * pass->node->width;
    const int drop = *(const int *)pass->node->attributes;
    return (image_part){.rows = {positions, pass->node->channels},
                        .at = (size_t)image * (size_t)positions * (size_t)pass->node->channels,
                        .factor = dho_pass_drop(pass, image, drop)};
}

static const void *value_at(const dho_node_pass *pass, const void *values, size_t at)
{
    return (const char *)values + at * dho_compute_element_bytes(pass->compute);
}

static void scale_gamma(const dho_node_pass *pass, float factor, float *out)
{
    for (int c = 0; c < pass->node->channels; c++) out[c] = factor * pass->parameters[0][c];
}

static void forward(const dho_node_pass *pass)
{
    const dho_rows_shape rows = rows_of(pass);
    const float *residual = pass->x[RESIDUAL];
    if (pass->drops == NULL) {
        pass->kernels->layer_scale_forward(pass->compute, &rows, pass->x[X], pass->parameters[0],
                                           residual, pass->y);
        return;
    }
    for (int i = 0; i < pass->batch; i++) {
        const image_part part = image_of(pass, i);
        scale_gamma(pass, part.factor, pass->saved);
        pass->kernels->layer_scale_forward(pass->compute, &part.rows,
                                           value_at(pass, pass->x[X], part.at), pass->saved,
                                           residual + part.at, (float *)pass->y + part.at);
    }
}

static void backward(const dho_node_pass *pass)
{
    const dho_rows_shape rows = rows_of(pass);
    const int channels = pass->node->channels;
    if (pass->drops == NULL)
        pass->kernels->layer_scale_backward(pass->compute, &rows, pass->x[X], pass->parameters[0],
                                            pass->dy, pass->dx[X], pass->gradients[0]);
    for (int i = 0; pass->drops != NULL && i < pass->batch; i++) {
        const image_part part = image_of(pass, i);
        float *gamma = pass->saved, *dgamma = gamma + channels;
        scale_gamma(pass, part.factor, gamma);
        memset(dgamma, 0, (size_t)channels * sizeof *dgamma);
        pass->kernels->layer_scale_backward(pass->compute, &part.rows,
                                            value_at(pass, pass->x[X], part.at), gamma,
                                            (const float *)pass->dy + part.at,
                                            (void *)value_at(pass, pass->dx[X], part.at), dgamma);
        for (int c = 0; c < channels; c++) pass->gradients[0][c] += part.factor * dgamma[c];
    }
    dho_pass_residual_backward(pass);
}

/* With factors: gamma of one image, and its gradient. */
static size_t saved_bytes(const dho_node_pass *pass)
{
    const int drop = *(const int *)pass->node->attributes;
    return drop >= 0 ? 2 * (size_t)pass->node->channels * sizeof(float) : 0;
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
                                         .attribute_bytes = sizeof(int),
                                         .shape = shape,
                                         .forward = forward,
                                         .backward = backward,
                                         .backward_reads = DHO_INPUT_0,
                                         .shares_gradient = DHO_INPUT_1,
                                         .saved_bytes = saved_bytes,
                                         .onnx = onnx};

dho_value dho_graph_layer_scale(dho_graph *graph, dho_value x, const char *name, dho_value residual)
{
    const int channels = dho_graph_node(graph, x)->channels;
    const int drop = dho_graph_add_drop(graph); /* place of the branch's factor, -1: none */
    dho_node node = dho_node_begin(&layer_scale, x);
    node.attributes = (void *)&drop;
    node.inputs[RESIDUAL] = residual;
    node.parameters[0] = dho_graph_add_parameter(
        graph, name, NULL, (dho_slot){.dims = 3, .shape = {channels, 1, 1}, .init = DHO_INIT_TINY});
    return dho_graph_append(graph, node);
}

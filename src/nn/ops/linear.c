/* The linear layer of float vectors, and the builder of both linear layers. */
#include "nn/ops/linear.h"

#include "dho/alloc.h"
#include "nn/onnx_pass.h"

#include <stdio.h>

enum { WEIGHT = DHO_LINEAR_WEIGHT, BIAS = DHO_LINEAR_BIAS, NAME_BYTES = 128 };

static void shape(dho_graph *graph, dho_node *node)
{
    (void)graph;
    node->height = node->width = 1;
    node->is_float = true;
}

static void forward(const dho_node_pass *pass)
{
    const int in = pass->in[0]->channels, out = pass->node->channels;
    const float scale = *(const float *)pass->node->attributes; /* of x W^T + b */
    pass->kernels->gemm(
        pass->compute,
        &(dho_gemm_shape){.transpose_b = true, .m = pass->batch, .n = out, .k = in, .alpha = scale},
        pass->x[0], pass->parameters[WEIGHT], pass->y);
    if (pass->parameters[BIAS] != NULL)
        pass->kernels->add_bias(pass->compute, &(dho_rows_shape){pass->batch, out}, scale,
                                pass->parameters[BIAS], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const int in = pass->in[0]->channels, out = pass->node->channels;
    const float scale = *(const float *)pass->node->attributes; /* of x W^T + b */
    pass->kernels->gemm(
        pass->compute,
        &(dho_gemm_shape){
            .transpose_a = true, .m = out, .n = in, .k = pass->batch, .alpha = scale, .beta = 1},
        pass->dy, pass->x[0], pass->gradients[WEIGHT]);
    if (pass->gradients[BIAS] != NULL)
        pass->kernels->sum_float_rows(pass->compute, &(dho_rows_shape){pass->batch, out}, scale,
                                      pass->dy, pass->gradients[BIAS]);
    if (pass->dx[0] != NULL)
        pass->kernels->gemm(
            pass->compute,
            &(dho_gemm_shape){
                .m = pass->batch, .n = in, .k = out, .alpha = scale, .beta = pass->add[0] ? 1 : 0},
            pass->dy, pass->parameters[WEIGHT], pass->dx[0]);
}

double dho_linear_flops(const dho_node_pass *pass)
{
    return 2.0 * (double)pass->rows * pass->node->channels * pass->in[0]->channels;
}

const char *dho_linear_to_onnx(const dho_onnx_pass *pass, float scale)
{
    const int64_t in = pass->in[0]->channels, out = pass->node->channels;
    const char *weight, *none;
    float *values = NULL;
    dho_onnx_keep_failure(pass->onnx,
                          dho_alloc(&values, (size_t)(in * out), sizeof *values, "ONNX model"));
    for (int64_t o = 0; values != NULL && o < out; o++)
        for (int64_t i = 0; i < in; i++)
            values[i * out + o] = scale * pass->parameters[WEIGHT][o * in + i];
    if (values == NULL) return "";
    dho_onnx_add_weight(pass,
                        &(dho_onnx_weight){.name = pass->slots[WEIGHT]->name,
                                           .dims = 2,
                                           .axis = 1,
                                           .shape = {in, out},
                                           .values = values},
                        &weight, &none);
    const char *y =
        dho_onnx_call(pass->onnx, "MatMul", dho_onnx_read(pass, 0, DHO_ONNX_ROWS), weight);
    if (pass->parameters[BIAS] != NULL) {
        for (int64_t o = 0; o < out; o++) values[o] = scale * pass->parameters[BIAS][o];
        y = dho_onnx_call(pass->onnx, "Add", y,
                          dho_onnx_floats(pass->onnx, pass->slots[BIAS]->name, 1, &out, values));
    }
    dho_free(values);
    return y;
}

static void onnx(const dho_onnx_pass *pass)
{
    const float scale = *(const float *)pass->node->attributes;
    dho_onnx_write(pass, dho_linear_to_onnx(pass, scale), DHO_ONNX_ROWS);
}

static const dho_operator linear = {.name = "linear",
                                    .attribute_bytes = sizeof(float),
                                    .shape = shape,
                                    .forward = forward,
                                    .backward = backward,
                                    .can_skip_dx = true,
                                    .backward_reads = DHO_INPUT_0,
                                    .flops = dho_linear_flops,
                                    .backward_flops = 2,
                                    .onnx = onnx,
                                    .in_8_bits = DHO_ROUNDS_INPUTS};

dho_value dho_graph_linear_of(dho_graph *graph, dho_value x, const dho_linear_spec *spec)
{
    float scale = spec->scale != 0 ? spec->scale : 1;
    const dho_node *in = dho_graph_node(graph, x);
    const bool vector = in->height == 1 && in->width == 1 && in->is_float;
    const int64_t out_channels = spec->out_channels, in_channels = in->channels;
    dho_node node = dho_node_begin(vector ? &linear : &dho_tokens_linear_operator, x);
    dho_graph_demand(graph, !vector || !spec->adds, "a residual of a vector");
    dho_graph_demand(graph, vector || spec->scale == 0, "a scaled linear layer on tokens");
    node.attributes = &scale;
    node.channels = spec->out_channels;
    if (spec->adds) node.inputs[DHO_LINEAR_RESIDUAL] = spec->residual;
    node.parameters[WEIGHT] = dho_graph_add_parameter(
        graph, spec->weight, NULL,
        (dho_slot){.dims = 2,
                   .shape = {spec->transposed ? in_channels : out_channels,
                             spec->transposed ? out_channels : in_channels},
                   .transposed = spec->transposed,
                   .init = spec->init != DHO_INIT_ZEROS ? spec->init : DHO_INIT_LINEAR,
                   .fan_in = in_channels});
    if (spec->bias != NULL)
        node.parameters[BIAS] =
            dho_graph_add_vector(graph, spec->bias, NULL, out_channels,
                                 spec->zero_bias ? DHO_INIT_ZEROS : DHO_INIT_LINEAR, in_channels);
    return dho_graph_append(graph, node);
}

dho_value dho_graph_linear(dho_graph *graph, dho_value x, const char *name, int out_channels,
                           bool bias)
{
    char weight_name[NAME_BYTES], bias_name[NAME_BYTES];
    snprintf(weight_name, sizeof weight_name, "%s.weight", name);
    snprintf(bias_name, sizeof bias_name, "%s.bias", name);
    const dho_linear_spec spec = {
        .weight = weight_name, .bias = bias ? bias_name : NULL, .out_channels = out_channels};
    return dho_graph_linear_of(graph, x, &spec);
}

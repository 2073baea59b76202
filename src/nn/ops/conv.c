/* Convolution. */
#include "nn/ops/conv.h"

#include "dho/alloc.h"
#include "nn/onnx_pass.h"

enum { WEIGHT, BIAS };

typedef struct conv_attributes {
    dho_window window;
    int groups;
} conv_attributes;

dho_conv_shape dho_conv_shape_of(const dho_node_pass *pass)
{
    const conv_attributes *a = pass->node->attributes;
    return (dho_conv_shape){.batch = pass->batch,
                            .in_h = pass->in[0]->height,
                            .in_w = pass->in[0]->width,
                            .in_c = pass->in[0]->channels,
                            .out_h = pass->node->height,
                            .out_w = pass->node->width,
                            .out_c = pass->node->channels,
                            .kernel_h = a->window.kernel,
                            .kernel_w = a->window.kernel,
                            .stride = a->window.stride,
                            .padding = a->window.padding,
                            .groups = a->groups,
                            .plan_batch = pass->max_batch};
}

size_t dho_conv_row(const dho_node_pass *pass)
{
    const dho_conv_shape s = dho_conv_shape_of(pass);
    return (size_t)(s.in_c / s.groups) * (size_t)s.kernel_h * (size_t)s.kernel_w;
}

static void forward(const dho_node_pass *pass)
{
    const dho_conv_shape s = dho_conv_shape_of(pass);
    pass->kernels->conv_forward(pass->compute, &s, pass->x[0], pass->parameters[WEIGHT],
                                pass->parameters[BIAS], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_conv_shape s = dho_conv_shape_of(pass);
    pass->kernels->conv_backward_weights(pass->compute, &s, pass->x[0], pass->dy,
                                         pass->gradients[WEIGHT], pass->gradients[BIAS]);
    if (pass->dx[0] != NULL)
        pass->kernels->conv_backward_data(pass->compute, &s, pass->dy, pass->parameters[WEIGHT],
                                          pass->add[0], pass->dx[0]);
}

static dho_status reserve(const dho_node_pass *pass)
{
    const dho_conv_shape s = dho_conv_shape_of(pass);
    const bool bias = pass->node->parameters[BIAS] >= 0;
    return dho_compute_reserve_conv(pass->compute, &s,
                                    (bias ? DHO_CALL_FORWARD_BIAS : DHO_CALL_FORWARD) |
                                        dho_pass_backward_calls(pass));
}

static double flops(const dho_node_pass *pass)
{
    const dho_conv_shape s = dho_conv_shape_of(pass);
    return 2.0 * s.batch * s.out_h * s.out_w * s.out_c * ((double)s.in_c / s.groups) * s.kernel_h *
           s.kernel_w;
}

/* [out][kh][kw][in] to [out][in][kh][kw], times the factors. */
static void turn_weight(const dho_onnx_pass *pass, int64_t in, int64_t window, const float *factors,
                        float *to)
{
    const float *from = pass->parameters[WEIGHT];
    for (int64_t o = 0; o < pass->node->channels; o++)
        for (int64_t k = 0; k < window; k++)
            for (int64_t i = 0; i < in; i++)
                to[(o * in + i) * window + k] = *from++ * (factors != NULL ? factors[o] : 1);
}

const char *dho_conv_to_onnx(const dho_onnx_pass *pass, const float *factors, const float *bias)
{
    const conv_attributes *a = pass->node->attributes;
    const int k = a->window.kernel, s = a->window.stride, p = a->window.padding;
    const int64_t in = pass->in[0]->channels / a->groups, out = pass->node->channels;
    dho_onnx_weight weight = {.name = pass->slots[WEIGHT]->name,
                              .dims = 4,
                              .shape = {out, in, k, k},
                              .bias = bias != NULL ? bias : pass->parameters[BIAS]};
    float *values = NULL;
    dho_onnx_keep_failure(
        pass->onnx, dho_alloc(&values, pass->slots[WEIGHT]->count, sizeof *values, "ONNX model"));
    if (values == NULL) return "";
    turn_weight(pass, in, (int64_t)k * k, factors, values);
    weight.values = values;
    dho_onnx_node node = {.op = "Conv",
                          .inputs = {dho_onnx_read(pass, 0, DHO_ONNX_MAP)},
                          .attributes = {DHO_ONNX_ATTRIBUTE_INTS("kernel_shape", 2, k, k),
                                         DHO_ONNX_ATTRIBUTE_INTS("strides", 2, s, s),
                                         DHO_ONNX_ATTRIBUTE_INTS("pads", 4, p, p, p, p),
                                         DHO_ONNX_ATTRIBUTE_INT("group", a->groups)}};
    dho_onnx_add_weight(pass, &weight, &node.inputs[1], &node.inputs[2]);
    dho_free(values);
    return dho_onnx_add(pass->onnx, &node);
}

static void onnx(const dho_onnx_pass *pass)
{
    dho_onnx_write(pass, dho_conv_to_onnx(pass, NULL, NULL), DHO_ONNX_MAP);
}

const dho_operator dho_conv_operator = {.name = "convolution",
                                        .attribute_bytes = sizeof(conv_attributes),
                                        .shape = dho_shape_of_windows,
                                        .forward = forward,
                                        .backward = backward,
                                        .can_skip_dx = true,
                                        .backward_reads = DHO_INPUT_0,
                                        .reserve = reserve,
                                        .flops = flops,
                                        .backward_flops = 2,
                                        .onnx = onnx,
                                        .in_8_bits = DHO_ROUNDS_INPUTS | DHO_ROUNDS_OUTPUT};

dho_value dho_graph_conv(dho_graph *graph, dho_value x, const dho_conv_spec *spec)
{
    conv_attributes attributes = {
        .window = {spec->kernel, spec->stride != 0 ? spec->stride : 1, spec->padding},
        .groups = spec->groups != 0 ? spec->groups : 1};
    dho_node node = dho_node_begin(&dho_conv_operator, x);
    const int in_channels = dho_graph_node(graph, x)->channels / attributes.groups;
    const int64_t fan_in = (int64_t)in_channels * spec->kernel * spec->kernel;
    node.attributes = &attributes;
    node.channels = spec->out_channels;
    node.parameters[WEIGHT] = dho_graph_add_parameter(
        graph, spec->name, "weight",
        (dho_slot){.dims = 4,
                   .shape = {spec->out_channels, in_channels, spec->kernel, spec->kernel},
                   .is_conv = true,
                   .init = spec->init != DHO_INIT_ZEROS ? spec->init : DHO_INIT_HE_FAN_OUT,
                   .fan_in = fan_in});
    if (spec->bias)
        node.parameters[BIAS] = dho_graph_add_vector(
            graph, spec->name, "bias", spec->out_channels,
            spec->init == DHO_INIT_SMALL ? DHO_INIT_ZEROS : DHO_INIT_LINEAR, fan_in);
    return dho_graph_append(graph, node);
}

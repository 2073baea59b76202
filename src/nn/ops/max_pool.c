/* Maximum of windows. */
#include "nn/onnx_pass.h"

static dho_pool_shape pool_shape(const dho_node_pass *pass)
{
    const dho_window *w = pass->node->attributes;
    return (dho_pool_shape){.batch = pass->batch,
                            .in_h = pass->in[0]->height,
                            .in_w = pass->in[0]->width,
                            .channels = pass->in[0]->channels,
                            .out_h = pass->node->height,
                            .out_w = pass->node->width,
                            .kernel = w->kernel,
                            .stride = w->stride,
                            .padding = w->padding};
}

static void forward(const dho_node_pass *pass)
{
    const dho_pool_shape s = pool_shape(pass);
    pass->kernels->max_pool_forward(pass->compute, &s, pass->x[0], pass->y, pass->saved);
}

static void backward(const dho_node_pass *pass)
{
    const dho_pool_shape s = pool_shape(pass);
    if (pass->dx[0] != NULL)
        pass->kernels->max_pool_backward(pass->compute, &s, pass->dy, pass->saved, pass->add[0],
                                         pass->dx[0]);
}

/* Where in its window each maximum was. */
static size_t saved_bytes(const dho_node_pass *pass)
{
    return (size_t)pass->rows * (size_t)pass->node->channels;
}

static void onnx(const dho_onnx_pass *pass)
{
    const dho_window *w = pass->node->attributes;
    const int k = w->kernel, s = w->stride, p = w->padding;
    const dho_onnx_node node = {.op = "MaxPool",
                                .inputs = {dho_onnx_read(pass, 0, DHO_ONNX_MAP)},
                                .attributes = {DHO_ONNX_ATTRIBUTE_INTS("kernel_shape", 2, k, k),
                                               DHO_ONNX_ATTRIBUTE_INTS("strides", 2, s, s),
                                               DHO_ONNX_ATTRIBUTE_INTS("pads", 4, p, p, p, p)}};
    dho_onnx_write(pass, dho_onnx_add(pass->onnx, &node), DHO_ONNX_MAP);
}

static const dho_operator max_pool = {.name = "max pool",
                                      .attribute_bytes = sizeof(dho_window),
                                      .shape = dho_shape_of_windows,
                                      .forward = forward,
                                      .backward = backward,
                                      .can_skip_dx = true,
                                      .saved_bytes = saved_bytes,
                                      .onnx = onnx,
                                      .in_8_bits = DHO_ROUNDS_AS_INPUT};

dho_value dho_graph_max_pool(dho_graph *graph, dho_value x, int kernel, int stride, int padding)
{
    dho_window window = {kernel, stride, padding};
    dho_node node = dho_node_begin(&max_pool, x);
    node.attributes = &window;
    return dho_graph_append(graph, node);
}

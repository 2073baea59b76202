/* The linear layer of tokens, whose result may be added to the residual stream. Its builder is in
 * linear.c. */
#include "nn/ops/linear.h"

#include "nn/onnx_pass.h"

enum { X = DHO_LINEAR_X, RESIDUAL = DHO_LINEAR_RESIDUAL };
enum { WEIGHT = DHO_LINEAR_WEIGHT, BIAS = DHO_LINEAR_BIAS };

static void shape(dho_graph *graph, dho_node *node)
{
    const dho_node *in = dho_graph_node(graph, node->inputs[X]);
    dho_graph_demand(graph, !in->is_float, "a linear layer of the residual stream itself");
    node->height = in->height;
    node->width = in->width;
    node->is_float = node->inputs[RESIDUAL] >= 0;
    if (!node->is_float) return;
    const dho_node *residual = dho_graph_node(graph, node->inputs[RESIDUAL]);
    dho_graph_demand(graph, residual->is_float, "a residual that is not float");
    dho_graph_demand(graph, dho_same_shape(node, residual), "a residual of another shape");
}

static dho_linear_shape shape_of(const dho_node_pass *pass)
{
    return (dho_linear_shape){pass->rows, pass->in[X]->channels, pass->node->channels};
}

static void forward(const dho_node_pass *pass)
{
    const dho_linear_shape s = shape_of(pass);
    const float *weight = pass->parameters[WEIGHT], *bias = pass->parameters[BIAS];
    if (pass->x[RESIDUAL] == NULL)
        pass->kernels->linear_forward(pass->compute, &s, pass->x[X], weight, bias, pass->y);
    else
        pass->kernels->linear_add_forward(pass->compute, &s, pass->x[X], weight, bias,
                                          pass->x[RESIDUAL], pass->y);
}

static void backward(const dho_node_pass *pass)
{
    const dho_linear_shape s = shape_of(pass);
    const void *dy = pass->dy;
    if (pass->scratch != NULL) {
        pass->kernels->store(pass->compute, (size_t)s.rows * (size_t)s.out, dy, pass->scratch);
        dy = pass->scratch;
    }
    pass->kernels->linear_backward_weights(pass->compute, &s, pass->x[X], dy,
                                           pass->gradients[WEIGHT], pass->gradients[BIAS]);
    if (pass->dx[X] != NULL)
        pass->kernels->linear_backward_data(pass->compute, &s, dy, pass->parameters[WEIGHT],
                                            pass->add[X], pass->dx[X]);
    dho_pass_residual_backward(pass);
}

/* The stream's gradient in the dtype that the kernels read. */
static size_t scratch_bytes(const dho_node_pass *pass)
{
    if (!pass->node->is_float || dho_compute_dtype_of(pass->compute) == DHO_DTYPE_FP32) return 0;
    return (size_t)pass->rows * (size_t)pass->node->channels *
           dho_compute_element_bytes(pass->compute);
}

static dho_status reserve(const dho_node_pass *pass)
{
    const bool bias = pass->node->parameters[BIAS] >= 0;
    const dho_linear_shape s = shape_of(pass);
    unsigned calls = bias ? DHO_CALL_FORWARD_BIAS : DHO_CALL_FORWARD;
    if (pass->in[RESIDUAL] != NULL) calls = bias ? DHO_CALL_ADD_BIAS : DHO_CALL_ADD;
    return dho_compute_reserve_linear(pass->compute, &s, calls | dho_pass_backward_calls(pass));
}

static void onnx(const dho_onnx_pass *pass)
{
    const char *y = dho_linear_to_onnx(pass, 1);
    if (pass->in[RESIDUAL] != NULL)
        y = dho_onnx_call(pass->onnx, "Add", dho_onnx_read(pass, RESIDUAL, DHO_ONNX_ROWS), y);
    dho_onnx_write(pass, y, DHO_ONNX_ROWS);
}

const dho_operator dho_tokens_linear_operator = {.name = "linear on tokens",
                                                 .shape = shape,
                                                 .forward = forward,
                                                 .backward = backward,
                                                 .can_skip_dx = true,
                                                 .backward_reads = DHO_INPUT_0,
                                                 .shares_gradient = DHO_INPUT_1,
                                                 .scratch_bytes = scratch_bytes,
                                                 .reserve = reserve,
                                                 .flops = dho_linear_flops,
                                                 .backward_flops = 2,
                                                 .onnx = onnx,
                                                 .in_8_bits = DHO_ROUNDS_INPUTS};

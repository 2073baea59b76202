/* Batch normalisation, a residual and an activation. */
#include "nn/ops/batch_norm.h"
#include "dho/alloc.h"
#include "nn/onnx_pass.h"
#include "nn/ops/conv.h"

#include <math.h>
#include <string.h>

enum { X, RESIDUAL };
enum { GAMMA, BETA };
enum { MEAN, VARIANCE };

static const float eps = 1e-5f;

typedef struct batch_norm_attributes {
    dho_activation activation;
    bool frozen; /* training uses the running statistics */
} batch_norm_attributes;

static void shape(dho_graph *graph, dho_node *node)
{
    const batch_norm_attributes *attributes = node->attributes;
    dho_shape_of_input(graph, node);
    dho_graph_demand(graph, !dho_graph_node(graph, node->inputs[X])->is_float,
                     "batch normalisation of a float value");
    if (node->inputs[RESIDUAL] >= 0) {
        const dho_node *residual = dho_graph_node(graph, node->inputs[RESIDUAL]);
        dho_graph_demand(graph, !residual->is_float, "a residual that is float");
        dho_graph_demand(graph, dho_same_shape(node, residual), "a residual of another shape");
    }
    /* Without a residual backward has y again from x. */
    if (node->inputs[RESIDUAL] < 0 || attributes->activation == DHO_ACTIVATION_NONE)
        node->backward_reads &= ~(unsigned)DHO_OUTPUT;
}

static dho_batch_norm_shape shape_of(const dho_node_pass *pass)
{
    const batch_norm_attributes *attributes = pass->node->attributes;
    return (dho_batch_norm_shape){.rows = pass->rows,
                                  .channels = pass->node->channels,
                                  .eps = eps,
                                  .activation = attributes->activation,
                                  .frozen = attributes->frozen};
}

/* What a frozen one takes for the batch's statistics, in every forward: they lie where backward
 * looks for those. */
static void take_running(const dho_node_pass *pass, float *mean, float *inv_std)
{
    const int channels = pass->node->channels;
    memcpy(mean, pass->buffers[MEAN], (size_t)channels * sizeof *mean);
    for (int c = 0; c < channels; c++)
        inv_std[c] = (float)(1 / sqrt((double)pass->buffers[VARIANCE][c] + (double)eps));
}

/* Saved: the mean, then 1 / sqrt(variance + eps). */
static void forward(const dho_node_pass *pass)
{
    const dho_batch_norm_shape s = shape_of(pass);
    const dho_batch_norm_tensors tensors = {.x = pass->x[X],
                                            .gamma = pass->parameters[GAMMA],
                                            .beta = pass->parameters[BETA],
                                            .residual = pass->x[RESIDUAL],
                                            .y = pass->y};
    float *mean = pass->saved, *inv_std = mean + s.channels;
    if (!pass->training) {
        pass->kernels->batch_norm_inference(pass->compute, &s, &tensors, pass->buffers[MEAN],
                                            pass->buffers[VARIANCE]);
    } else if (pass->again || s.frozen) {
        if (!pass->again) take_running(pass, mean, inv_std);
        pass->kernels->batch_norm_again(pass->compute, &s, &tensors, mean, inv_std);
    } else {
        pass->kernels->batch_norm_forward(pass->compute, &s, &tensors, mean, inv_std,
                                          pass->statistics[VARIANCE]);
        memcpy(pass->statistics[MEAN], mean, (size_t)s.channels * sizeof *mean);
    }
}

static void backward(const dho_node_pass *pass)
{
    const dho_batch_norm_shape s = shape_of(pass);
    const float *mean = pass->saved, *inv_std = mean + s.channels;
    const dho_batch_norm_gradients tensors = {.x = pass->x[X],
                                              .gamma = pass->parameters[GAMMA],
                                              .beta = pass->parameters[BETA],
                                              .y = pass->x[RESIDUAL] != NULL ? pass->y : NULL,
                                              .dy = pass->dy,
                                              .accumulate_dx = pass->add[X],
                                              .accumulate_dresidual = pass->add[RESIDUAL],
                                              .dx = pass->dx[X],
                                              .dresidual = pass->dx[RESIDUAL],
                                              .dgamma = pass->gradients[GAMMA],
                                              .dbeta = pass->gradients[BETA]};
    pass->kernels->batch_norm_backward(pass->compute, &s, &tensors, mean, inv_std);
}

static size_t saved_bytes(const dho_node_pass *pass)
{
    return 2 * (size_t)pass->node->channels * sizeof(float);
}

/* A channel of one value has no variance: it would learn from its bias alone. In PyTorch's words.
 */
static dho_status check_batch(const dho_graph *graph, const dho_node *node, int batch)
{
    const batch_norm_attributes *attributes = node->attributes;
    if (attributes->frozen || batch > 1 || node->height * node->width > 1) return DHO_OK;
    const char *name = dho_graph_parameter(graph, (size_t)node->parameters[GAMMA])->name;
    return dho_fail(DHO_ERR_CONFIG,
                    "%.*s: Expected more than 1 value per channel when training, got 1 image of "
                    "1 x 1",
                    (int)(strlen(name) - strlen(".weight")), name);
}

/* With its running statistics y = factor x + term. */
static void find_factors(size_t channels, const float *const *parameters,
                         const float *const *buffers, float *factors, float *terms)
{
    for (size_t c = 0; c < channels; c++) {
        const double inv_std = 1 / sqrt((double)buffers[VARIANCE][c] + (double)eps);
        const double factor = (double)parameters[GAMMA][c] * inv_std;
        factors[c] = (float)factor;
        terms[c] = (float)((double)parameters[BETA][c] - factor * (double)buffers[MEAN][c]);
    }
}

/* With its running statistics it is a factor and a term for each channel of the convolution in
 * front of it, as which it is written. */
static void onnx(const dho_onnx_pass *pass)
{
    const batch_norm_attributes *attributes = pass->node->attributes;
    const size_t channels = (size_t)pass->node->channels;
    float *factors = NULL;
    if (pass->in[X]->op != &dho_conv_operator || pass->in[RESIDUAL] != NULL) {
        dho_onnx_refuse(pass, "is not behind a convolution of its own, or has a residual");
        return;
    }
    dho_onnx_keep_failure(pass->onnx,
                          dho_alloc(&factors, 2 * channels, sizeof *factors, "ONNX model"));
    if (factors == NULL) return;
    float *terms = factors + channels;
    find_factors(channels, pass->parameters, pass->buffers, factors, terms);
    const dho_onnx_pass conv = dho_onnx_pass_before(pass);
    const char *y = dho_conv_to_onnx(&conv, factors, terms);
    dho_onnx_write(pass, dho_onnx_activate(pass->onnx, y, attributes->activation), DHO_ONNX_MAP);
    dho_free(factors);
}

void dho_batch_norm_fold(const dho_node_pass *pass, const dho_node_pass *conv, float *weight,
                         float *bias)
{
    const size_t channels = (size_t)pass->node->channels, row = dho_conv_row(conv);
    find_factors(channels, pass->parameters, pass->buffers, weight, bias);
    for (size_t c = channels; c-- > 0;) { /* from the last on: factors are where row 0 will be */
        const float factor = weight[c], *from = conv->parameters[0] + c * row;
        for (size_t i = row; i-- > 0;) weight[c * row + i] = factor * from[i];
    }
}

static dho_conv_shape fused_shape(const dho_node_pass *pass, const dho_node_pass *conv)
{
    const batch_norm_attributes *attributes = pass->node->attributes;
    dho_conv_shape s = dho_conv_shape_of(conv);
    s.adds = pass->in[RESIDUAL] != NULL;
    s.activation = attributes->activation;
    return s;
}

dho_status dho_batch_norm_reserve_folded(const dho_node_pass *pass, const dho_node_pass *conv)
{
    const dho_conv_shape s = fused_shape(pass, conv);
    return dho_compute_reserve_conv(pass->compute, &s, DHO_CALL_FUSED);
}

void dho_batch_norm_run_folded(const dho_node_pass *pass, const dho_node_pass *conv,
                               const float *weight, const float *bias)
{
    const dho_conv_shape s = fused_shape(pass, conv);
    const size_t bytes = (size_t)pass->rows * (size_t)pass->node->channels *
                         dho_compute_element_bytes(pass->compute);
    if (s.adds && pass->x[RESIDUAL] != pass->y) memcpy(pass->y, pass->x[RESIDUAL], bytes);
    pass->kernels->conv_fused(pass->compute, &s, conv->x[X], weight, bias, pass->y);
}

const dho_operator dho_batch_norm_operator = {.name = "batch norm",
                                              .attribute_bytes = sizeof(batch_norm_attributes),
                                              .shape = shape,
                                              .forward = forward,
                                              .backward = backward,
                                              .backward_reads = DHO_INPUT_0 | DHO_OUTPUT,
                                              .saved_bytes = saved_bytes,
                                              .check_batch = check_batch,
                                              .onnx = onnx,
                                              .onnx_takes = &dho_conv_operator,
                                              .in_8_bits = DHO_ROUNDS_OUTPUT};

dho_value dho_graph_batch_norm(dho_graph *graph, dho_value x, const char *name, dho_value residual,
                               dho_activation activation)
{
    if (residual >= 0 && dho_graph_is_deployed(graph)) {
        x = dho_graph_batch_norm(graph, x, name, -1, DHO_ACTIVATION_NONE);
        return dho_graph_sum(graph, x, residual, activation);
    }
    const int channels = dho_graph_node(graph, x)->channels;
    dho_node node = dho_node_begin(&dho_batch_norm_operator, x);
    const batch_norm_attributes attributes = {activation, dho_graph_freezes_batch_norms(graph)};
    node.attributes = (void *)&attributes;
    node.inputs[RESIDUAL] = residual;
    node.parameters[GAMMA] =
        dho_graph_add_vector(graph, name, "weight", channels, DHO_INIT_ONES, 0);
    node.parameters[BETA] = dho_graph_add_vector(graph, name, "bias", channels, DHO_INIT_ZEROS, 0);
    node.buffers[MEAN] =
        dho_graph_add_buffer(graph, name, "running_mean", channels, DHO_INIT_ZEROS);
    node.buffers[VARIANCE] =
        dho_graph_add_buffer(graph, name, "running_var", channels, DHO_INIT_ONES);
    return dho_graph_append(graph, node);
}

/* Running a planned graph: one switch forward, one backward. */
#include "base/clock.h"
#include "nn/executor_internal.h"

#include <assert.h>
#include <string.h>

const void *dho_executor_value(const dho_executor *executor, dho_value x)
{
    const dho_node_memory *memory = &executor->memory[x];
    if (executor->graph->nodes[x].op == DHO_OP_INPUT) return executor->input;
    return executor->backward && memory->again != NULL ? memory->again : memory->value;
}

static int64_t rows_of(const dho_executor *executor, const dho_node *node)
{
    return (int64_t)executor->batch * node->height * node->width;
}

static void batch_norm_forward(dho_executor *executor, const dho_node *node,
                               const dho_node_memory *memory, const float *parameters,
                               const float *buffers, float *statistics, void *y)
{
    const dho_kernels *kernels = dho_compute_kernels(executor->compute);
    const dho_slot *buffer_slots = executor->graph->buffers.slots;
    const void *x = dho_executor_value(executor, node->x);
    const float *gamma = dho_executor_parameter(executor, parameters, node->weight);
    const float *beta = dho_executor_parameter(executor, parameters, node->bias);
    const void *residual =
        node->residual >= 0 ? dho_executor_value(executor, node->residual) : NULL;
    const size_t mean = buffer_slots[node->mean].offset;
    const size_t variance = buffer_slots[node->variance].offset;
    const float eps = 1e-5f;
    if (!executor->training) {
        kernels->batch_norm_inference(executor->compute, rows_of(executor, node), node->channels,
                                      eps, node->activation, x, gamma, beta, buffers + mean,
                                      buffers + variance, residual, y);
        return;
    }
    float *saved_mean = memory->saved, *saved_inv_std = saved_mean + node->channels;
    if (executor->backward) {
        kernels->batch_norm_again(executor->compute, rows_of(executor, node), node->channels,
                                  node->activation, x, gamma, beta, saved_mean, saved_inv_std,
                                  residual, y);
        return;
    }
    kernels->batch_norm_forward(executor->compute, rows_of(executor, node), node->channels, eps,
                                node->activation, x, gamma, beta, residual, y, saved_mean,
                                saved_inv_std, statistics + variance);
    memcpy(statistics + mean, saved_mean, (size_t)node->channels * sizeof(float));
}

/* In backward, makes a value again. */
static void node_forward(dho_executor *executor, int index, const float *parameters,
                         const float *buffers, float *statistics)
{
    dho_compute *compute = executor->compute;
    const dho_kernels *kernels = dho_compute_kernels(compute);
    const dho_node *node = &executor->graph->nodes[index];
    const dho_node_memory *memory = &executor->memory[index];
    if (node->op == DHO_OP_INPUT) return;
    const dho_node *in = &executor->graph->nodes[node->x];
    void *y = executor->backward ? memory->again : memory->value;
    const void *x = dho_executor_value(executor, node->x);
    const float *weight = dho_executor_parameter(executor, parameters, node->weight);
    const float *bias = dho_executor_parameter(executor, parameters, node->bias);
    switch (node->op) {
    case DHO_OP_INPUT:
        break;
    case DHO_OP_CONV: {
        const dho_conv_shape shape = dho_executor_conv_shape(executor, node, executor->batch);
        kernels->conv_forward(compute, &shape, x, weight, bias, y);
        break;
    }
    case DHO_OP_BATCH_NORM:
        batch_norm_forward(executor, node, memory, parameters, buffers, statistics, y);
        break;
    case DHO_OP_MAX_POOL: {
        const dho_pool_shape shape = dho_node_pool_shape(executor->graph, node, executor->batch);
        kernels->max_pool_forward(compute, &shape, x, y, memory->saved);
        break;
    }
    case DHO_OP_AVERAGE_POOL:
        kernels->average_pool_forward(compute, executor->batch, in->height * in->width,
                                      in->channels, x, y);
        break;
    case DHO_OP_LINEAR:
        kernels->gemm(compute, false, true, executor->batch, node->channels, in->channels,
                      node->scale, x, in->channels, weight, in->channels, 0, y, node->channels);
        if (bias != NULL)
            kernels->add_bias(compute, executor->batch, node->channels, node->scale, bias, y);
        break;
    case DHO_OP_L2_NORMALISE:
        kernels->l2_normalise_forward(compute, executor->batch, node->channels, x, y,
                                      memory->saved);
        break;
    default:
        dho_executor_tokens_forward(executor, index, parameters, y);
    }
}

/* Books the time since `start` on a node's kind; returns now. */
static double charge(dho_executor *executor, int index, int pass, double start)
{
    const double now = dho_seconds_now();
    executor->seconds[executor->graph->nodes[index].op][pass] += now - start;
    return now;
}

void dho_executor_forward(dho_executor *executor, int batch, const void *input,
                          const float *parameters, const float *buffers, float *statistics)
{
    assert(executor->prepared[batch]);
    executor->batch = batch;
    executor->input = input;
    executor->backward = false;
    double start = dho_seconds_now();
    for (int i = 0; i < executor->graph->count; i++) {
        node_forward(executor, i, parameters, buffers, statistics);
        start = charge(executor, i, 0, start);
    }
}

static void linear_backward(dho_executor *executor, const dho_node *node,
                            const dho_node_memory *memory, const float *weight, float *dweight,
                            float *dbias, float *dx)
{
    dho_compute *compute = executor->compute;
    const dho_kernels *kernels = dho_compute_kernels(compute);
    const int in = executor->graph->nodes[node->x].channels, out = node->channels;
    const float *x = dho_executor_value(executor, node->x), *dy = memory->gradient;
    kernels->gemm(compute, true, false, out, in, executor->batch, node->scale, dy, out, x, in, 1,
                  dweight, in);
    if (dbias != NULL)
        kernels->sum_float_rows(compute, executor->batch, out, node->scale, dy, dbias);
    if (dx != NULL)
        kernels->gemm(compute, false, false, executor->batch, in, out, node->scale, dy, out, weight,
                      in, memory->accumulate[0] ? 1 : 0, dx, in);
}

static void node_backward(dho_executor *executor, int index, const float *parameters,
                          float *gradients)
{
    dho_compute *compute = executor->compute;
    const dho_kernels *kernels = dho_compute_kernels(compute);
    const dho_node *node = &executor->graph->nodes[index];
    const dho_node_memory *memory = &executor->memory[index];
    if (node->op == DHO_OP_INPUT) return;
    const dho_node *in = &executor->graph->nodes[node->x];
    const void *x = dho_executor_value(executor, node->x), *dy = memory->gradient;
    const float *weight = dho_executor_parameter(executor, parameters, node->weight);
    float *dweight = dho_executor_slot(executor, gradients, node->weight);
    float *dbias = dho_executor_slot(executor, gradients, node->bias);
    void *dx = executor->memory[node->x].gradient; /* NULL for the input */
    const bool add = memory->accumulate[0];
    switch (node->op) {
    case DHO_OP_INPUT:
        break;
    case DHO_OP_CONV: {
        const dho_conv_shape shape = dho_executor_conv_shape(executor, node, executor->batch);
        kernels->conv_backward_weights(compute, &shape, x, dy, dweight, dbias);
        if (dx != NULL) kernels->conv_backward_data(compute, &shape, dy, weight, add, dx);
        break;
    }
    case DHO_OP_BATCH_NORM: {
        const float *mean = memory->saved;
        void *dresidual = node->residual >= 0 ? executor->memory[node->residual].gradient : NULL;
        kernels->batch_norm_backward(
            compute, rows_of(executor, node), node->channels, node->activation, x,
            node->residual >= 0 ? dho_executor_value(executor, index) : NULL, dy, weight,
            dho_executor_parameter(executor, parameters, node->bias), mean, mean + node->channels,
            add, dx, memory->accumulate[1], dresidual, dweight, dbias);
        break;
    }
    case DHO_OP_MAX_POOL: {
        const dho_pool_shape shape = dho_node_pool_shape(executor->graph, node, executor->batch);
        if (dx != NULL) kernels->max_pool_backward(compute, &shape, dy, memory->saved, add, dx);
        break;
    }
    case DHO_OP_AVERAGE_POOL:
        if (dx != NULL)
            kernels->average_pool_backward(compute, executor->batch, in->height * in->width,
                                           in->channels, dy, add, dx);
        break;
    case DHO_OP_LINEAR:
        linear_backward(executor, node, memory, weight, dweight, dbias, dx);
        break;
    case DHO_OP_L2_NORMALISE:
        if (dx != NULL)
            kernels->l2_normalise_backward(compute, executor->batch, node->channels,
                                           dho_executor_value(executor, index), memory->saved, dy,
                                           add, dx);
        break;
    default:
        dho_executor_tokens_backward(executor, index, parameters, gradients);
    }
}

void dho_executor_capture_gradient(dho_executor *executor, dho_value x, float *out)
{
    executor->captured = x;
    executor->capture_out = out;
}

/* A gradient is whole when its operator's backward begins; after that its memory may be others'. */
static void capture(const dho_executor *executor, int index)
{
    if (index != executor->captured || executor->capture_out == NULL) return;
    const size_t channels = (size_t)executor->graph->nodes[index].channels;
    memcpy(executor->capture_out, executor->memory[index].gradient,
           (size_t)executor->batch * channels * sizeof(float));
}

void dho_executor_backward(dho_executor *executor, const float *parameters, float *gradients)
{
    double start = dho_seconds_now();
    executor->backward = true;
    for (int i = executor->graph->count - 1; i >= 0; i--) {
        for (int j = executor->memory[i].replay_from; j <= i; j++) {
            if (executor->memory[j].replay_at != i) continue;
            node_forward(executor, j, parameters, NULL, NULL);
            start = charge(executor, j, 1, start);
        }
        capture(executor, i);
        node_backward(executor, i, parameters, gradients);
        start = charge(executor, i, 1, start);
    }
}

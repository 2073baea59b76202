/* Running a planned graph: one switch forward, one backward. */
#include "base/clock.h"
#include "nn/executor_internal.h"

#include <string.h>

static const void *value_of(const dho_executor *executor, dho_value x)
{
    if (executor->graph->nodes[x].op == DHO_OP_INPUT) return executor->input;
    return executor->memory[x].value;
}

static const float *parameter_of(const dho_executor *executor, const float *slab, int index)
{
    return index >= 0 ? slab + executor->graph->parameters.slots[index].offset : NULL;
}

static int64_t rows_of(const dho_executor *executor, const dho_node *node)
{
    return (int64_t)executor->batch * node->height * node->width;
}

static void batch_norm_forward(dho_executor *executor, const dho_node *node,
                               dho_node_memory *memory, const float *parameters,
                               const float *buffers, float *statistics)
{
    const dho_kernels *kernels = dho_compute_kernels(executor->compute);
    const dho_slot *buffer_slots = executor->graph->buffers.slots;
    const void *x = value_of(executor, node->x);
    const float *gamma = parameter_of(executor, parameters, node->weight);
    const float *beta = parameter_of(executor, parameters, node->bias);
    const void *residual = node->residual >= 0 ? value_of(executor, node->residual) : NULL;
    const size_t mean = buffer_slots[node->mean].offset;
    const size_t variance = buffer_slots[node->variance].offset;
    const float eps = 1e-5f;
    if (!executor->training) {
        kernels->batch_norm_inference(executor->compute, rows_of(executor, node), node->channels,
                                      eps, node->activation, x, gamma, beta, buffers + mean,
                                      buffers + variance, residual, memory->value);
        return;
    }
    float *saved_mean = memory->saved;
    kernels->batch_norm_forward(executor->compute, rows_of(executor, node), node->channels, eps,
                                node->activation, x, gamma, beta, residual, memory->value,
                                saved_mean, saved_mean + node->channels, statistics + variance);
    memcpy(statistics + mean, saved_mean, (size_t)node->channels * sizeof(float));
}

static void node_forward(dho_executor *executor, int index, const float *parameters,
                         const float *buffers, float *statistics)
{
    dho_compute *compute = executor->compute;
    const dho_kernels *kernels = dho_compute_kernels(compute);
    const dho_node *node = &executor->graph->nodes[index];
    dho_node_memory *memory = &executor->memory[index];
    if (node->op == DHO_OP_INPUT) return;
    const dho_node *in = &executor->graph->nodes[node->x];
    const void *x = value_of(executor, node->x);
    const float *weight = parameter_of(executor, parameters, node->weight);
    const float *bias = parameter_of(executor, parameters, node->bias);
    void *y = memory->value;
    switch (node->op) {
    case DHO_OP_INPUT:
        break;
    case DHO_OP_CONV: {
        const dho_conv_shape shape = dho_node_conv_shape(executor->graph, node, executor->batch);
        kernels->conv_forward(compute, &shape, x, weight, bias, y);
        break;
    }
    case DHO_OP_BATCH_NORM:
        batch_norm_forward(executor, node, memory, parameters, buffers, statistics);
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
        kernels->gemm(compute, false, true, executor->batch, node->channels, in->channels, 1, x,
                      in->channels, weight, in->channels, 0, y, node->channels);
        if (bias != NULL) kernels->add_bias(compute, executor->batch, node->channels, bias, y);
        break;
    case DHO_OP_L2_NORMALISE:
        kernels->l2_normalise_forward(compute, executor->batch, node->channels, x, y,
                                      memory->saved);
        break;
    }
}

/* Books the time since `start` on a node's kind; returns now. */
static double charge(dho_executor *executor, int index, int pass, double start)
{
    const double now = dho_seconds_now();
    executor->seconds[executor->graph->nodes[index].op][pass] += now - start;
    return now;
}

void dho_executor_forward(dho_executor *executor, int batch, const float *input,
                          const float *parameters, const float *buffers, float *statistics)
{
    executor->batch = batch;
    executor->input = input;
    for (int i = 0; i < executor->graph->count; i++) {
        const dho_node *node = &executor->graph->nodes[i];
        if (node->op != DHO_OP_INPUT || executor->memory[i].value == NULL) continue;
        dho_compute_kernels(executor->compute)
            ->store(executor->compute, (size_t)rows_of(executor, node) * (size_t)node->channels,
                    input, executor->memory[i].value);
        executor->input = executor->memory[i].value;
    }
    double start = dho_seconds_now();
    for (int i = 0; i < executor->graph->count; i++) {
        node_forward(executor, i, parameters, buffers, statistics);
        start = charge(executor, i, 0, start);
    }
}

static float *slab_range(const dho_executor *executor, float *slab, int index)
{
    return index >= 0 ? slab + executor->graph->parameters.slots[index].offset : NULL;
}

static void linear_backward(dho_executor *executor, const dho_node *node,
                            const dho_node_memory *memory, const float *weight, float *dweight,
                            float *dbias, float *dx)
{
    dho_compute *compute = executor->compute;
    const dho_kernels *kernels = dho_compute_kernels(compute);
    const int in = executor->graph->nodes[node->x].channels, out = node->channels;
    const float *x = value_of(executor, node->x), *dy = memory->gradient;
    kernels->gemm(compute, true, false, out, in, executor->batch, 1, dy, out, x, in, 1, dweight,
                  in);
    if (dbias != NULL) kernels->sum_float_rows(compute, executor->batch, out, dy, dbias);
    if (dx != NULL)
        kernels->gemm(compute, false, false, executor->batch, in, out, 1, dy, out, weight, in,
                      memory->accumulate_x ? 1 : 0, dx, in);
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
    const void *x = value_of(executor, node->x), *dy = memory->gradient;
    const float *weight = parameter_of(executor, parameters, node->weight);
    float *dweight = slab_range(executor, gradients, node->weight);
    float *dbias = slab_range(executor, gradients, node->bias);
    void *dx = executor->memory[node->x].gradient; /* NULL for the input */
    const bool add = memory->accumulate_x;
    switch (node->op) {
    case DHO_OP_INPUT:
        break;
    case DHO_OP_CONV: {
        const dho_conv_shape shape = dho_node_conv_shape(executor->graph, node, executor->batch);
        kernels->conv_backward_weights(compute, &shape, x, dy, dweight, dbias);
        if (dx != NULL) kernels->conv_backward_data(compute, &shape, dy, weight, add, dx);
        break;
    }
    case DHO_OP_BATCH_NORM: {
        const float *mean = memory->saved;
        void *dresidual = node->residual >= 0 ? executor->memory[node->residual].gradient : NULL;
        kernels->batch_norm_backward(
            compute, rows_of(executor, node), node->channels, node->activation, x,
            node->residual >= 0 ? memory->value : NULL, dy, weight,
            parameter_of(executor, parameters, node->bias), mean, mean + node->channels, add, dx,
            memory->accumulate_residual, dresidual, dweight, dbias);
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
            kernels->l2_normalise_backward(compute, executor->batch, node->channels, memory->value,
                                           memory->saved, dy, add, dx);
        break;
    }
}

void dho_executor_backward(dho_executor *executor, const float *parameters, float *gradients)
{
    double start = dho_seconds_now();
    for (int i = executor->graph->count - 1; i >= 0; i--) {
        node_backward(executor, i, parameters, gradients);
        start = charge(executor, i, 1, start);
    }
}

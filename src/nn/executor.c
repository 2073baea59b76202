/* The executor's plan: lifetimes of all activations, gradients and saved values; one arena. */
#include "nn/executor_internal.h"

#include "dho/alloc.h"
#include "nn/planner.h"

#include <string.h>

dho_conv_shape dho_node_conv_shape(const dho_graph *graph, const dho_node *node, int batch)
{
    const dho_node *in = &graph->nodes[node->x];
    return (dho_conv_shape){.batch = batch,
                            .in_h = in->height,
                            .in_w = in->width,
                            .in_c = in->channels,
                            .out_h = node->height,
                            .out_w = node->width,
                            .out_c = node->channels,
                            .kernel_h = node->kernel,
                            .kernel_w = node->kernel,
                            .stride = node->stride,
                            .padding = node->padding,
                            .groups = node->groups};
}

dho_pool_shape dho_node_pool_shape(const dho_graph *graph, const dho_node *node, int batch)
{
    const dho_node *in = &graph->nodes[node->x];
    return (dho_pool_shape){.batch = batch,
                            .in_h = in->height,
                            .in_w = in->width,
                            .channels = in->channels,
                            .out_h = node->height,
                            .out_w = node->width,
                            .kernel = node->kernel,
                            .stride = node->stride,
                            .padding = node->padding};
}

static size_t output_elements(const dho_node *node, int batch)
{
    return (size_t)batch * (size_t)node->height * (size_t)node->width * (size_t)node->channels;
}

/* Vectors of an image (pooled features and what follows) are float, maps have the compute dtype. */
static bool is_float(const dho_node *node)
{
    return node->op == DHO_OP_AVERAGE_POOL || node->op == DHO_OP_LINEAR ||
           node->op == DHO_OP_L2_NORMALISE;
}

static size_t output_bytes(const dho_executor *executor, const dho_node *node)
{
    return output_elements(node, executor->max_batch) *
           (is_float(node) ? sizeof(float) : dho_compute_element_bytes(executor->compute));
}

static size_t saved_bytes(const dho_node *node, int batch)
{
    switch (node->op) {
    case DHO_OP_MAX_POOL:
        return output_elements(node, batch);
    case DHO_OP_L2_NORMALISE:
        return (size_t)batch * sizeof(float);
    case DHO_OP_BATCH_NORM:
        return 2 * (size_t)node->channels * sizeof(float);
    default:
        return 0;
    }
}

/* Which of its inputs' and its own values a node's backward reads. */
static bool backward_reads_input(const dho_node *node)
{
    return node->op == DHO_OP_CONV || node->op == DHO_OP_BATCH_NORM || node->op == DHO_OP_LINEAR;
}

static bool backward_reads_output(const dho_node *node)
{
    const bool masked = node->activation != DHO_ACTIVATION_NONE && node->residual >= 0;
    return (node->op == DHO_OP_BATCH_NORM && masked) || node->op == DHO_OP_L2_NORMALISE;
}

static void extend(dho_block *block, int time)
{
    if (block->first > time) block->first = time;
    if (block->last < time) block->last = time;
}

/* Time: forward of node i at i, the losses at n, backward of node i at 2n - i. Blocks: values at
 * 0 .. n-1, gradients at n .. 2n-1, saved values at 2n .. 3n-1. */
static void plan_lifetimes(const dho_executor *executor, dho_block *blocks)
{
    const dho_graph *graph = executor->graph;
    const int n = graph->count, batch = executor->max_batch;
    dho_block *values = blocks, *gradients = blocks + n, *saved = blocks + 2 * n;
    for (int i = 0; i < n; i++) {
        const dho_node *node = &graph->nodes[i];
        const size_t bytes = output_bytes(executor, node);
        values[i] = (dho_block){.first = i, .last = i};
        if (node->op == DHO_OP_INPUT) { /* read again by the first layer's backward */
            const bool copied = dho_compute_dtype_of(executor->compute) != DHO_DTYPE_FP32;
            values[i].bytes = copied ? bytes : 0;
            continue;
        }
        values[i].bytes = bytes;
        if (node->is_output) extend(&values[i], n);
        const dho_value inputs[2] = {node->x, node->residual};
        for (int k = 0; k < 2; k++)
            if (inputs[k] >= 0) extend(&values[inputs[k]], i);
        const int backward = 2 * n - i;
        saved[i] = (dho_block){.bytes = saved_bytes(node, batch),
                               .first = i,
                               .last = executor->training ? backward : i};
        if (!executor->training) continue;
        gradients[i] = (dho_block){.bytes = bytes, .first = backward, .last = backward};
        if (node->is_output) extend(&gradients[i], n);
        if (backward_reads_input(node)) extend(&values[node->x], backward);
        if (backward_reads_output(node)) extend(&values[i], backward);
    }
    /* A gradient lives from its first writer, the last consumer, to its own node's backward. */
    for (int i = 0; i < n && executor->training; i++) {
        const dho_value inputs[2] = {graph->nodes[i].x, graph->nodes[i].residual};
        for (int k = 0; k < 2; k++)
            if (inputs[k] >= 0 && gradients[inputs[k]].bytes > 0)
                extend(&gradients[inputs[k]], 2 * n - i);
    }
}

/* In backward order, the first writer of a gradient sets it, later ones add. Outputs are set by
 * the caller, so that every operator that reads an output adds to it. */
static void plan_accumulation(dho_executor *executor, bool *written)
{
    const dho_graph *graph = executor->graph;
    for (int i = 0; i < graph->count; i++) written[i] = graph->nodes[i].is_output;
    for (int i = graph->count - 1; i >= 0; i--) {
        const dho_node *node = &graph->nodes[i];
        if (node->x >= 0) {
            executor->memory[i].accumulate_x = written[node->x];
            written[node->x] = true;
        }
        if (node->residual >= 0) {
            executor->memory[i].accumulate_residual = written[node->residual];
            written[node->residual] = true;
        }
    }
}

static dho_status reserve_scratch(dho_executor *executor)
{
    const dho_graph *graph = executor->graph;
    for (int i = 0; i < graph->count; i++) {
        if (graph->nodes[i].op != DHO_OP_CONV) continue;
        const dho_conv_shape shape =
            dho_node_conv_shape(graph, &graph->nodes[i], executor->max_batch);
        DHO_TRY(dho_compute_reserve_conv(executor->compute, &shape));
    }
    return DHO_OK;
}

dho_status dho_executor_create(dho_executor **out, const dho_graph *graph,
                               const dho_executor_options *options)
{
    dho_status status;
    dho_executor *executor;
    dho_block *blocks = NULL;
    bool *written = NULL;
    const size_t n = (size_t)graph->count;
    *out = NULL;
    DHO_TRY(dho_alloc_zero(&executor, 1, sizeof *executor, "executor"));
    executor->graph = graph;
    executor->compute = options->compute;
    executor->max_batch = options->batch;
    executor->training = options->training;
    DHO_TRY_GOTO(dho_alloc_zero(&executor->memory, n, sizeof *executor->memory, "executor"));
    DHO_TRY_GOTO(dho_alloc_zero(&blocks, 3 * n, sizeof *blocks, "memory plan"));
    DHO_TRY_GOTO(dho_alloc_zero(&written, n, sizeof *written, "memory plan"));
    plan_lifetimes(executor, blocks);
    plan_accumulation(executor, written);
    DHO_TRY_GOTO(dho_planner_place(blocks, 3 * n, &executor->arena_bytes));
    DHO_TRY_GOTO(dho_alloc_zero(&executor->arena, executor->arena_bytes, 1, "activations"));
    for (size_t i = 0; i < n; i++) {
        dho_node_memory *memory = &executor->memory[i];
        char *base = executor->arena;
        if (blocks[i].bytes > 0) memory->value = base + blocks[i].offset;
        if (blocks[n + i].bytes > 0) memory->gradient = base + blocks[n + i].offset;
        if (blocks[2 * n + i].bytes > 0) memory->saved = base + blocks[2 * n + i].offset;
    }
    DHO_TRY_GOTO(reserve_scratch(executor));
    *out = executor;
    executor = NULL;
fail:
    dho_free(blocks);
    dho_free(written);
    dho_executor_destroy(&executor);
    return status;
}

void dho_executor_destroy(dho_executor **inout)
{
    dho_executor *executor = *inout;
    if (executor == NULL) return;
    dho_free(executor->arena);
    dho_free(executor->memory);
    dho_free(executor);
    *inout = NULL;
}

const float *dho_executor_output(const dho_executor *executor, dho_value x)
{
    return executor->memory[x].value;
}

float *dho_executor_output_gradient(dho_executor *executor, dho_value x)
{
    return executor->memory[x].gradient;
}

size_t dho_executor_arena_bytes(const dho_executor *executor)
{
    return executor->arena_bytes;
}

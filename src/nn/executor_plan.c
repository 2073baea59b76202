/* The executor's plan: what lives when, who adds to a gradient and who sets it, which values
 * backward makes again. */
#include "nn/executor_plan.h"

#include "dho/alloc.h"

static size_t output_elements(const dho_node *node, int batch)
{
    return (size_t)batch * (size_t)node->height * (size_t)node->width * (size_t)node->channels;
}

static size_t output_bytes(const dho_executor *executor, const dho_node *node)
{
    return output_elements(node, executor->max_batch) *
           (node->is_float ? sizeof(float) : dho_compute_element_bytes(executor->compute));
}

static size_t saved_bytes(const dho_executor *executor, const dho_node *node)
{
    const int batch = executor->max_batch;
    switch (node->op) {
    case DHO_OP_MAX_POOL:
        return output_elements(node, batch);
    case DHO_OP_L2_NORMALISE:
        return (size_t)batch * sizeof(float);
    case DHO_OP_BATCH_NORM:
        return 2 * (size_t)node->channels * sizeof(float);
    case DHO_OP_ATTENTION_POOL: {
        const dho_node *keys = &executor->graph->nodes[node->residual];
        return dho_executor_tokens_saved(node, keys->height * keys->width, batch);
    }
    default:
        return dho_executor_tokens_saved(node, node->height * node->width, batch);
    }
}

/* Which of its inputs a node's backward reads. */
static bool backward_reads_input(const dho_node *node, int k)
{
    switch (node->op) {
    case DHO_OP_CONV:
    case DHO_OP_BATCH_NORM:
    case DHO_OP_LINEAR:
    case DHO_OP_LAYER_NORM:
    case DHO_OP_TOKENS_LINEAR:
    case DHO_OP_BIAS_GELU:
    case DHO_OP_ATTENTION:
        return k == 0;
    case DHO_OP_ATTENTION_POOL:
        return true;
    default:
        return false;
    }
}

static bool backward_reads_output(const dho_node *node)
{
    const bool masked = node->activation != DHO_ACTIVATION_NONE && node->residual >= 0;
    return (node->op == DHO_OP_BATCH_NORM && masked) || node->op == DHO_OP_L2_NORMALISE ||
           node->op == DHO_OP_ATTENTION;
}

/* Kernels that can only set the gradients of their inputs. */
static bool only_sets(const dho_node *node)
{
    return node->op == DHO_OP_BIAS_GELU || node->op == DHO_OP_ATTENTION ||
           node->op == DHO_OP_ATTENTION_POOL || node->op == DHO_OP_EMBED_TOKENS;
}

/* A node whose input's gradient may take the place of its own: in a residual stream they are the
 * same numbers, GELU's backward works in place. */
static bool hands_on(const dho_node *node, int k)
{
    return (node->op == DHO_OP_TOKENS_LINEAR && k == 1) || (node->op == DHO_OP_BIAS_GELU && k == 0);
}

/* In backward order, the first writer of a gradient sets it, later ones add. Outputs are set by
 * the caller, so that every operator that reads an output adds to it. */
static dho_status plan_gradients(dho_executor *executor, dho_plan *plan)
{
    const dho_graph *graph = executor->graph;
    for (int i = 0; i < graph->count; i++) {
        plan->written[i] = graph->nodes[i].is_output;
        plan->gradient_of[i] = i;
    }
    for (int i = graph->count - 1; i >= 0; i--) {
        const dho_node *node = &graph->nodes[i];
        dho_value inputs[DHO_NODE_INPUTS];
        dho_node_inputs(node, inputs);
        for (int k = 0; k < DHO_NODE_INPUTS; k++) {
            if (inputs[k] < 0) continue;
            const bool written = plan->written[inputs[k]];
            if (written && only_sets(node))
                return dho_fail(DHO_ERR_CONFIG,
                                "model: operator %d: its input %d is read elsewhere, too", i,
                                inputs[k]);
            executor->memory[i].accumulate[k] = written;
            plan->written[inputs[k]] = true;
            if (!written && hands_on(node, k) && !node->is_output)
                plan->gradient_of[inputs[k]] = plan->gradient_of[i];
        }
    }
    return DHO_OK;
}

static void extend(dho_block *block, int time)
{
    if (block->first > time) block->first = time;
    if (block->last < time) block->last = time;
}

/* Blocks of kind `kind` of node i. */
static dho_block *block_at(dho_plan *plan, dho_plan_kind kind, int i)
{
    return &plan->blocks[(size_t)kind * (size_t)plan->count + (size_t)i];
}

/* Values that nobody outside of their block reads in forward. */
static void plan_recomputation(const dho_executor *executor, dho_plan *plan,
                               dho_recompute recompute)
{
    const dho_graph *graph = executor->graph;
    for (int i = 0; i < graph->count; i++) {
        const dho_node *node = &graph->nodes[i];
        const bool inside = recompute == DHO_RECOMPUTE_BLOCK && node->block > 0;
        plan->again[i] = executor->training && !node->is_output && (node->cheap || inside);
    }
    for (int i = 0; i < graph->count; i++) {
        dho_value inputs[DHO_NODE_INPUTS];
        dho_node_inputs(&graph->nodes[i], inputs);
        for (int k = 0; k < DHO_NODE_INPUTS; k++)
            if (inputs[k] >= 0 && !graph->nodes[inputs[k]].cheap &&
                graph->nodes[inputs[k]].block != graph->nodes[i].block)
                plan->again[inputs[k]] = false;
    }
}

/* Backward of node `at` (or a node that runs again before it) reads x: it is kept until then, or
 * made again before the first such reader, from inputs that are there then. */
static void need(dho_executor *executor, dho_plan *plan, dho_value x, int at)
{
    const int time = 2 * plan->count - at;
    if (!plan->again[x]) {
        extend(block_at(plan, DHO_PLAN_VALUE, x), time);
        return;
    }
    dho_node_memory *memory = &executor->memory[x];
    dho_block *block = block_at(plan, DHO_PLAN_AGAIN, x);
    if (memory->replay_at >= 0) {
        extend(block, time);
        return;
    }
    memory->replay_at = at;
    if (executor->memory[at].replay_from > x) executor->memory[at].replay_from = x;
    *block = (dho_block){
        .bytes = output_bytes(executor, &executor->graph->nodes[x]), .first = time, .last = time};
    dho_value inputs[DHO_NODE_INPUTS];
    dho_node_inputs(&executor->graph->nodes[x], inputs);
    for (int k = 0; k < DHO_NODE_INPUTS; k++)
        if (inputs[k] >= 0) need(executor, plan, inputs[k], at);
}

/* Time: forward of node i at i, the losses at n, backward of node i at 2n - i. */
static void plan_forward(const dho_executor *executor, dho_plan *plan)
{
    const dho_graph *graph = executor->graph;
    const int n = graph->count;
    for (int i = 0; i < n; i++) {
        const dho_node *node = &graph->nodes[i];
        dho_block *value = block_at(plan, DHO_PLAN_VALUE, i);
        *value = (dho_block){.first = i, .last = i};
        if (node->op == DHO_OP_INPUT) continue; /* the caller's */
        value->bytes = output_bytes(executor, node);
        if (node->is_output) extend(value, n);
        dho_value inputs[DHO_NODE_INPUTS];
        dho_node_inputs(node, inputs);
        for (int k = 0; k < DHO_NODE_INPUTS; k++)
            if (inputs[k] >= 0) extend(block_at(plan, DHO_PLAN_VALUE, inputs[k]), i);
        *block_at(plan, DHO_PLAN_SAVED, i) =
            (dho_block){.bytes = saved_bytes(executor, node),
                        .first = i,
                        .last = executor->training ? 2 * n - i : i};
    }
}

/* A gradient lives from its first writer, the last consumer, to its own node's backward; where it
 * takes another's place, that lives as long. */
static void plan_gradient_blocks(const dho_executor *executor, dho_plan *plan)
{
    const dho_graph *graph = executor->graph;
    const int n = graph->count;
    const bool rounds = dho_compute_dtype_of(executor->compute) != DHO_DTYPE_FP32;
    for (int i = n - 1; i >= 0; i--) {
        const dho_node *node = &graph->nodes[i];
        const int backward = 2 * n - i, owner = plan->gradient_of[i];
        if (node->op == DHO_OP_INPUT) continue;
        dho_block *block = block_at(plan, DHO_PLAN_GRADIENT, owner);
        if (owner == i)
            *block = (dho_block){
                .bytes = output_bytes(executor, node), .first = backward, .last = backward};
        extend(block, node->is_output ? n : backward);
        extend(block, backward);
        if (node->op == DHO_OP_TOKENS_LINEAR && node->is_float && rounds)
            *block_at(plan, DHO_PLAN_ROUNDED, i) =
                (dho_block){.bytes = output_elements(node, executor->max_batch) *
                                     dho_compute_element_bytes(executor->compute),
                            .first = backward,
                            .last = backward};
    }
    for (int i = 0; i < n; i++) {
        dho_value inputs[DHO_NODE_INPUTS];
        dho_node_inputs(&graph->nodes[i], inputs);
        for (int k = 0; k < DHO_NODE_INPUTS; k++)
            if (inputs[k] >= 0 && graph->nodes[inputs[k]].op != DHO_OP_INPUT)
                extend(block_at(plan, DHO_PLAN_GRADIENT, plan->gradient_of[inputs[k]]), 2 * n - i);
    }
}

static void plan_backward_reads(dho_executor *executor, dho_plan *plan)
{
    const dho_graph *graph = executor->graph;
    for (int i = graph->count - 1; i >= 0; i--) {
        const dho_node *node = &graph->nodes[i];
        dho_value inputs[DHO_NODE_INPUTS];
        dho_node_inputs(node, inputs);
        for (int k = 0; k < DHO_NODE_INPUTS; k++)
            if (inputs[k] >= 0 && backward_reads_input(node, k)) need(executor, plan, inputs[k], i);
        if (backward_reads_output(node)) need(executor, plan, i, i);
    }
}

dho_status dho_plan_make(dho_plan *plan, dho_executor *executor, dho_recompute recompute)
{
    const size_t n = (size_t)executor->graph->count;
    *plan = (dho_plan){.count = (int)n};
    DHO_TRY(dho_alloc_zero(&plan->blocks, DHO_PLAN_KINDS * n, sizeof *plan->blocks, "memory plan"));
    DHO_TRY(dho_alloc_zero(&plan->written, n, sizeof *plan->written, "memory plan"));
    DHO_TRY(dho_alloc_zero(&plan->again, n, sizeof *plan->again, "memory plan"));
    DHO_TRY(dho_alloc_zero(&plan->gradient_of, n, sizeof *plan->gradient_of, "memory plan"));
    for (size_t i = 0; i < n; i++) {
        executor->memory[i].replay_at = -1;
        executor->memory[i].replay_from = (int)n;
    }
    plan_recomputation(executor, plan, recompute);
    plan_forward(executor, plan);
    if (!executor->training) return DHO_OK;
    for (size_t i = 0; i < n; i++)
        if (executor->graph->nodes[i].op == DHO_OP_EMBED_TEXT)
            return dho_fail(DHO_ERR_CONFIG, "model: a text tower can be run, not trained");
    DHO_TRY(plan_gradients(executor, plan));
    plan_gradient_blocks(executor, plan);
    plan_backward_reads(executor, plan);
    return DHO_OK;
}

void dho_plan_free(dho_plan *plan)
{
    dho_free(plan->blocks);
    dho_free(plan->written);
    dho_free(plan->again);
    dho_free(plan->gradient_of);
    *plan = (dho_plan){0};
}

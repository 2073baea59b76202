/* The executor's plan: what lives when, who adds to a gradient and who sets it, which values
 * backward makes again. */
#include "nn/executor_plan.h"

#include "dho/alloc.h"

/* The images for which node i runs at a time. */
static int images_of(const dho_executor *executor, int i)
{
    return i < executor->cut ? executor->together : executor->max_batch;
}

static size_t output_bytes(const dho_executor *executor, int i)
{
    const int images = executor->memory[i].whole ? executor->max_batch : images_of(executor, i);
    return (size_t)images * dho_executor_row_bytes(executor, &executor->graph->nodes[i]);
}

/* What an operator says of its sizes, 0 where it says nothing. */
static size_t bytes_of(const dho_executor *executor, int index,
                       size_t (*size)(const dho_node_pass *pass))
{
    if (size == NULL) return 0;
    const dho_node_pass pass = dho_executor_pass(executor, index, images_of(executor, index));
    return size(&pass);
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
        const dho_value *inputs = node->inputs;
        for (int k = 0; k < DHO_NODE_INPUTS && executor->memory[i].trains; k++) {
            if (inputs[k] < 0) continue;
            const bool written = plan->written[inputs[k]];
            if (written && node->op->only_sets)
                return dho_fail(DHO_ERR_CONFIG,
                                "model: operator %d: its input %d is read elsewhere, too", i,
                                inputs[k]);
            executor->memory[i].accumulate[k] = written;
            plan->written[inputs[k]] = true;
            if (!written && (node->op->shares_gradient >> k & 1) && !node->is_output)
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
        const dho_value *inputs = graph->nodes[i].inputs;
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
    *block = (dho_block){.bytes = output_bytes(executor, x), .first = time, .last = time};
    const dho_value *inputs = executor->graph->nodes[x].inputs;
    for (int k = 0; k < DHO_NODE_INPUTS; k++)
        if (inputs[k] >= 0) need(executor, plan, inputs[k], at);
}

static dho_block *value_block(dho_plan *plan, dho_value x)
{
    return block_at(plan, DHO_PLAN_VALUE, plan->value_in[x]);
}

/* When node i reads its inputs: a folded convolution runs with its batch normalisation. */
static int read_at(const dho_executor *executor, int i)
{
    return executor->memory[i].part_of >= 0 ? executor->memory[i].part_of : i;
}

/* A folded batch normalisation whose residual nobody needs any more takes its memory. */
static bool adds_in_place(const dho_executor *executor, const dho_plan *plan, int i)
{
    const dho_graph *graph = executor->graph;
    const dho_node *node = &graph->nodes[i];
    const dho_value residual = node->inputs[1];
    if (executor->memory[i].weight == NULL || residual < 0) return false;
    if (graph->nodes[residual].is_output || dho_node_is_given(&graph->nodes[residual]))
        return false;
    const dho_value read = graph->nodes[node->inputs[0]].inputs[0]; /* by the convolution */
    if (plan->value_in[read] == plan->value_in[residual]) return false;
    if (executor->memory[residual].whole != executor->memory[i].whole) return false;
    for (int j = 0; j < graph->count; j++)
        for (int k = 0; k < DHO_NODE_INPUTS; k++)
            if (graph->nodes[j].inputs[k] == residual && read_at(executor, j) > i) return false;
    return true;
}

/* Time: forward of node i at i, the losses at n, backward of node i at 2n - i. */
static void plan_forward(const dho_executor *executor, dho_plan *plan)
{
    const dho_graph *graph = executor->graph;
    const int n = graph->count;
    for (int i = 0; i < n; i++) {
        const dho_node *node = &graph->nodes[i];
        dho_block *value = block_at(plan, DHO_PLAN_VALUE, i);
        /* That of the images before must last while the next ones pass. */
        const bool lasts = executor->memory[i].whole && i < executor->cut;
        *value = (dho_block){.first = lasts ? 0 : i, .last = i};
        if (dho_node_is_given(node)) continue;
        value->bytes = output_bytes(executor, i);
        const dho_value *inputs = node->inputs;
        if (executor->memory[i].part_of >= 0) value->bytes = 0;
        if (adds_in_place(executor, plan, i)) {
            plan->value_in[i] = plan->value_in[inputs[1]];
            value->bytes = 0;
        }
        extend(value_block(plan, i), node->is_output ? n : i);
        for (int k = 0; k < DHO_NODE_INPUTS; k++)
            if (inputs[k] >= 0) extend(value_block(plan, inputs[k]), read_at(executor, i));
        *block_at(plan, DHO_PLAN_SAVED, i) =
            (dho_block){.bytes = bytes_of(executor, i, node->op->saved_bytes),
                        .first = i,
                        .last = executor->memory[i].trains ? 2 * n - i : i};
    }
}

/* A gradient lives from its first writer, the last consumer, to its own node's backward; where it
 * takes another's place, that lives as long. */
static void plan_gradient_blocks(const dho_executor *executor, dho_plan *plan)
{
    const dho_graph *graph = executor->graph;
    const int n = graph->count;
    for (int i = n - 1; i >= 0; i--) {
        const dho_node *node = &graph->nodes[i];
        const int backward = 2 * n - i, owner = plan->gradient_of[i];
        if (dho_node_is_given(node) || !executor->memory[i].has_gradient) continue;
        dho_block *block = block_at(plan, DHO_PLAN_GRADIENT, owner);
        if (owner == i)
            *block = (dho_block){
                .bytes = output_bytes(executor, i), .first = backward, .last = backward};
        extend(block, node->is_output ? n : backward);
        extend(block, backward);
        if (!executor->memory[i].trains) continue;
        *block_at(plan, DHO_PLAN_SCRATCH, i) =
            (dho_block){.bytes = bytes_of(executor, i, node->op->scratch_bytes),
                        .first = backward,
                        .last = backward};
    }
    for (int i = 0; i < n; i++) {
        const dho_value *inputs = graph->nodes[i].inputs;
        for (int k = 0; k < DHO_NODE_INPUTS && executor->memory[i].trains; k++)
            if (inputs[k] >= 0 && executor->memory[inputs[k]].has_gradient &&
                !dho_node_is_given(&graph->nodes[inputs[k]]))
                extend(block_at(plan, DHO_PLAN_GRADIENT, plan->gradient_of[inputs[k]]), 2 * n - i);
    }
}

static void plan_backward_reads(dho_executor *executor, dho_plan *plan)
{
    const dho_graph *graph = executor->graph;
    for (int i = graph->count - 1; i >= executor->lowest; i--) {
        const dho_node *node = &graph->nodes[i];
        const dho_value *inputs = node->inputs;
        if (!executor->memory[i].trains) continue;
        for (int k = 0; k < DHO_NODE_INPUTS; k++)
            if (inputs[k] >= 0 && (node->backward_reads >> k & 1))
                need(executor, plan, inputs[k], i);
        if (node->backward_reads & DHO_OUTPUT) need(executor, plan, i, i);
    }
}

dho_status dho_plan_make(dho_plan *plan, dho_executor *executor, dho_recompute recompute)
{
    const size_t n = (size_t)executor->graph->count;
    *plan = (dho_plan){.count = (int)n};
    DHO_TRY(dho_alloc_zero(&plan->blocks, DHO_PLAN_KINDS * n, sizeof *plan->blocks, "memory plan"));
    DHO_TRY(dho_alloc_zero(&plan->value_in, n, sizeof *plan->value_in, "memory plan"));
    DHO_TRY(dho_alloc_zero(&plan->written, n, sizeof *plan->written, "memory plan"));
    DHO_TRY(dho_alloc_zero(&plan->again, n, sizeof *plan->again, "memory plan"));
    DHO_TRY(dho_alloc_zero(&plan->gradient_of, n, sizeof *plan->gradient_of, "memory plan"));
    for (size_t i = 0; i < n; i++) {
        plan->value_in[i] = (int)i;
        executor->memory[i].replay_at = -1;
        executor->memory[i].replay_from = (int)n;
    }
    plan_recomputation(executor, plan, recompute);
    plan_forward(executor, plan);
    if (!executor->training) return DHO_OK;
    DHO_TRY(plan_gradients(executor, plan));
    plan_gradient_blocks(executor, plan);
    plan_backward_reads(executor, plan);
    return DHO_OK;
}

void dho_plan_free(dho_plan *plan)
{
    dho_free(plan->blocks);
    dho_free(plan->value_in);
    dho_free(plan->written);
    dho_free(plan->again);
    dho_free(plan->gradient_of);
    *plan = (dho_plan){0};
}

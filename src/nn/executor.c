/* An executor's creation: all activations, gradients and saved values in one arena. */
#include "nn/executor_internal.h"

#include "dho/alloc.h"
#include "nn/executor_fold.h"
#include "nn/executor_plan.h"

#include <assert.h>

/* Reserves the kernels of nodes begin .. end - 1 for so many images. */
static dho_status reserve(dho_executor *executor, int begin, int end, int batch)
{
    const dho_graph *graph = executor->graph;
    for (int i = begin; i < end && batch > 0; i++) {
        if (executor->memory[i].weight != NULL) {
            DHO_TRY(dho_executor_reserve_folded(executor, i, batch));
            continue;
        }
        if (graph->nodes[i].op->reserve == NULL || executor->memory[i].part_of >= 0) continue;
        const dho_node_pass pass = dho_executor_pass(executor, i, batch);
        DHO_TRY(pass.node->op->reserve(&pass));
    }
    return DHO_OK;
}

dho_status dho_executor_prepare(dho_executor *executor, int batch)
{
    const int count = executor->graph->count, cut = executor->cut;
    const int together = executor->together;
    assert(batch >= 1 && batch <= executor->max_batch);
    if (executor->prepared[batch]) return DHO_OK;
    if (executor->training) DHO_TRY(dho_graph_check_batch(executor->graph, batch));
    if (batch >= together) DHO_TRY(reserve(executor, 0, cut, together));
    DHO_TRY(reserve(executor, 0, cut, batch % together));
    DHO_TRY(reserve(executor, cut, count, batch));
    executor->prepared[batch] = true;
    return DHO_OK;
}

static void *place(const dho_executor *executor, const dho_plan *plan, dho_plan_kind kind, int i)
{
    const dho_block *block = &plan->blocks[(size_t)kind * (size_t)plan->count + (size_t)i];
    return block->bytes > 0 ? (char *)executor->arena + block->offset : NULL;
}

static void place_all(dho_executor *executor, const dho_plan *plan)
{
    for (int i = 0; i < plan->count; i++) {
        dho_node_memory *memory = &executor->memory[i];
        memory->value = place(executor, plan, DHO_PLAN_VALUE, plan->value_in[i]);
        memory->again = place(executor, plan, DHO_PLAN_AGAIN, i);
        memory->saved = place(executor, plan, DHO_PLAN_SAVED, i);
        memory->scratch = place(executor, plan, DHO_PLAN_SCRATCH, i);
        memory->gradient = place(executor, plan, DHO_PLAN_GRADIENT, plan->gradient_of[i]);
    }
}

/* The parameters of the nodes before a node are those whose gradients are still to come after it.
 */
static void find_final(dho_executor *executor)
{
    const dho_graph *graph = executor->graph;
    size_t end = 0;
    for (int i = 0; i < graph->count; i++) {
        executor->memory[i].final_from = end;
        for (int k = 0; k < DHO_NODE_PARAMETERS; k++) {
            const int index = graph->nodes[i].parameters[k];
            if (index < 0) continue;
            const dho_slot *slot = &graph->parameters.slots[index];
            if (slot->offset + slot->count > end) end = slot->offset + slot->count;
        }
    }
}

static bool is_trained(const dho_graph *graph, int slot)
{
    return slot >= 0 && !graph->parameters.slots[slot].frozen;
}

/* Which nodes have a backward, and which of their inputs it hands a gradient to. */
static void find_trained(dho_executor *executor)
{
    const dho_graph *graph = executor->graph;
    executor->lowest = graph->count;
    for (int i = 0; i < graph->count; i++) {
        const dho_node *node = &graph->nodes[i];
        dho_node_memory *memory = &executor->memory[i];
        for (int k = 0; k < DHO_NODE_PARAMETERS; k++)
            memory->trains |= is_trained(graph, node->parameters[k]);
        for (int k = 0; k < DHO_NODE_INPUTS; k++)
            memory->trains |= node->inputs[k] >= 0 && executor->memory[node->inputs[k]].trains;
        memory->has_gradient = memory->trains || node->is_output;
        if (memory->trains && i < executor->lowest) executor->lowest = i;
        for (int k = 0; k < DHO_NODE_INPUTS && memory->trains; k++)
            if (node->inputs[k] >= 0 && !(k == 0 && node->op->can_skip_dx))
                executor->memory[node->inputs[k]].has_gradient = true;
    }
}

dho_status dho_executor_create(dho_executor **out, const dho_graph *graph,
                               const dho_executor_options *options)
{
    dho_status status;
    dho_executor *executor;
    dho_plan plan = {0};
    const size_t n = (size_t)graph->count;
    *out = NULL;
    if (options->training) DHO_TRY(dho_graph_check_trainable(graph));
    DHO_TRY(dho_alloc_zero(&executor, 1, sizeof *executor, "executor"));
    executor->graph = graph;
    executor->compute = options->compute;
    executor->max_batch = options->batch;
    executor->together = options->batch;
    executor->training = options->training;
    DHO_TRY_GOTO(dho_alloc_zero(&executor->memory, n, sizeof *executor->memory, "executor"));
    DHO_TRY_GOTO(dho_alloc_zero(&executor->prepared, (size_t)options->batch + 1,
                                sizeof *executor->prepared, "executor"));
    for (size_t i = 0; i < n; i++) executor->memory[i].part_of = -1;
    find_final(executor);
    if (options->training) find_trained(executor);
    if (options->parameters != NULL) {
        DHO_TRY_GOTO(dho_executor_fold(executor, options->parameters, options->buffers));
        DHO_TRY_GOTO(dho_executor_part_batch(executor));
    }
    DHO_TRY_GOTO(dho_plan_make(&plan, executor, options->recompute));
    DHO_TRY_GOTO(dho_planner_place(plan.blocks, DHO_PLAN_KINDS * n, &executor->arena_bytes));
    DHO_TRY_GOTO(dho_alloc_zero(&executor->arena, executor->arena_bytes, 1, "activations"));
    place_all(executor, &plan);
    DHO_TRY_GOTO(dho_executor_prepare(executor, options->batch));
    *out = executor;
    executor = NULL;
fail:
    dho_plan_free(&plan);
    dho_executor_destroy(&executor);
    return status;
}

void dho_executor_destroy(dho_executor **inout)
{
    dho_executor *executor = *inout;
    if (executor == NULL) return;
    if (executor->folded != NULL) dho_compute_release_weights(executor->compute);
    dho_free(executor->arena);
    dho_free(executor->folded);
    dho_free(executor->memory);
    dho_free(executor->prepared);
    dho_free(executor);
    *inout = NULL;
}

size_t dho_executor_input_bytes(const dho_executor *executor)
{
    const dho_node *input = executor->graph->nodes; /* somewhere: every other one has inputs */
    while (!dho_node_is_given(input)) input++;
    return dho_executor_row_bytes(executor, input);
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

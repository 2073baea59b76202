/* Running a planned graph. */
#include "base/clock.h"
#include "nn/executor_internal.h"

#include <assert.h>
#include <string.h>

/* A value as the pass that runs has it. */
static const void *value_of(const dho_executor *executor, dho_value x)
{
    const dho_node_memory *memory = &executor->memory[x];
    if (dho_node_is_given(&executor->graph->nodes[x])) return executor->input;
    return executor->backward && memory->again != NULL ? memory->again : memory->value;
}

/* Where a slot lies in its slab; slab NULL or slot -1: NULL. */
static const float *read_slot(const float *slab, const dho_slot_list *list, int slot)
{
    return slab != NULL && slot >= 0 ? slab + list->slots[slot].offset : NULL;
}

static float *write_slot(float *slab, const dho_slot_list *list, int slot)
{
    return slab != NULL && slot >= 0 ? slab + list->slots[slot].offset : NULL;
}

dho_node_pass dho_executor_pass(const dho_executor *executor, int index, int batch)
{
    const dho_graph *graph = executor->graph;
    const dho_node *node = &graph->nodes[index];
    const dho_node_memory *memory = &executor->memory[index];
    const dho_slabs *slabs = &executor->slabs;
    dho_node_pass pass = {.compute = executor->compute,
                          .kernels = dho_compute_kernels(executor->compute),
                          .node = node,
                          .batch = batch,
                          .max_batch = executor->max_batch,
                          .rows = (int64_t)batch * node->height * node->width,
                          .training = executor->training,
                          .again = executor->backward,
                          .y = executor->backward && memory->again != NULL ? memory->again
                                                                           : memory->value,
                          .saved = memory->saved,
                          .dy = memory->gradient,
                          .scratch = memory->scratch};
    for (int k = 0; k < DHO_NODE_INPUTS; k++) {
        const dho_value x = node->inputs[k];
        if (x < 0) continue;
        pass.in[k] = &graph->nodes[x];
        pass.x[k] = value_of(executor, x);
        pass.dx[k] = executor->memory[x].gradient;
        pass.add[k] = memory->accumulate[k];
    }
    for (int k = 0; k < DHO_NODE_PARAMETERS; k++) {
        const int slot = node->parameters[k];
        pass.parameters[k] = read_slot(slabs->parameters, &graph->parameters, slot);
        pass.gradients[k] = write_slot(slabs->gradients, &graph->parameters, slot);
    }
    for (int k = 0; k < DHO_NODE_BUFFERS; k++) {
        const int slot = node->buffers[k];
        pass.buffers[k] = read_slot(slabs->buffers, &graph->buffers, slot);
        pass.statistics[k] = write_slot(slabs->statistics, &graph->buffers, slot);
    }
    return pass;
}

unsigned dho_pass_backward_calls(const dho_node_pass *pass)
{
    if (!pass->training) return 0;
    if (pass->dx[0] == NULL) return DHO_CALL_WEIGHTS;
    return DHO_CALL_WEIGHTS | (pass->add[0] ? DHO_CALL_DATA_ADD : DHO_CALL_DATA);
}

/* Books the time since *start on a node; *start: now. */
static void charge(dho_executor *executor, int index, int pass, double *start)
{
    const double now = dho_seconds_now();
    executor->memory[index].seconds[pass] += now - *start;
    *start = now;
}

static void node_forward(dho_executor *executor, int index)
{
    if (dho_node_is_given(&executor->graph->nodes[index])) return;
    const dho_node_pass pass = dho_executor_pass(executor, index, executor->batch);
    pass.node->op->forward(&pass);
}

void dho_executor_forward(dho_executor *executor, int batch, const void *input,
                          const float *parameters, const float *buffers, float *statistics)
{
    assert(executor->prepared[batch]);
    executor->batch = batch;
    executor->input = input;
    executor->backward = false;
    executor->slabs =
        (dho_slabs){.parameters = parameters, .buffers = buffers, .statistics = statistics};
    double start = dho_seconds_now();
    for (int i = 0; i < executor->graph->count; i++) {
        node_forward(executor, i);
        charge(executor, i, 0, &start);
    }
}

static void node_backward(dho_executor *executor, int index)
{
    if (dho_node_is_given(&executor->graph->nodes[index])) return;
    const dho_node_pass pass = dho_executor_pass(executor, index, executor->batch);
    pass.node->op->backward(&pass);
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
    executor->slabs = (dho_slabs){.parameters = parameters, .gradients = gradients};
    for (int i = executor->graph->count - 1; i >= 0; i--) {
        for (int j = executor->memory[i].replay_from; j <= i; j++) {
            if (executor->memory[j].replay_at != i) continue;
            node_forward(executor, j);
            charge(executor, j, 1, &start);
        }
        capture(executor, i);
        node_backward(executor, i);
        charge(executor, i, 1, &start);
    }
}

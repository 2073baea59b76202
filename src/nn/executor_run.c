/* Running a planned graph. */
#include "base/clock.h"
#include "nn/executor_fold.h"

#include <assert.h>
#include <string.h>

size_t dho_executor_row_bytes(const dho_executor *executor, const dho_node *node)
{
    return (size_t)node->height * (size_t)node->width * (size_t)node->channels *
           (node->is_float ? sizeof(float) : dho_compute_element_bytes(executor->compute));
}

/* A value as the pass that runs has it. */
static void *value_of(const dho_executor *executor, dho_value x)
{
    const dho_node_memory *memory = &executor->memory[x];
    const dho_node *node = &executor->graph->nodes[x];
    char *value = executor->backward && memory->again != NULL ? memory->again : memory->value;
    if (dho_node_is_given(node)) value = (char *)executor->input;
    if (!memory->whole) return value;
    return value + (size_t)executor->first * dho_executor_row_bytes(executor, node);
}

/* Where a slot lies in its slab; slab NULL or slot -1: NULL. Who may write there is the caller's
 * to say. */
static float *slot_in(const float *slab, const dho_slot_list *list, int slot)
{
    return slab != NULL && slot >= 0 ? (float *)slab + list->slots[slot].offset : NULL;
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
                          .trains = memory->trains,
                          .again = executor->backward,
                          .y = value_of(executor, index),
                          .saved = memory->saved,
                          .drops = executor->training && graph->drops > 0 ? executor->drops : NULL,
                          .drop_count = graph->drops,
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
        pass.parameters[k] = slot_in(slabs->parameters, &graph->parameters, slot);
        pass.gradients[k] = slot_in(slabs->gradients, &graph->parameters, slot);
    }
    for (int k = 0; k < DHO_NODE_BUFFERS; k++) {
        const int slot = node->buffers[k];
        pass.buffers[k] = slot_in(slabs->buffers, &graph->buffers, slot);
        pass.statistics[k] = slot_in(slabs->statistics, &graph->buffers, slot);
    }
    return pass;
}

float dho_pass_drop(const dho_node_pass *pass, int image, int drop)
{
    return pass->drops != NULL && drop >= 0 ? pass->drops[image * pass->drop_count + drop] : 1;
}

dho_places_shape dho_pass_places(const dho_node_pass *pass)
{
    const dho_node *in = pass->in[0];
    return (dho_places_shape){pass->batch, in->height * in->width, in->channels};
}

void dho_pass_residual_backward(const dho_node_pass *pass)
{
    float *to = pass->dx[1];
    const size_t count = (size_t)pass->rows * (size_t)pass->node->channels;
    if (to == NULL || to == pass->dy) return;
    if (pass->add[1])
        pass->kernels->add(pass->compute, count, to, pass->dy, to);
    else
        memcpy(to, pass->dy, count * sizeof *to);
}

unsigned dho_pass_backward_calls(const dho_node_pass *pass)
{
    if (!pass->trains) return 0;
    if (pass->dx[0] == NULL) return DHO_CALL_WEIGHTS;
    return DHO_CALL_WEIGHTS | (pass->add[0] ? DHO_CALL_DATA_ADD : DHO_CALL_DATA);
}

/* Runs a node; `run` NULL: there is nothing to do. Books the time since *start, which becomes now.
 */
static void run_node(dho_executor *executor, int index, void (*run)(const dho_node_pass *pass),
                     double *start)
{
    if (executor->memory[index].weight != NULL) {
        dho_executor_run_folded(executor, index);
    } else if (run != NULL && executor->memory[index].part_of < 0) {
        const dho_node_pass pass = dho_executor_pass(executor, index, executor->batch);
        run(&pass);
    }
    const double now = dho_seconds_now();
    executor->memory[index].seconds[executor->backward ? 1 : 0] += now - *start;
    *start = now;
}

static void show(const dho_executor *executor, int index)
{
    const dho_node *node = &executor->graph->nodes[index];
    const size_t count = (size_t)executor->batch * (size_t)node->height * (size_t)node->width *
                         (size_t)node->channels;
    if (!dho_node_is_given(node) && executor->memory[index].part_of < 0)
        executor->see(executor->see_context, index, count, value_of(executor, index));
}

static void run_forward(dho_executor *executor, int begin, int end, double *start)
{
    for (int i = begin; i < end; i++) {
        run_node(executor, i, executor->graph->nodes[i].op->forward, start);
        if (executor->see != NULL) show(executor, i);
    }
}

void dho_executor_forward(dho_executor *executor, int batch, const void *input,
                          const float *parameters, const float *buffers, float *statistics)
{
    assert(executor->prepared[batch]);
    executor->input = input;
    executor->backward = false;
    executor->slabs =
        (dho_slabs){.parameters = parameters, .buffers = buffers, .statistics = statistics};
    double start = dho_seconds_now();
    for (int first = 0; first < batch && executor->cut > 0; first += executor->together) {
        const int left = batch - first;
        executor->first = first;
        executor->batch = left < executor->together ? left : executor->together;
        run_forward(executor, 0, executor->cut, &start);
    }
    executor->first = 0;
    executor->batch = batch;
    run_forward(executor, executor->cut, executor->graph->count, &start);
}

void dho_executor_set_drops(dho_executor *executor, const float *factors)
{
    executor->drops = factors;
}

void dho_executor_observe(dho_executor *executor, dho_value_observer see, void *context)
{
    executor->see = see;
    executor->see_context = context;
}

void dho_executor_capture_gradient(dho_executor *executor, dho_value x, float *out)
{
    executor->captured = x;
    executor->capture_out = out;
}

void dho_executor_on_final(dho_executor *executor, dho_gradients_final final, void *context)
{
    executor->final = final;
    executor->final_context = context;
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
    const dho_node *nodes = executor->graph->nodes;
    double start = dho_seconds_now();
    executor->backward = true;
    executor->slabs = (dho_slabs){.parameters = parameters, .gradients = gradients};
    for (int i = executor->graph->count - 1; i >= executor->lowest; i--) {
        for (int j = executor->memory[i].replay_from; j <= i; j++)
            if (executor->memory[j].replay_at == i)
                run_node(executor, j, nodes[j].op->forward, &start);
        capture(executor, i);
        if (executor->memory[i].trains) run_node(executor, i, nodes[i].op->backward, &start);
        if (executor->final != NULL)
            executor->final(executor->final_context, executor->memory[i].final_from);
    }
    if (executor->final != NULL) executor->final(executor->final_context, 0);
}

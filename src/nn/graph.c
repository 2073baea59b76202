#include "nn/graph_internal.h"

#include "dho/alloc.h"
#include "dho/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SLOT_ALIGNMENT = 16, MAX_CHANNELS = 1 << 20 };

dho_status dho_graph_create(dho_graph **out)
{
    return dho_alloc_zero(out, 1, sizeof **out, "graph");
}

static void free_slots(dho_slot_list *list)
{
    for (size_t i = 0; i < list->count; i++) dho_free(list->slots[i].name);
    dho_free(list->slots);
}

void dho_graph_destroy(dho_graph **inout)
{
    dho_graph *graph = *inout;
    if (graph == NULL) return;
    free_slots(&graph->parameters);
    free_slots(&graph->buffers);
    for (int i = 0; i < graph->count; i++) dho_free(graph->nodes[i].attributes);
    dho_free(graph->nodes);
    dho_free(graph);
    *inout = NULL;
}

/* Notes dho_fail's result, unless something failed before. */
static void keep_failure(dho_graph *graph, dho_status status)
{
    if (status == DHO_OK || graph->failure != DHO_OK) return;
    graph->failure = status;
    snprintf(graph->message, sizeof graph->message, "%s", dho_error_message());
}

void dho_graph_demand(dho_graph *graph, bool condition, const char *what)
{
    if (!condition && graph->failure == DHO_OK)
        keep_failure(graph, dho_fail(DHO_ERR_CONFIG, "model: operator %d: %s", graph->count, what));
}

void dho_graph_run_only(dho_graph *graph)
{
    graph->run_only = true;
}

void dho_graph_deploy(dho_graph *graph)
{
    graph->deployed = true;
    dho_graph_run_only(graph);
}

bool dho_graph_is_deployed(const dho_graph *graph)
{
    return graph->deployed;
}

/* Does the caller or a later operator read the value? Otherwise it has no gradient. */
static bool is_read(const dho_graph *graph, dho_value x)
{
    bool read = graph->nodes[x].is_output;
    for (int i = x + 1; i < graph->count; i++)
        for (int k = 0; k < DHO_NODE_INPUTS; k++) read |= graph->nodes[i].inputs[k] == x;
    return read;
}

dho_status dho_graph_check_trainable(const dho_graph *graph)
{
    for (int i = 0; i < graph->count; i++) {
        const dho_node *node = &graph->nodes[i];
        if (dho_node_is_given(node)) continue;
        if (node->op->backward == NULL)
            return dho_fail(DHO_ERR_CONFIG,
                            "model: operator %d, %s, can be run, not trained: it has no backward",
                            i, node->op->name);
        if (!node->op->can_skip_dx && dho_node_is_given(&graph->nodes[node->inputs[0]]))
            return dho_fail(DHO_ERR_CONFIG,
                            "model: operator %d, %s, can be run, not trained: it reads the input "
                            "itself, which has no gradient (a convolution may)",
                            i, node->op->name);
        if (!is_read(graph, i))
            return dho_fail(DHO_ERR_CONFIG,
                            "model: operator %d, %s, can be run, not trained: nobody reads it", i,
                            node->op->name);
    }
    return DHO_OK;
}

dho_status dho_graph_finish(dho_graph *graph)
{
    if (graph->failure != DHO_OK) return dho_fail(graph->failure, "%s", graph->message);
    return graph->run_only ? DHO_OK : dho_graph_check_trainable(graph);
}

const dho_node *dho_graph_node(const dho_graph *graph, dho_value x)
{
    static const dho_node stand_in = {
        .inputs = {-1, -1, -1}, .height = 1, .width = 1, .channels = 1};
    return x >= 0 && x < graph->count ? &graph->nodes[x] : &stand_in;
}

dho_node dho_node_begin(const dho_operator *op, dho_value x)
{
    return (dho_node){.op = op,
                      .inputs = {x, -1, -1},
                      .parameters = {-1, -1},
                      .buffers = {-1, -1},
                      .backward_reads = op->backward_reads};
}

void dho_shape_of_input(dho_graph *graph, dho_node *node)
{
    const dho_node *in = dho_graph_node(graph, node->inputs[0]);
    node->height = in->height;
    node->width = in->width;
    node->channels = in->channels;
}

void dho_shape_of_branch(dho_graph *graph, dho_node *node, const char *what)
{
    const dho_node *residual = dho_graph_node(graph, node->inputs[1]);
    dho_shape_of_input(graph, node);
    node->is_float = true;
    dho_graph_demand(graph, !dho_graph_node(graph, node->inputs[0])->is_float, what);
    dho_graph_demand(graph, residual->is_float && dho_same_shape(node, residual),
                     "a residual that is not float, or of another shape");
}

void dho_shape_of_windows(dho_graph *graph, dho_node *node)
{
    const dho_window *w = node->attributes;
    const dho_node *in = dho_graph_node(graph, node->inputs[0]);
    node->height = (in->height + 2 * w->padding - w->kernel) / w->stride + 1;
    node->width = (in->width + 2 * w->padding - w->kernel) / w->stride + 1;
    if (node->channels == 0) node->channels = in->channels;
}

void dho_shape_of_vector(dho_graph *graph, dho_node *node)
{
    node->height = node->width = 1;
    node->channels = dho_graph_node(graph, node->inputs[0])->channels;
    node->is_float = true;
}

void dho_shape_of_tokens(dho_graph *graph, dho_node *node)
{
    const dho_node *in = dho_graph_node(graph, node->inputs[0]);
    node->height = in->height * in->width + 1;
    node->width = 1;
    node->channels = in->channels;
}

bool dho_same_shape(const dho_node *a, const dho_node *b)
{
    return a->height == b->height && a->width == b->width && a->channels == b->channels;
}

/* Room for one more node, which gets its shape and its own copy of the attributes. */
static dho_status prepare_node(dho_graph *graph, dho_node *node)
{
    const dho_operator *op = node->op;
    const void *attributes = node->attributes;
    if (op->shape != NULL) op->shape(graph, node);
    node->attributes = NULL;
    if (graph->failure != DHO_OK) return graph->failure;
    if (node->height < 1 || node->width < 1 || node->channels < 1 || node->channels > MAX_CHANNELS)
        return dho_fail(DHO_ERR_CONFIG, "%s: operator %d would have the shape %d x %d x %d",
                        node->channels > MAX_CHANNELS
                            ? "student.width: the model is too wide"
                            : "data.image_size: the image is too small for this model",
                        graph->count, node->height, node->width, node->channels);
    DHO_TRY(dho_grow(&graph->nodes, (size_t)graph->count, &graph->capacity, sizeof *graph->nodes,
                     "graph nodes"));
    if (op->attribute_bytes == 0) return DHO_OK;
    DHO_TRY(dho_alloc(&node->attributes, 1, op->attribute_bytes, "graph nodes"));
    memcpy(node->attributes, attributes, op->attribute_bytes);
    return DHO_OK;
}

dho_value dho_graph_append(dho_graph *graph, dho_node node)
{
    if (graph->failure != DHO_OK) return -1;
    const dho_status status = prepare_node(graph, &node);
    keep_failure(graph, status);
    if (status != DHO_OK) return -1;
    node.block = graph->block;
    graph->nodes[graph->count] = node;
    return graph->count++;
}

/* Adds a slot "name.suffix" (suffix NULL: "name") to a slab; -1 after a failure. */
static int add_slot(dho_graph *graph, dho_slot_list *list, const char *name, const char *suffix,
                    dho_slot slot)
{
    if (graph->failure != DHO_OK) return -1;
    dho_status status = DHO_OK;
    DHO_TRY_GOTO(
        dho_grow(&list->slots, list->count, &list->capacity, sizeof *list->slots, "graph slots"));
    DHO_TRY_GOTO(dho_asprintf(&slot.name, "%s%s%s", name, suffix != NULL ? "." : "",
                              suffix != NULL ? suffix : ""));
    slot.block = graph->block;
    slot.behind = graph->blocks;
    slot.count = 1;
    for (int d = 0; d < slot.dims; d++) slot.count *= (size_t)slot.shape[d];
    slot.offset = list->floats;
    list->floats += (slot.count + SLOT_ALIGNMENT - 1) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
    list->slots[list->count] = slot;
    return (int)list->count++;
fail:
    keep_failure(graph, status);
    return -1;
}

int dho_graph_add_parameter(dho_graph *graph, const char *name, const char *suffix, dho_slot slot)
{
    return add_slot(graph, &graph->parameters, name, suffix, slot);
}

int dho_graph_add_vector(dho_graph *graph, const char *name, const char *suffix, int64_t count,
                         dho_init init, int64_t fan_in)
{
    return add_slot(graph, &graph->parameters, name, suffix,
                    (dho_slot){.dims = 1, .shape = {count}, .init = init, .fan_in = fan_in});
}

int dho_graph_add_position(dho_graph *graph, const char *name, const dho_node *grid, bool batched,
                           dho_init init)
{
    const int64_t tokens = grid->height * grid->width + 1, channels = grid->channels;
    dho_slot slot = {.dims = 2,
                     .shape = {tokens, channels},
                     .is_position = true,
                     .init = init,
                     .fan_in = channels};
    if (batched) {
        slot.dims = 3;
        slot.shape[0] = 1;
        slot.shape[1] = tokens;
        slot.shape[2] = channels;
    }
    return add_slot(graph, &graph->parameters, name, NULL, slot);
}

bool dho_graph_starts_small(const dho_graph *graph, const dho_node *node)
{
    return graph->failure == DHO_OK && node->parameters[0] >= 0 &&
           graph->parameters.slots[node->parameters[0]].init == DHO_INIT_SMALL;
}

int dho_graph_add_buffer(dho_graph *graph, const char *name, const char *suffix, int64_t count,
                         dho_init init)
{
    return add_slot(graph, &graph->buffers, name, suffix,
                    (dho_slot){.dims = 1, .shape = {count}, .init = init});
}

void dho_graph_begin_block(dho_graph *graph)
{
    graph->block = ++graph->blocks;
}

void dho_graph_end_block(dho_graph *graph)
{
    graph->block = 0;
}

void dho_graph_make_again(dho_graph *graph, dho_value x)
{
    if (graph->failure == DHO_OK && x >= 0) graph->nodes[x].cheap = true;
}

void dho_graph_output(dho_graph *graph, dho_value x)
{
    if (graph->failure == DHO_OK && x >= 0) graph->nodes[x].is_output = true;
}

size_t dho_graph_parameter_count(const dho_graph *graph)
{
    return graph->parameters.count;
}

const dho_slot *dho_graph_parameter(const dho_graph *graph, size_t i)
{
    return &graph->parameters.slots[i];
}

size_t dho_graph_parameter_floats(const dho_graph *graph)
{
    return graph->parameters.floats;
}

size_t dho_graph_buffer_count(const dho_graph *graph)
{
    return graph->buffers.count;
}

const dho_slot *dho_graph_buffer(const dho_graph *graph, size_t i)
{
    return &graph->buffers.slots[i];
}

size_t dho_graph_buffer_floats(const dho_graph *graph)
{
    return graph->buffers.floats;
}

int dho_graph_channels(const dho_graph *graph, dho_value x)
{
    return dho_graph_node(graph, x)->channels;
}

dho_status dho_graph_check_batch(const dho_graph *graph, int batch)
{
    for (int i = 0; i < graph->count; i++) {
        const dho_node *node = &graph->nodes[i];
        if (node->op->check_batch != NULL) DHO_TRY(node->op->check_batch(graph, node, batch));
    }
    return DHO_OK;
}

/* The deviation, or half the width of a uniform distribution. */
static double spread_of(const dho_slot *slot)
{
    switch (slot->init) {
    case DHO_INIT_ZEROS:
    case DHO_INIT_ONES:
    case DHO_INIT_TINY:
        return 0;
    case DHO_INIT_SMALL:
        return 0.02;
    case DHO_INIT_HE_FAN_OUT:
        return sqrt(2.0 / (double)(slot->shape[0] * slot->shape[2] * slot->shape[3]));
    case DHO_INIT_LINEAR:
    case DHO_INIT_NORMAL:
        return 1.0 / sqrt((double)slot->fan_in);
    case DHO_INIT_XAVIER:
        return sqrt(6.0 / (double)(slot->fan_in + slot->shape[0]));
    }
    return 0;
}

static void fill_slot(const dho_slot *slot, dho_rng *rng, float *values)
{
    const double spread = spread_of(slot);
    for (size_t i = 0; i < slot->count; i++) {
        switch (slot->init) {
        case DHO_INIT_ZEROS:
            values[i] = 0;
            break;
        case DHO_INIT_ONES:
            values[i] = 1;
            break;
        case DHO_INIT_TINY:
            values[i] = 1e-6f;
            break;
        case DHO_INIT_HE_FAN_OUT:
        case DHO_INIT_NORMAL:
        case DHO_INIT_SMALL:
            values[i] = (float)(spread * dho_rng_normal(rng));
            break;
        case DHO_INIT_LINEAR:
        case DHO_INIT_XAVIER:
            values[i] = (float)(spread * (2 * dho_rng_uniform(rng) - 1));
            break;
        }
    }
}

void dho_graph_initialise(const dho_graph *graph, uint64_t seed, float *parameters, float *buffers)
{
    dho_rng rng;
    memset(parameters, 0, graph->parameters.floats * sizeof *parameters);
    if (graph->buffers.floats > 0) memset(buffers, 0, graph->buffers.floats * sizeof *buffers);
    for (size_t i = 0; i < graph->parameters.count; i++) {
        dho_rng_init(&rng, seed, DHO_RNG_INIT, 0, i);
        fill_slot(&graph->parameters.slots[i], &rng,
                  parameters + graph->parameters.slots[i].offset);
    }
    for (size_t i = 0; i < graph->buffers.count; i++)
        fill_slot(&graph->buffers.slots[i], &rng, buffers + graph->buffers.slots[i].offset);
}

#include "nn/graph_internal.h"

#include "dho/alloc.h"
#include "dho/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SLOT_ALIGNMENT = 16, MAX_CHANNELS = 1 << 20, NAME_BYTES = 128 };

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
    dho_free(graph->nodes);
    dho_free(graph);
    *inout = NULL;
}

void dho_graph_keep_failure(dho_graph *graph, dho_status status)
{
    if (status == DHO_OK || graph->status != DHO_OK) return;
    graph->status = status;
    snprintf(graph->message, sizeof graph->message, "%s", dho_error_message());
}

void dho_graph_demand(dho_graph *graph, bool condition, const char *what)
{
    if (!condition && graph->status == DHO_OK)
        dho_graph_keep_failure(
            graph, dho_fail(DHO_ERR_CONFIG, "model: operator %d: %s", graph->count, what));
}

dho_status dho_graph_finish(dho_graph *graph)
{
    if (graph->status != DHO_OK) return dho_fail(graph->status, "%s", graph->message);
    return DHO_OK;
}

dho_value dho_graph_append(dho_graph *graph, dho_node node)
{
    if (graph->status != DHO_OK) return -1;
    if (node.height < 1 || node.width < 1 || node.channels < 1 || node.channels > MAX_CHANNELS) {
        dho_graph_keep_failure(
            graph,
            dho_fail(DHO_ERR_CONFIG, "%s: operator %d would have the shape %d x %d x %d",
                     node.channels > MAX_CHANNELS
                         ? "student.width: the model is too wide"
                         : "data.image_size: the image is too small for this model",
                     graph->count, node.height, node.width, node.channels));
        return -1;
    }
    if (graph->count == graph->capacity) {
        const int capacity = graph->capacity == 0 ? 64 : 2 * graph->capacity;
        const dho_status status =
            dho_realloc(&graph->nodes, (size_t)capacity, sizeof *graph->nodes, "graph nodes");
        dho_graph_keep_failure(graph, status);
        if (status != DHO_OK) return -1;
        graph->capacity = capacity;
    }
    node.block = graph->block;
    graph->nodes[graph->count] = node;
    return graph->count++;
}

/* Adds a slot "name.suffix" (suffix NULL: "name") to a slab; -1 after a failure. */
static int add_slot(dho_graph *graph, dho_slot_list *list, const char *name, const char *suffix,
                    dho_slot slot)
{
    if (graph->status != DHO_OK) return -1;
    dho_status status = DHO_OK;
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        DHO_TRY_GOTO(dho_realloc(&list->slots, capacity, sizeof *list->slots, "graph slots"));
        list->capacity = capacity;
    }
    DHO_TRY_GOTO(dho_asprintf(&slot.name, "%s%s%s", name, suffix != NULL ? "." : "",
                              suffix != NULL ? suffix : ""));
    slot.count = 1;
    for (int d = 0; d < slot.dims; d++) slot.count *= (size_t)slot.shape[d];
    slot.offset = list->floats;
    list->floats += (slot.count + SLOT_ALIGNMENT - 1) / SLOT_ALIGNMENT * SLOT_ALIGNMENT;
    list->slots[list->count] = slot;
    return (int)list->count++;
fail:
    dho_graph_keep_failure(graph, status);
    return -1;
}

int dho_graph_add_parameter(dho_graph *graph, const char *name, dho_slot slot)
{
    return add_slot(graph, &graph->parameters, name, NULL, slot);
}

static int add_vector(dho_graph *graph, dho_slot_list *list, const char *name, const char *suffix,
                      int count, dho_init init, int64_t fan_in)
{
    return add_slot(graph, list, name, suffix,
                    (dho_slot){.dims = 1, .shape = {count}, .init = init, .fan_in = fan_in});
}

dho_node dho_graph_node_of(const dho_graph *graph, dho_value x)
{
    if (x < 0 || x >= graph->count) return (dho_node){.height = 1, .width = 1, .channels = 1};
    return graph->nodes[x];
}

dho_node dho_graph_blank(dho_operator op, dho_value x)
{
    return (dho_node){.op = op,
                      .x = x,
                      .residual = -1,
                      .third = -1,
                      .weight = -1,
                      .bias = -1,
                      .mean = -1,
                      .variance = -1};
}

dho_value dho_graph_input(dho_graph *graph, int height, int width, int channels)
{
    dho_node node = dho_graph_blank(DHO_OP_INPUT, -1);
    node.height = height;
    node.width = width;
    node.channels = channels;
    return dho_graph_append(graph, node);
}

dho_value dho_graph_conv(dho_graph *graph, dho_value x, const char *name, int out_channels,
                         int kernel, int stride, int padding, int groups, bool bias)
{
    const dho_node in = dho_graph_node_of(graph, x);
    const int64_t fan_in = (int64_t)in.channels / groups * kernel * kernel;
    dho_node node = dho_graph_blank(DHO_OP_CONV, x);
    node.height = (in.height + 2 * padding - kernel) / stride + 1;
    node.width = (in.width + 2 * padding - kernel) / stride + 1;
    node.channels = out_channels;
    node.kernel = kernel;
    node.stride = stride;
    node.padding = padding;
    node.groups = groups;
    node.weight = add_slot(graph, &graph->parameters, name, "weight",
                           (dho_slot){.dims = 4,
                                      .shape = {out_channels, in.channels / groups, kernel, kernel},
                                      .is_conv = true,
                                      .init = DHO_INIT_HE_FAN_OUT,
                                      .fan_in = fan_in});
    if (bias)
        node.bias = add_vector(graph, &graph->parameters, name, "bias", out_channels,
                               DHO_INIT_LINEAR, fan_in);
    return dho_graph_append(graph, node);
}

dho_value dho_graph_batch_norm(dho_graph *graph, dho_value x, const char *name, dho_value residual,
                               dho_activation activation)
{
    const dho_node in = dho_graph_node_of(graph, x);
    dho_node node = dho_graph_blank(DHO_OP_BATCH_NORM, x);
    node.height = in.height;
    node.width = in.width;
    node.channels = in.channels;
    node.residual = residual;
    node.activation = activation;
    dho_graph_demand(graph, !in.is_float, "batch normalisation of a float value");
    if (residual >= 0) {
        const dho_node extra = dho_graph_node_of(graph, residual);
        dho_graph_demand(graph, !extra.is_float, "a residual that is float");
        dho_graph_demand(graph,
                         extra.height == in.height && extra.width == in.width &&
                             extra.channels == in.channels,
                         "a residual of another shape");
    }
    node.weight =
        add_vector(graph, &graph->parameters, name, "weight", in.channels, DHO_INIT_ONES, 0);
    node.bias = add_vector(graph, &graph->parameters, name, "bias", in.channels, DHO_INIT_ZEROS, 0);
    node.mean =
        add_vector(graph, &graph->buffers, name, "running_mean", in.channels, DHO_INIT_ZEROS, 0);
    node.variance =
        add_vector(graph, &graph->buffers, name, "running_var", in.channels, DHO_INIT_ONES, 0);
    return dho_graph_append(graph, node);
}

dho_value dho_graph_max_pool(dho_graph *graph, dho_value x, int kernel, int stride, int padding)
{
    const dho_node in = dho_graph_node_of(graph, x);
    dho_node node = dho_graph_blank(DHO_OP_MAX_POOL, x);
    node.height = (in.height + 2 * padding - kernel) / stride + 1;
    node.width = (in.width + 2 * padding - kernel) / stride + 1;
    node.channels = in.channels;
    node.kernel = kernel;
    node.stride = stride;
    node.padding = padding;
    return dho_graph_append(graph, node);
}

dho_value dho_graph_average_pool(dho_graph *graph, dho_value x)
{
    dho_node node = dho_graph_blank(DHO_OP_AVERAGE_POOL, x);
    node.is_float = true;
    node.height = node.width = 1;
    node.channels = dho_graph_node_of(graph, x).channels;
    return dho_graph_append(graph, node);
}

dho_value dho_graph_linear(dho_graph *graph, dho_value x, const char *name, int out_channels,
                           bool bias)
{
    char weight_name[NAME_BYTES], bias_name[NAME_BYTES];
    snprintf(weight_name, sizeof weight_name, "%s.weight", name);
    snprintf(bias_name, sizeof bias_name, "%s.bias", name);
    const dho_linear_spec spec = {
        .weight = weight_name, .bias = bias ? bias_name : NULL, .out_channels = out_channels};
    return dho_graph_linear_of(graph, x, &spec);
}

dho_value dho_graph_l2_normalise(dho_graph *graph, dho_value x)
{
    const dho_node in = dho_graph_node_of(graph, x);
    dho_node node = dho_graph_blank(DHO_OP_L2_NORMALISE, x);
    node.is_float = true;
    node.height = node.width = 1;
    node.channels = in.channels;
    return dho_graph_append(graph, node);
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
    if (graph->status == DHO_OK && x >= 0) graph->nodes[x].cheap = true;
}

void dho_graph_output(dho_graph *graph, dho_value x)
{
    if (graph->status == DHO_OK && x >= 0) graph->nodes[x].is_output = true;
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
    return dho_graph_node_of(graph, x).channels;
}

dho_status dho_graph_check_batch(const dho_graph *graph, int batch)
{
    if (batch != 1) return DHO_OK;
    for (int i = 0; i < graph->count; i++) {
        const dho_node *node = &graph->nodes[i];
        if (node->op != DHO_OP_BATCH_NORM || node->height * node->width > 1) continue;
        const char *name = graph->parameters.slots[node->weight].name;
        return dho_fail(DHO_ERR_CONFIG,
                        "%.*s: Expected more than 1 value per channel when training, got 1 image "
                        "of 1 x 1",
                        (int)(strlen(name) - strlen(".weight")), name);
    }
    return DHO_OK;
}

/* The deviation, or half the width of a uniform distribution. */
static double spread_of(const dho_slot *slot)
{
    switch (slot->init) {
    case DHO_INIT_ZEROS:
    case DHO_INIT_ONES:
        return 0;
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
        case DHO_INIT_HE_FAN_OUT:
        case DHO_INIT_NORMAL:
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

/* Builders of the operators of transformers and of CLIP's modified ResNet. */
#include "nn/graph_internal.h"

#include <stdio.h>

enum { NAME_BYTES = 128 };

static dho_node like(dho_operator op, const dho_graph *graph, dho_value x)
{
    const dho_node in = dho_graph_node_of(graph, x);
    dho_node node = dho_graph_blank(op, x);
    node.height = in.height;
    node.width = in.width;
    node.channels = in.channels;
    return node;
}

static int add_vector(dho_graph *graph, const char *name, int64_t count, dho_init init,
                      int64_t fan_in)
{
    return dho_graph_add_parameter(
        graph, name, (dho_slot){.dims = 1, .shape = {count}, .init = init, .fan_in = fan_in});
}

dho_value dho_graph_layer_norm(dho_graph *graph, dho_value x, const char *name, bool stream)
{
    char parameter[NAME_BYTES];
    dho_node node = like(DHO_OP_LAYER_NORM, graph, x);
    dho_graph_demand(graph, dho_graph_node_of(graph, x).is_float,
                     "layer normalisation of a value that is not the residual stream's");
    node.is_float = stream;
    node.cheap = !stream;
    snprintf(parameter, sizeof parameter, "%s.weight", name);
    node.weight = add_vector(graph, parameter, node.channels, DHO_INIT_ONES, 0);
    snprintf(parameter, sizeof parameter, "%s.bias", name);
    node.bias = add_vector(graph, parameter, node.channels, DHO_INIT_ZEROS, 0);
    return dho_graph_append(graph, node);
}

dho_value dho_graph_linear_of(dho_graph *graph, dho_value x, const dho_linear_spec *spec)
{
    const dho_node in = dho_graph_node_of(graph, x);
    const bool vector = in.height == 1 && in.width == 1 && in.is_float;
    dho_node node = like(vector ? DHO_OP_LINEAR : DHO_OP_TOKENS_LINEAR, graph, x);
    dho_graph_demand(graph, vector || !in.is_float, "a linear layer of the residual stream itself");
    dho_graph_demand(graph, !vector || !spec->adds, "a residual of a vector");
    dho_graph_demand(graph, vector || spec->scale == 0, "a scaled linear layer on tokens");
    if (spec->adds) {
        const dho_node to = dho_graph_node_of(graph, spec->residual);
        dho_graph_demand(graph, to.is_float, "a residual that is not float");
        dho_graph_demand(graph,
                         to.height == in.height && to.width == in.width &&
                             to.channels == spec->out_channels,
                         "a residual of another shape");
    }
    node.is_float = vector || spec->adds;
    node.scale = spec->scale != 0 ? spec->scale : 1;
    node.residual = spec->adds ? spec->residual : -1;
    node.channels = spec->out_channels;
    dho_slot slot = {.dims = 2,
                     .shape = {spec->out_channels, in.channels},
                     .transposed = spec->transposed,
                     .init = spec->init != DHO_INIT_ZEROS ? spec->init : DHO_INIT_LINEAR,
                     .fan_in = in.channels};
    if (spec->transposed) {
        slot.shape[0] = in.channels;
        slot.shape[1] = spec->out_channels;
    }
    node.weight = dho_graph_add_parameter(graph, spec->weight, slot);
    if (spec->bias != NULL)
        node.bias = add_vector(graph, spec->bias, spec->out_channels,
                               spec->zero_bias ? DHO_INIT_ZEROS : DHO_INIT_LINEAR, in.channels);
    return dho_graph_append(graph, node);
}

dho_value dho_graph_bias_gelu(dho_graph *graph, dho_value x, const char *bias, dho_gelu kind)
{
    dho_node node = like(DHO_OP_BIAS_GELU, graph, x);
    node.gelu = kind;
    node.cheap = true;
    const dho_node linear = dho_graph_node_of(graph, x); /* whose bias this is */
    dho_graph_demand(graph, !linear.is_float, "GELU of a float value");
    node.bias = add_vector(graph, bias, node.channels, DHO_INIT_LINEAR,
                           dho_graph_node_of(graph, linear.x).channels);
    return dho_graph_append(graph, node);
}

dho_value dho_graph_attention(dho_graph *graph, dho_value x, int heads, bool causal)
{
    dho_node node = like(DHO_OP_ATTENTION, graph, x);
    dho_graph_demand(graph, !dho_graph_node_of(graph, x).is_float, "attention of a float value");
    dho_graph_demand(graph, heads > 0 && node.channels % (3 * heads) == 0,
                     "the heads do not divide the channels");
    node.channels /= 3;
    node.heads = heads;
    node.causal = causal;
    return dho_graph_append(graph, node);
}

static int add_position(dho_graph *graph, const char *name, int64_t positions, int channels)
{
    return dho_graph_add_parameter(graph, name,
                                   (dho_slot){.dims = 2,
                                              .shape = {positions + 1, channels},
                                              .is_position = true,
                                              .init = DHO_INIT_NORMAL,
                                              .fan_in = channels});
}

dho_value dho_graph_embed_tokens(dho_graph *graph, dho_value patches, const char *class_embedding,
                                 const char *position)
{
    const dho_node in = dho_graph_node_of(graph, patches);
    dho_node node = like(DHO_OP_EMBED_TOKENS, graph, patches);
    dho_graph_demand(graph, !in.is_float, "patches that are float");
    node.height = in.height * in.width + 1;
    node.width = 1;
    node.is_float = true;
    node.bias = add_vector(graph, class_embedding, in.channels, DHO_INIT_NORMAL, in.channels);
    node.weight = add_position(graph, position, node.height - 1, in.channels);
    return dho_graph_append(graph, node);
}

dho_value dho_graph_take_token(dho_graph *graph, dho_value x)
{
    dho_node node = like(DHO_OP_TAKE_TOKEN, graph, x);
    node.height = node.width = 1;
    node.is_float = true;
    return dho_graph_append(graph, node);
}

dho_value dho_graph_average_pool_2x2(dho_graph *graph, dho_value x)
{
    dho_node node = like(DHO_OP_AVERAGE_POOL_2X2, graph, x);
    node.height /= 2;
    node.width /= 2;
    return dho_graph_append(graph, node);
}

dho_value dho_graph_pool_tokens(dho_graph *graph, dho_value x, const char *position)
{
    dho_node node = like(DHO_OP_POOL_TOKENS, graph, x);
    node.height = node.height * node.width + 1;
    node.width = 1;
    node.weight = add_position(graph, position, node.height - 1, node.channels);
    return dho_graph_append(graph, node);
}

dho_value dho_graph_attention_pool(dho_graph *graph, dho_value query, dho_value keys,
                                   dho_value values, int heads)
{
    dho_node node = like(DHO_OP_ATTENTION_POOL, graph, query);
    dho_graph_demand(graph, heads > 0 && node.channels % heads == 0,
                     "the heads do not divide the channels");
    node.is_float = true;
    node.heads = heads;
    node.residual = keys;
    node.third = values;
    return dho_graph_append(graph, node);
}

dho_value dho_graph_text_input(dho_graph *graph, int length)
{
    dho_node node = dho_graph_blank(DHO_OP_INPUT, -1);
    node.height = length;
    node.width = node.channels = 1;
    node.is_float = true; /* bf16 has no 49407 */
    return dho_graph_append(graph, node);
}

dho_value dho_graph_embed_text(dho_graph *graph, dho_value ids, const char *token,
                               const char *position, int vocabulary, int positions, int channels)
{
    dho_node node = like(DHO_OP_EMBED_TEXT, graph, ids);
    dho_slot slot = {.dims = 2, .init = DHO_INIT_NORMAL, .fan_in = channels};
    dho_graph_demand(graph, node.height <= positions, "more tokens than positions");
    node.channels = channels;
    node.is_float = true;
    slot.shape[0] = vocabulary;
    slot.shape[1] = channels;
    node.weight = dho_graph_add_parameter(graph, token, slot);
    slot.shape[0] = positions;
    node.bias = dho_graph_add_parameter(graph, position, slot);
    return dho_graph_append(graph, node);
}

dho_value dho_graph_take_largest(dho_graph *graph, dho_value x, dho_value ids)
{
    dho_node node = like(DHO_OP_TAKE_LARGEST, graph, x);
    dho_graph_demand(graph, dho_graph_node_of(graph, x).is_float,
                     "an end mark outside of the stream");
    node.height = node.width = 1;
    node.residual = ids;
    node.is_float = true;
    return dho_graph_append(graph, node);
}

/* CLIP's modified ResNet-50 (Radford et al. 2021, section 2.4 and its published model): a stem of
 * three convolutions, average pools where a ResNet has strides, attention instead of the last pool.
 */
#include "models/builders.h"

#include <stdio.h>

enum { NAME_BYTES = 64, EXPANSION = 4 };

static dho_value projection(dho_graph *graph, dho_value x, const char *block, int channels,
                            bool halve)
{
    char name[NAME_BYTES];
    const dho_conv_spec conv = {.name = name, .out_channels = channels, .kernel = 1};
    if (halve) x = dho_graph_average_pool_2x2(graph, x);
    snprintf(name, sizeof name, "%.40sdownsample.0", block);
    x = dho_graph_conv(graph, x, &conv);
    snprintf(name, sizeof name, "%.40sdownsample.1", block);
    return dho_graph_batch_norm(graph, x, name, -1, DHO_ACTIVATION_NONE);
}

static dho_value bottleneck(dho_graph *graph, dho_value x, const char *block, int width, bool halve,
                            bool project)
{
    dho_graph_begin_block(graph);
    dho_value hidden = dho_build_conv_bn(graph, x, block, 1, width, 1, 1, -1);
    hidden = dho_build_conv_bn(graph, hidden, block, 2, width, 3, 1, -1);
    if (halve) hidden = dho_graph_average_pool_2x2(graph, hidden);
    const dho_value shortcut = project ? projection(graph, x, block, EXPANSION * width, halve) : x;
    x = dho_build_conv_bn(graph, hidden, block, 3, EXPANSION * width, 1, 1, shortcut);
    dho_graph_end_block(graph);
    return x;
}

static dho_value project(dho_graph *graph, dho_value x, const char *name, int channels)
{
    char weight[NAME_BYTES], bias[NAME_BYTES];
    snprintf(weight, sizeof weight, "visual.attnpool.%.20s.weight", name);
    snprintf(bias, sizeof bias, "visual.attnpool.%.20s.bias", name);
    const dho_linear_spec spec = {
        .weight = weight, .bias = bias, .out_channels = channels, .init = DHO_INIT_NORMAL};
    return dho_graph_linear_of(graph, x, &spec);
}

/* One query, the mean of all positions. */
static dho_value attention_pool(dho_graph *graph, dho_value x, const dho_model_size *size)
{
    const int channels = dho_graph_channels(graph, x);
    x = dho_graph_pool_tokens(graph, x, "visual.attnpool.positional_embedding");
    const dho_value keys = project(graph, x, "k_proj", channels);
    const dho_value query = project(graph, dho_graph_take_token(graph, x), "q_proj", channels);
    const dho_value values = project(graph, x, "v_proj", channels);
    x = dho_graph_attention_pool(graph, query, keys, values, channels / size->head_dim);
    return project(graph, x, "c_proj", size->embed);
}

dho_value dho_build_clip_resnet50(dho_graph *graph, dho_value image, const dho_model_size *size)
{
    static const int blocks[4] = {3, 4, 6, 3};
    char block[NAME_BYTES];
    dho_value x = dho_build_conv_bn(graph, image, "visual.", 1, size->width / 2, 3, 2, -1);
    x = dho_build_conv_bn(graph, x, "visual.", 2, size->width / 2, 3, 1, -1);
    x = dho_build_conv_bn(graph, x, "visual.", 3, size->width, 3, 1, -1);
    x = dho_graph_average_pool_2x2(graph, x);
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < blocks[stage]; i++) {
            snprintf(block, sizeof block, "visual.layer%d.%d.", stage + 1, i);
            x = bottleneck(graph, x, block, size->width << stage, stage > 0 && i == 0, i == 0);
        }
    }
    return attention_pool(graph, x, size);
}

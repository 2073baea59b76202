/* ConvNeXt-Tiny (Liu et al. 2022), under torchvision's names. width: channels of the first stage,
 * 96 in the published model; each of the four stages doubles them. Features: the mean of all
 * positions behind the classifier's normalisation. The published model's stochastic depth is left
 * out. */
#include "models/builders.h"

#include <stdio.h>

enum { NAME_BYTES = 64, STAGES = 4, RATIO = 4 };

static const char *name_of(char *out, int stage, int block, const char *part)
{
    if (block < 0)
        snprintf(out, NAME_BYTES, "features.%d.%.30s", stage, part);
    else
        snprintf(out, NAME_BYTES, "features.%d.%d.%.30s", stage, block, part);
    return out;
}

static dho_value norm(dho_graph *graph, dho_value x, const char *name, bool stream)
{
    return dho_graph_layer_norm(graph, x, &(dho_layer_norm_spec){name, 1e-6f, stream});
}

/* A convolution whose windows do not overlap. */
static dho_value patches(dho_graph *graph, dho_value x, const char *name, int channels, int kernel)
{
    const dho_conv_spec spec = {.name = name,
                                .out_channels = channels,
                                .kernel = kernel,
                                .stride = kernel,
                                .bias = true,
                                .init = DHO_INIT_SMALL};
    return dho_graph_conv(graph, x, &spec);
}

static dho_value linear(dho_graph *graph, dho_value x, const char *weight, const char *bias,
                        int channels)
{
    const dho_linear_spec spec = {.weight = weight,
                                  .bias = bias,
                                  .out_channels = channels,
                                  .init = DHO_INIT_SMALL,
                                  .zero_bias = true};
    return dho_graph_linear_of(graph, x, &spec);
}

/* Depthwise 7x7, normalisation, a perceptron of two layers, each channel's scale; added to the
 * stream. */
static dho_value block_of(dho_graph *graph, dho_value stream, int stage, int block)
{
    char name[NAME_BYTES], bias[NAME_BYTES];
    const int channels = dho_graph_channels(graph, stream);
    const dho_conv_spec depthwise = {.name = name_of(name, stage, block, "block.0"),
                                     .out_channels = channels,
                                     .kernel = 7,
                                     .padding = 3,
                                     .groups = channels,
                                     .bias = true,
                                     .init = DHO_INIT_SMALL};
    dho_graph_begin_block(graph);
    dho_value x = dho_graph_conv(graph, dho_graph_narrow(graph, stream), &depthwise);
    x = norm(graph, dho_graph_widen(graph, x), name_of(name, stage, block, "block.2"), false);
    x = linear(graph, x, name_of(name, stage, block, "block.3.weight"), NULL, RATIO * channels);
    x = dho_graph_bias_gelu(graph, x, name_of(bias, stage, block, "block.3.bias"), DHO_GELU_ERF);
    x = linear(graph, x, name_of(name, stage, block, "block.5.weight"),
               name_of(bias, stage, block, "block.5.bias"), channels);
    stream = dho_graph_layer_scale(graph, x, name_of(name, stage, block, "layer_scale"), stream);
    dho_graph_end_block(graph);
    return stream;
}

dho_value dho_build_convnext_tiny(dho_graph *graph, dho_value image, const dho_model_size *size)
{
    static const int blocks[STAGES] = {3, 3, 9, 3};
    char name[NAME_BYTES];
    dho_value x = patches(graph, image, "features.0.0", size->width, 4);
    x = norm(graph, dho_graph_widen(graph, x), "features.0.1", true);
    for (int stage = 0; stage < STAGES; stage++) {
        if (stage > 0) {
            x = norm(graph, x, name_of(name, 2 * stage, -1, "0"), false);
            x = patches(graph, x, name_of(name, 2 * stage, -1, "1"), size->width << stage, 2);
            x = dho_graph_widen(graph, x);
        }
        for (int block = 0; block < blocks[stage]; block++)
            x = block_of(graph, x, 2 * stage + 1, block);
    }
    x = dho_graph_average_pool(graph, dho_graph_narrow(graph, x));
    return norm(graph, x, "classifier.0", true);
}

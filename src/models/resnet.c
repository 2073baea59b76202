#include "models/builders.h"

#include <stdio.h>

enum { NAME_BYTES = 64 };

dho_value dho_build_conv_bn(dho_graph *graph, dho_value x, const char *block, int number,
                            int channels, int kernel, int stride, dho_value residual)
{
    char name[NAME_BYTES];
    const dho_conv_spec conv = {.name = name,
                                .out_channels = channels,
                                .kernel = kernel,
                                .stride = stride,
                                .padding = kernel / 2};
    snprintf(name, sizeof name, "%.40sconv%d", block, number);
    x = dho_graph_conv(graph, x, &conv);
    snprintf(name, sizeof name, "%.40sbn%d", block, number);
    return dho_graph_batch_norm(graph, x, name, residual, DHO_ACTIVATION_RELU);
}

/* The shortcut where the shape changes: a 1x1 convolution. */
static dho_value projection(dho_graph *graph, dho_value x, const char *block, int channels,
                            int stride)
{
    char name[NAME_BYTES];
    const dho_conv_spec conv = {
        .name = name, .out_channels = channels, .kernel = 1, .stride = stride};
    snprintf(name, sizeof name, "%.40sdownsample.0", block);
    x = dho_graph_conv(graph, x, &conv);
    /* Of the first stage: little work (0.4 % of a step), the largest of all values. */
    if (stride == 1) dho_graph_make_again(graph, x);
    snprintf(name, sizeof name, "%.40sdownsample.1", block);
    x = dho_graph_batch_norm(graph, x, name, -1, DHO_ACTIVATION_NONE);
    dho_graph_make_again(graph, x);
    return x;
}

/* Two 3x3 convolutions. */
static dho_value basic_block(dho_graph *graph, dho_value x, const char *block, int width,
                             int stride, bool project)
{
    const dho_value hidden = dho_build_conv_bn(graph, x, block, 1, width, 3, stride, -1);
    const dho_value shortcut = project ? projection(graph, x, block, width, stride) : x;
    return dho_build_conv_bn(graph, hidden, block, 2, width, 3, 1, shortcut);
}

enum { EXPANSION = 4 };

/* 1x1, 3x3, 1x1 to four times the channels. The stride is the 3x3's, as in torchvision ("v1.5");
 * the paper has it in the first 1x1. */
static dho_value bottleneck(dho_graph *graph, dho_value x, const char *block, int width, int stride,
                            bool project)
{
    const int out = EXPANSION * width;
    dho_value hidden = dho_build_conv_bn(graph, x, block, 1, width, 1, 1, -1);
    dho_graph_make_again(graph, hidden);
    hidden = dho_build_conv_bn(graph, hidden, block, 2, width, 3, stride, -1);
    dho_graph_make_again(graph, hidden);
    const dho_value shortcut = project ? projection(graph, x, block, out, stride) : x;
    return dho_build_conv_bn(graph, hidden, block, 3, out, 1, 1, shortcut);
}

typedef dho_value (*block_builder)(dho_graph *graph, dho_value x, const char *block, int width,
                                   int stride, bool project);

/* Stem and four stages; `expansion` is a block's output over its width, so that the first block
 * of the first stage needs a projection, too, where it is not 1. */
static dho_value resnet(dho_graph *graph, dho_value image, int width, const int blocks[4],
                        block_builder build_block, int expansion)
{
    char block[NAME_BYTES];
    dho_value x = dho_build_conv_bn(graph, image, "", 1, width, 7, 2, -1);
    x = dho_graph_max_pool(graph, x, 3, 2, 1);
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < blocks[stage]; i++) {
            const int stride = stage > 0 && i == 0 ? 2 : 1;
            const bool project = i == 0 && (stage > 0 || expansion != 1);
            snprintf(block, sizeof block, "layer%d.%d.", stage + 1, i);
            dho_graph_begin_block(graph);
            x = build_block(graph, x, block, width << stage, stride, project);
            dho_graph_end_block(graph);
            /* From its convolution and what it adds: a projection, or a block that is kept. */
            if (expansion > 1 && i % 2 == 0) dho_graph_make_again(graph, x);
        }
    }
    return dho_graph_average_pool(graph, x);
}

/* ResNet-18 and ResNet-50 (He et al. 2016), under torchvision's names. width: channels of the first
 * stage's 3x3 convolutions, 64 in the published models; features: 8 and 32 times that. */
dho_value dho_build_resnet18(dho_graph *graph, dho_value image, const dho_model_size *size)
{
    static const int blocks[4] = {2, 2, 2, 2};
    return resnet(graph, image, size->width, blocks, basic_block, 1);
}

dho_value dho_build_resnet50(dho_graph *graph, dho_value image, const dho_model_size *size)
{
    static const int blocks[4] = {3, 4, 6, 3};
    return resnet(graph, image, size->width, blocks, bottleneck, EXPANSION);
}

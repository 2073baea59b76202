#include "models/builders.h"

#include <stdio.h>

enum { NAME_BYTES = 64, DIVISOR = 8, PUBLISHED_WIDTH = 32, LAST_CHANNELS = 1280 };

/* Channels of the published model, scaled by width / 32 and rounded as torchvision's
 * _make_divisible: to the nearest multiple of 8, at least 8, and not more than 10 % down. */
static int scaled(int channels, int width)
{
    const double exact = (double)channels * width / PUBLISHED_WIDTH;
    int rounded = (int)(exact + DIVISOR / 2.0) / DIVISOR * DIVISOR;
    if (rounded < DIVISOR) rounded = DIVISOR;
    return (double)rounded < 0.9 * exact ? rounded + DIVISOR : rounded;
}

/* A convolution, its batch norm and an activation. */
typedef struct layer {
    int block;
    const char *conv, *bn; /* the names below "features.<block>." */
    int channels, kernel, stride;
    bool depthwise;     /* as many groups as channels */
    dho_value residual; /* added before the activation; -1: none */
    dho_activation activation;
} layer;

static dho_value conv_bn(dho_graph *graph, dho_value x, layer l)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "features.%d.%.20s", l.block, l.conv);
    x = dho_graph_conv(graph, x, name, l.channels, l.kernel, l.stride, l.kernel / 2,
                       l.depthwise ? l.channels : 1, false);
    snprintf(name, sizeof name, "features.%d.%.20s", l.block, l.bn);
    x = dho_graph_batch_norm(graph, x, name, l.residual, l.activation);
    if (l.activation != DHO_ACTIVATION_NONE) dho_graph_make_again(graph, x);
    return x;
}

/* Expansion (1x1, absent where it would not expand), depthwise 3x3, projection (1x1) without an
 * activation: "linear bottleneck"; the shortcut is added to that, where the shape stays. */
static dho_value inverted_residual(dho_graph *graph, dho_value x, int block, int in, int out,
                                   int expansion, int stride)
{
    const dho_activation relu6 = DHO_ACTIVATION_RELU6;
    const dho_value shortcut = stride == 1 && in == out ? x : -1;
    const int hidden = in * expansion;
    dho_graph_begin_block(graph);
    if (expansion == 1) {
        x = conv_bn(graph, x,
                    (layer){block, "conv.0.0", "conv.0.1", hidden, 3, stride, true, -1, relu6});
        x = conv_bn(
            graph, x,
            (layer){block, "conv.1", "conv.2", out, 1, 1, false, shortcut, DHO_ACTIVATION_NONE});
        dho_graph_end_block(graph);
        return x;
    }
    x = conv_bn(graph, x, (layer){block, "conv.0.0", "conv.0.1", hidden, 1, 1, false, -1, relu6});
    x = conv_bn(graph, x,
                (layer){block, "conv.1.0", "conv.1.1", hidden, 3, stride, true, -1, relu6});
    x = conv_bn(
        graph, x,
        (layer){block, "conv.2", "conv.3", out, 1, 1, false, shortcut, DHO_ACTIVATION_NONE});
    dho_graph_end_block(graph);
    return x;
}

dho_value dho_build_mobilenet_v2(dho_graph *graph, dho_value image, const dho_model_size *size)
{
    const int width = size->width;
    /* Table 2 of the paper. */
    static const struct {
        int expansion, channels, blocks, stride;
    } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                  {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    const dho_activation relu6 = DHO_ACTIVATION_RELU6;
    int block = 0, channels = scaled(PUBLISHED_WIDTH, width);
    dho_value x =
        conv_bn(graph, image, (layer){block++, "0", "1", channels, 3, 2, false, -1, relu6});
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
        const int out = scaled(stages[s].channels, width);
        for (int i = 0; i < stages[s].blocks; i++) {
            x = inverted_residual(graph, x, block++, channels, out, stages[s].expansion,
                                  i == 0 ? stages[s].stride : 1);
            channels = out;
        }
    }
    /* Narrow models keep the 1280 features. */
    const int last = scaled(LAST_CHANNELS, width > PUBLISHED_WIDTH ? width : PUBLISHED_WIDTH);
    x = conv_bn(graph, x, (layer){block, "0", "1", last, 1, 1, false, -1, relu6});
    return dho_graph_average_pool(graph, x);
}

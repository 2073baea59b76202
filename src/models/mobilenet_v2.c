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

/* A convolution padded by half its kernel, and its batch normalisation. */
typedef struct layer {
    const char *conv, *bn; /* below "features.<block>." */
    int channels, kernel, stride;
    bool depthwise; /* as many groups as channels */
} layer;

static dho_value conv_bn(dho_graph *graph, dho_value x, int block, layer l, dho_value residual,
                         dho_activation activation)
{
    char name[NAME_BYTES];
    const dho_conv_spec conv = {.name = name,
                                .out_channels = l.channels,
                                .kernel = l.kernel,
                                .padding = l.kernel / 2,
                                .stride = l.stride,
                                .groups = l.depthwise ? l.channels : 1};
    snprintf(name, sizeof name, "features.%d.%.20s", block, l.conv);
    x = dho_graph_conv(graph, x, &conv);
    snprintf(name, sizeof name, "features.%d.%.20s", block, l.bn);
    return dho_graph_batch_norm(graph, x, name, residual, activation);
}

static dho_value conv_bn_relu6(dho_graph *graph, dho_value x, int block, layer l)
{
    x = conv_bn(graph, x, block, l, -1, DHO_ACTIVATION_RELU6);
    dho_graph_make_again(graph, x);
    return x;
}

/* Expansion (1x1, absent where it would not expand), depthwise 3x3, projection (1x1) without an
 * activation: "linear bottleneck"; the shortcut is added to that, where the shape stays. */
static dho_value inverted_residual(dho_graph *graph, dho_value x, int block, int in, int out,
                                   int expansion, int stride)
{
    const dho_value shortcut = stride == 1 && in == out ? x : -1;
    const int hidden = in * expansion;
    layer depthwise = {"conv.0.0", "conv.0.1", hidden, 3, stride, true};
    layer projection = {"conv.1", "conv.2", out, 1, 1, false};
    dho_graph_begin_block(graph);
    if (expansion > 1) {
        x = conv_bn_relu6(graph, x, block, (layer){"conv.0.0", "conv.0.1", hidden, 1, 1, false});
        depthwise.conv = "conv.1.0", depthwise.bn = "conv.1.1";
        projection.conv = "conv.2", projection.bn = "conv.3";
    }
    x = conv_bn_relu6(graph, x, block, depthwise);
    x = conv_bn(graph, x, block, projection, shortcut, DHO_ACTIVATION_NONE);
    dho_graph_end_block(graph);
    return x;
}

/* MobileNetV2 (Sandler et al. 2018), under torchvision's names. width: channels of the stem, 32 in
 * the published model (width multiplier 1); the others scale with it and are rounded to multiples
 * of
 * 8. Features: 1280, more for wider models. torchvision's classifier drops 20 % of the features
 * before its linear layer; dho's heads are linear on the pooled features for all students, as the
 * method has it, so that there is no dropout here, and evaluation is the same. */
dho_value dho_build_mobilenet_v2(dho_graph *graph, dho_value image, const dho_model_size *size)
{
    const int width = size->width;
    /* Table 2 of the paper. */
    static const struct {
        int expansion, channels, blocks, stride;
    } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                  {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    int block = 0, channels = scaled(PUBLISHED_WIDTH, width);
    dho_value x = conv_bn_relu6(graph, image, block++, (layer){"0", "1", channels, 3, 2, false});
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
    x = conv_bn_relu6(graph, x, block, (layer){"0", "1", last, 1, 1, false});
    return dho_graph_average_pool(graph, x);
}

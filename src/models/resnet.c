#include "models/builders.h"

#include <stdio.h>

enum { NAME_BYTES = 64 };

static dho_value conv_bn(dho_graph *graph, dho_value x, const char *block, int number, int channels,
                         int kernel, int stride, dho_value residual, bool relu)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%sconv%d", block, number);
    x = dho_graph_conv(graph, x, name, channels, kernel, stride, kernel / 2, 1, false);
    snprintf(name, sizeof name, "%sbn%d", block, number);
    return dho_graph_batch_norm(graph, x, name, residual, relu);
}

/* Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes. */
static dho_value basic_block(dho_graph *graph, dho_value x, const char *block, int channels,
                             int stride, bool project)
{
    char name[NAME_BYTES];
    dho_value shortcut = x;
    const dho_value hidden = conv_bn(graph, x, block, 1, channels, 3, stride, -1, true);
    if (project) {
        snprintf(name, sizeof name, "%sdownsample.0", block);
        shortcut = dho_graph_conv(graph, x, name, channels, 1, stride, 0, 1, false);
        snprintf(name, sizeof name, "%sdownsample.1", block);
        shortcut = dho_graph_batch_norm(graph, shortcut, name, -1, false);
    }
    return conv_bn(graph, hidden, block, 2, channels, 3, 1, shortcut, true);
}

dho_value dho_build_resnet18(dho_graph *graph, dho_value image, int width)
{
    char block[NAME_BYTES];
    dho_value x = conv_bn(graph, image, "", 1, width, 7, 2, -1, true);
    x = dho_graph_max_pool(graph, x, 3, 2, 1);
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < 2; i++) {
            const bool first = stage > 0 && i == 0;
            snprintf(block, sizeof block, "layer%d.%d.", stage + 1, i);
            x = basic_block(graph, x, block, width << stage, first ? 2 : 1, first);
        }
    }
    return dho_graph_average_pool(graph, x);
}

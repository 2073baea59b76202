/* The token where the ids are largest: CLIP's end mark. */
#include "nn/operator.h"

#include <string.h>

enum { X, IDS };

static void shape(dho_graph *graph, dho_node *node)
{
    dho_shape_of_vector(graph, node);
    dho_graph_demand(graph, dho_graph_node(graph, node->inputs[X])->is_float,
                     "an end mark outside of the stream");
}

static void forward(const dho_node_pass *pass)
{
    const size_t channels = (size_t)pass->node->channels;
    const int length = pass->in[X]->height * pass->in[X]->width;
    const float *x = pass->x[X], *ids = pass->x[IDS];
    float *y = pass->y;
    for (int b = 0; b < pass->batch; b++, ids += length) {
        int largest = 0;
        for (int t = 1; t < length; t++)
            if (ids[t] > ids[largest]) largest = t;
        memcpy(y + (size_t)b * channels,
               x + ((size_t)b * (size_t)length + (size_t)largest) * channels, channels * sizeof *y);
    }
}

static const dho_operator take_largest = {.name = "end mark", .shape = shape, .forward = forward};

dho_value dho_graph_take_largest(dho_graph *graph, dho_value x, dho_value ids)
{
    dho_node node = dho_node_begin(&take_largest, x);
    node.inputs[IDS] = ids;
    return dho_graph_append(graph, node);
}

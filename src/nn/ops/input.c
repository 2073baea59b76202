/* The caller's values: images, or token ids. */
#include "nn/operator.h"

static const dho_operator input = {.name = "input"};

dho_value dho_graph_input(dho_graph *graph, int height, int width, int channels)
{
    dho_node node = dho_node_begin(&input, -1);
    node.height = height;
    node.width = width;
    node.channels = channels;
    return dho_graph_append(graph, node);
}

dho_value dho_graph_text_input(dho_graph *graph, int length)
{
    dho_node node = dho_node_begin(&input, -1);
    node.height = length;
    node.width = node.channels = 1;
    node.is_float = true; /* bf16 has no 49407 */
    return dho_graph_append(graph, node);
}

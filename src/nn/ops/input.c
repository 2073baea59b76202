/* The caller's values: images, or token ids. */
#include "nn/onnx_pass.h"

static void onnx(const dho_onnx_pass *pass)
{
    const dho_node *node = pass->node;
    const int64_t shape[3] = {node->channels, node->height, node->width};
    const char *about = "RGB, normalised: (pixel / 255 - mean) / std";
    dho_onnx_write(pass, dho_onnx_input(pass->onnx, "images", about, 3, shape), DHO_ONNX_MAP);
}

static const dho_operator input = {.name = "input", .onnx = onnx};

dho_value dho_graph_input(dho_graph *graph, int height, int width, int channels)
{
    dho_node node = dho_node_begin(&input, -1);
    node.height = height;
    node.width = width;
    node.channels = channels;
    const dho_value x = dho_graph_append(graph, node);
    return dho_graph_is_deployed(graph) ? dho_graph_narrow(graph, dho_graph_widen(graph, x)) : x;
}

dho_value dho_graph_text_input(dho_graph *graph, int length)
{
    dho_node node = dho_node_begin(&input, -1);
    node.height = length;
    node.width = node.channels = 1;
    node.is_float = true; /* bf16 has no 49407 */
    return dho_graph_append(graph, node);
}

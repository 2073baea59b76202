/* The start of a text's residual stream: row ids[t] of the token embedding plus row t of the
 * position embedding. */
#include "nn/operator.h"

enum { TOKEN, POSITION };

static void shape(dho_graph *graph, dho_node *node)
{
    node->height = dho_graph_node(graph, node->inputs[0])->height;
    node->width = 1;
    node->is_float = true;
}

static void forward(const dho_node_pass *pass)
{
    const int channels = pass->node->channels, length = pass->node->height;
    const float *ids = pass->x[0];
    float *y = pass->y;
    for (int64_t r = 0; r < pass->rows; r++, y += channels) {
        const float *token = pass->parameters[TOKEN] + (size_t)ids[r] * (size_t)channels;
        const float *position =
            pass->parameters[POSITION] + (size_t)(r % length) * (size_t)channels;
        for (int i = 0; i < channels; i++) y[i] = token[i] + position[i];
    }
}

static const dho_operator embed_text = {
    .name = "text embeddings", .shape = shape, .forward = forward};

dho_value dho_graph_embed_text(dho_graph *graph, dho_value ids, const char *token,
                               const char *position, int vocabulary, int positions, int channels)
{
    dho_slot slot = {
        .dims = 2, .shape = {vocabulary, channels}, .init = DHO_INIT_NORMAL, .fan_in = channels};
    dho_node node = dho_node_begin(&embed_text, ids);
    dho_graph_demand(graph, dho_graph_node(graph, ids)->height <= positions,
                     "more tokens than positions");
    node.channels = channels;
    node.parameters[TOKEN] = dho_graph_add_parameter(graph, token, NULL, slot);
    slot.shape[0] = positions;
    node.parameters[POSITION] = dho_graph_add_parameter(graph, position, NULL, slot);
    return dho_graph_append(graph, node);
}

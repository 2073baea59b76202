/* Which values and weights a model in 8 bits rounds. */
#include "base/compare.h"
#include "nn/graph_internal.h"
#include "nn/graph_onnx.h"

#include <math.h>

enum { MOST = 127 };

int dho_graph_values(const dho_graph *graph)
{
    return graph->count;
}

dho_value dho_graph_first_input(const dho_graph *graph, dho_value x)
{
    return graph->nodes[x].inputs[0];
}

/* Does the value lie between a convolution and what is computed with it as one? */
static bool is_inner(const dho_graph *graph, dho_value x)
{
    for (int i = x + 1; i < graph->count; i++)
        if (graph->nodes[i].inputs[0] == x && graph->nodes[i].op->onnx_takes == graph->nodes[x].op)
            return true;
    return false;
}

/* How many of the inputs are rounded: what a weight multiplies, not what is added to the product.
 */
static int factors_of(const dho_node *node)
{
    return node->parameters[0] >= 0 ? 1 : DHO_NODE_INPUTS;
}

void dho_int8_values(const dho_graph *graph, dho_value last, dho_int8_value *out)
{
    for (int i = 0; i < graph->count; i++) {
        const unsigned rounds = i <= last ? graph->nodes[i].op->in_8_bits : 0;
        out[i] = DHO_INT8_FLOAT;
        if ((rounds & DHO_ROUNDS_OUTPUT) != 0 && !is_inner(graph, i)) out[i] = DHO_INT8_ROUNDED;
        if ((rounds & DHO_ROUNDS_INPUTS) != 0)
            for (int k = 0; k < factors_of(&graph->nodes[i]); k++) {
                const dho_value x = graph->nodes[i].inputs[k];
                if (x >= 0 && out[x] == DHO_INT8_FLOAT) out[x] = DHO_INT8_ROUNDED;
            }
        if ((rounds & DHO_ROUNDS_AS_INPUT) != 0 && out[graph->nodes[i].inputs[0]] != DHO_INT8_FLOAT)
            out[i] = DHO_INT8_AS_INPUT;
    }
}

float dho_int8_weight_scale(const float *values, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++) largest = dho_larger(largest, fabs((double)values[i]));
    return largest > 0 ? (float)(largest / MOST) : 1;
}

void dho_int8_round_weights(const dho_graph *graph, dho_value last, float *parameters)
{
    for (int i = 0; i <= last; i++) {
        const dho_node *node = &graph->nodes[i];
        if ((node->op->in_8_bits & DHO_ROUNDS_INPUTS) == 0 || node->parameters[0] < 0) continue;
        const dho_slot *slot = &graph->parameters.slots[node->parameters[0]];
        const size_t channels = (size_t)node->channels, row = slot->count / channels;
        for (size_t c = 0; c < channels; c++) {
            float *values = parameters + slot->offset + c * row;
            const float scale = dho_int8_weight_scale(values, row);
            for (size_t j = 0; j < row; j++) values[j] = nearbyintf(values[j] / scale) * scale;
        }
    }
}

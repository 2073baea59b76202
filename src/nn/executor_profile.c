/* Where the time of an executor goes, by kind of operator. */
#include "nn/executor_internal.h"

#include <string.h>

static const char *const operator_names[DHO_OPERATOR_COUNT] = {
    [DHO_OP_INPUT] = "input",
    [DHO_OP_CONV] = "convolution",
    [DHO_OP_BATCH_NORM] = "batch norm",
    [DHO_OP_MAX_POOL] = "max pool",
    [DHO_OP_AVERAGE_POOL] = "average pool",
    [DHO_OP_LINEAR] = "linear",
    [DHO_OP_L2_NORMALISE] = "normalise",
    [DHO_OP_LAYER_NORM] = "layer norm",
    [DHO_OP_TOKENS_LINEAR] = "linear on tokens",
    [DHO_OP_BIAS_GELU] = "gelu",
    [DHO_OP_ATTENTION] = "attention",
    [DHO_OP_EMBED_TOKENS] = "embeddings",
    [DHO_OP_TAKE_TOKEN] = "class token",
    [DHO_OP_AVERAGE_POOL_2X2] = "average pool 2x2",
    [DHO_OP_POOL_TOKENS] = "mean token",
    [DHO_OP_ATTENTION_POOL] = "attention pool",
    [DHO_OP_EMBED_TEXT] = "text embeddings",
    [DHO_OP_TAKE_LARGEST] = "end mark",
};

/* Multiplications and additions of one forward pass. */
static double forward_flops(const dho_executor *executor, const dho_node *node)
{
    if (node->op == DHO_OP_CONV) {
        const dho_conv_shape s = dho_executor_conv_shape(executor, node, executor->batch);
        return 2.0 * s.batch * s.out_h * s.out_w * s.out_c * ((double)s.in_c / s.groups) *
               s.kernel_h * s.kernel_w;
    }
    if (node->op == DHO_OP_ATTENTION) {
        const dho_attention_shape s =
            dho_node_attention_shape(executor->graph, node, executor->batch);
        return 4.0 * s.batch * s.heads * s.tokens * s.tokens * s.head_dim;
    }
    if (node->op == DHO_OP_LINEAR || node->op == DHO_OP_TOKENS_LINEAR)
        return 2.0 * executor->batch * node->height * node->width * node->channels *
               executor->graph->nodes[node->x].channels;
    return 0;
}

void dho_executor_profile_reset(dho_executor *executor)
{
    memset(executor->seconds, 0, sizeof executor->seconds);
}

size_t dho_executor_profile(const dho_executor *executor, dho_operator_profile *out)
{
    const dho_graph *graph = executor->graph;
    size_t count = 0;
    for (int op = 0; op < DHO_OPERATOR_COUNT; op++) {
        dho_operator_profile p = {.name = operator_names[op],
                                  .seconds = {executor->seconds[op][0], executor->seconds[op][1]}};
        for (int i = 0; i < graph->count; i++) {
            const dho_node *node = &graph->nodes[i];
            if ((int)node->op != op) continue;
            const bool first = node->x >= 0 && graph->nodes[node->x].op == DHO_OP_INPUT;
            const double flops = forward_flops(executor, node);
            p.operators++;
            p.flops[0] += flops;
            /* No gradient flows into the images; attention makes its scores again. */
            p.flops[1] += first ? flops : (node->op == DHO_OP_ATTENTION ? 2.5 : 2) * flops;
        }
        if (p.operators > 0) out[count++] = p;
    }
    return count;
}

/* The residual block of CLIP's transformers (Radford et al. 2021): pre-norm attention and a
 * two-layer perceptron, of images and of texts. */
#include "models/clip_block.h"

#include <stdio.h>

enum { NAME_BYTES = 128, MLP_RATIO = 4 };

/* Where a block's parameters are, and room for two of their names. */
typedef struct block_names {
    const char *tower;
    int number;
    char text[2][NAME_BYTES];
} block_names;

static const char *name_of(block_names *n, int which, const char *part)
{
    snprintf(n->text[which], NAME_BYTES, "%.40stransformer.resblocks.%d.%.40s", n->tower, n->number,
             part);
    return n->text[which];
}

static dho_value linear(dho_graph *graph, dho_value x, block_names *names, const char *weight,
                        const char *bias, int channels)
{
    const bool in_proj = bias != NULL; /* the only one that torch initialises by its own rule */
    const dho_linear_spec spec = {.weight = name_of(names, 0, weight),
                                  .bias = bias != NULL ? name_of(names, 1, bias) : NULL,
                                  .out_channels = channels,
                                  .init = in_proj ? DHO_INIT_XAVIER : DHO_INIT_LINEAR,
                                  .zero_bias = in_proj};
    return dho_graph_linear_of(graph, x, &spec);
}

/* The stream plus a linear layer of x. */
static dho_value add(dho_graph *graph, dho_value stream, dho_value x, block_names *names,
                     const char *weight, const char *bias, bool zero_bias)
{
    const dho_linear_spec spec = {.weight = name_of(names, 0, weight),
                                  .bias = name_of(names, 1, bias),
                                  .out_channels = dho_graph_channels(graph, stream),
                                  .adds = true,
                                  .residual = stream,
                                  .zero_bias = zero_bias};
    return dho_graph_linear_of(graph, x, &spec);
}

dho_value dho_build_clip_block(dho_graph *graph, dho_value stream, const char *tower, int number,
                               const dho_model_size *size, bool causal)
{
    block_names names = {.tower = tower, .number = number};
    block_names *n = &names;
    dho_graph_begin_block(graph);
    dho_value x = dho_graph_layer_norm(graph, stream, name_of(n, 0, "ln_1"), false);
    x = linear(graph, x, n, "attn.in_proj_weight", "attn.in_proj_bias", 3 * size->width);
    x = dho_graph_attention(graph, x, size->width / size->head_dim, causal);
    stream = add(graph, stream, x, n, "attn.out_proj.weight", "attn.out_proj.bias", true);
    x = dho_graph_layer_norm(graph, stream, name_of(n, 0, "ln_2"), false);
    x = linear(graph, x, n, "mlp.c_fc.weight", NULL, MLP_RATIO * size->width);
    x = dho_graph_bias_gelu(graph, x, name_of(n, 0, "mlp.c_fc.bias"), size->gelu);
    stream = add(graph, stream, x, n, "mlp.c_proj.weight", "mlp.c_proj.bias", false);
    dho_graph_end_block(graph);
    return stream;
}

/* CLIP's vision transformers (Radford et al. 2021, after Dosovitskiy et al. 2020). */
#include "models/builders.h"

#include <stdio.h>

enum { NAME_BYTES = 96, MLP_RATIO = 4 };

/* Parameter names below "visual.transformer.resblocks.<block>.". */
typedef struct names {
    char text[2][NAME_BYTES];
} names;

static const char *block_name(names *n, int which, int block, const char *part)
{
    snprintf(n->text[which], NAME_BYTES, "visual.transformer.resblocks.%d.%.40s", block, part);
    return n->text[which];
}

static dho_value linear(dho_graph *graph, dho_value x, int block, const char *weight,
                        const char *bias, int channels)
{
    names n;
    const bool in_proj = bias != NULL; /* the only one that torch initialises by its own rule */
    const dho_linear_spec spec = {.weight = block_name(&n, 0, block, weight),
                                  .bias = bias != NULL ? block_name(&n, 1, block, bias) : NULL,
                                  .out_channels = channels,
                                  .init = in_proj ? DHO_INIT_XAVIER : DHO_INIT_LINEAR,
                                  .zero_bias = in_proj};
    return dho_graph_linear_of(graph, x, &spec);
}

/* The stream plus a linear layer of x. */
static dho_value add(dho_graph *graph, dho_value stream, dho_value x, int block, const char *weight,
                     const char *bias, bool zero_bias)
{
    names n;
    const dho_linear_spec spec = {.weight = block_name(&n, 0, block, weight),
                                  .bias = block_name(&n, 1, block, bias),
                                  .out_channels = dho_graph_channels(graph, stream),
                                  .adds = true,
                                  .residual = stream,
                                  .zero_bias = zero_bias};
    return dho_graph_linear_of(graph, x, &spec);
}

static dho_value residual_block(dho_graph *graph, dho_value stream, int block,
                                const dho_model_size *size)
{
    names n;
    dho_graph_begin_block(graph);
    dho_value x = dho_graph_layer_norm(graph, stream, block_name(&n, 0, block, "ln_1"), false);
    x = linear(graph, x, block, "attn.in_proj_weight", "attn.in_proj_bias", 3 * size->width);
    x = dho_graph_attention(graph, x, size->width / size->head_dim, false);
    stream = add(graph, stream, x, block, "attn.out_proj.weight", "attn.out_proj.bias", true);
    x = dho_graph_layer_norm(graph, stream, block_name(&n, 0, block, "ln_2"), false);
    x = linear(graph, x, block, "mlp.c_fc.weight", NULL, MLP_RATIO * size->width);
    x = dho_graph_bias_gelu(graph, x, block_name(&n, 0, block, "mlp.c_fc.bias"), size->gelu);
    stream = add(graph, stream, x, block, "mlp.c_proj.weight", "mlp.c_proj.bias", false);
    dho_graph_end_block(graph);
    return stream;
}

dho_value dho_build_clip_vit(dho_graph *graph, dho_value image, const dho_model_size *size)
{
    dho_value x = dho_graph_conv(graph, image, "visual.conv1", size->width, size->patch,
                                 size->patch, 0, 1, false);
    x = dho_graph_embed_tokens(graph, x, "visual.class_embedding", "visual.positional_embedding");
    x = dho_graph_layer_norm(graph, x, "visual.ln_pre", true);
    for (int block = 0; block < size->layers; block++) x = residual_block(graph, x, block, size);
    x = dho_graph_take_token(graph, x);
    x = dho_graph_layer_norm(graph, x, "visual.ln_post", true);
    const dho_linear_spec projection = {.weight = "visual.proj",
                                        .out_channels = size->embed,
                                        .transposed = true,
                                        .init = DHO_INIT_NORMAL};
    return dho_graph_linear_of(graph, x, &projection);
}

/* The residual block of pre-norm transformers: attention and a two-layer perceptron. */
#include "models/transformer_block.h"

#include <stdio.h>

enum { NAME_BYTES = 128, MLP_RATIO = 4 };

/* torch starts the layer of queries, keys and values by a rule of its own. */
const dho_block_style dho_clip_block = {.norm = {"ln_1", "ln_2"},
                                        .qkv_weight = "attn.in_proj_weight",
                                        .qkv_bias = "attn.in_proj_bias",
                                        .projection = "attn.out_proj",
                                        .hidden = "mlp.c_fc",
                                        .output = "mlp.c_proj",
                                        .qkv_init = DHO_INIT_XAVIER,
                                        .init = DHO_INIT_LINEAR};

const dho_block_style dho_timm_block = {.norm = {"norm1", "norm2"},
                                        .qkv_weight = "attn.qkv.weight",
                                        .qkv_bias = "attn.qkv.bias",
                                        .projection = "attn.proj",
                                        .hidden = "mlp.fc1",
                                        .output = "mlp.fc2",
                                        .qkv_init = DHO_INIT_SMALL,
                                        .init = DHO_INIT_SMALL,
                                        .eps = 1e-6f};

/* A block being built. */
typedef struct block {
    dho_graph *graph;
    const char *prefix;
    const dho_block_style *style;
} block;

static const char *name_of(const block *b, char out[NAME_BYTES], const char *part,
                           const char *suffix)
{
    snprintf(out, NAME_BYTES, "%.60s%.40s%s", b->prefix, part, suffix);
    return out;
}

static dho_value norm(const block *b, dho_value stream, int which)
{
    char name[NAME_BYTES];
    const dho_layer_norm_spec spec = {.name = name_of(b, name, b->style->norm[which], ""),
                                      .eps = b->style->eps};
    return dho_graph_layer_norm(b->graph, stream, &spec);
}

/* The stream plus a linear layer of x. */
static dho_value add(const block *b, dho_value stream, dho_value x, const char *part,
                     bool zero_bias)
{
    char weight[NAME_BYTES], bias[NAME_BYTES];
    const bool drops = dho_graph_has_drop_path(b->graph);
    const dho_linear_spec spec = {.weight = name_of(b, weight, part, ".weight"),
                                  .bias = name_of(b, bias, part, ".bias"),
                                  .out_channels = dho_graph_channels(b->graph, stream),
                                  .adds = !drops,
                                  .residual = stream,
                                  .init = b->style->init,
                                  .zero_bias = zero_bias};
    x = dho_graph_linear_of(b->graph, x, &spec);
    return drops ? dho_graph_drop_path(b->graph, x, stream) : x;
}

static dho_value attention(const block *b, dho_value x, const dho_model_size *size, bool causal)
{
    char weight[NAME_BYTES], bias[NAME_BYTES];
    const dho_linear_spec qkv = {.weight = name_of(b, weight, b->style->qkv_weight, ""),
                                 .bias = name_of(b, bias, b->style->qkv_bias, ""),
                                 .out_channels = 3 * size->width,
                                 .init = b->style->qkv_init,
                                 .zero_bias = true};
    x = dho_graph_linear_of(b->graph, x, &qkv);
    return dho_graph_attention(b->graph, x, size->width / size->head_dim, causal);
}

static dho_value hidden(const block *b, dho_value x, const dho_model_size *size)
{
    char name[NAME_BYTES];
    const dho_linear_spec spec = {.weight = name_of(b, name, b->style->hidden, ".weight"),
                                  .out_channels = MLP_RATIO * size->width,
                                  .init = b->style->init};
    x = dho_graph_linear_of(b->graph, x, &spec);
    return dho_graph_bias_gelu(b->graph, x, name_of(b, name, b->style->hidden, ".bias"),
                               size->gelu);
}

dho_value dho_build_transformer_block(dho_graph *graph, dho_value stream, const char *prefix,
                                      const dho_block_style *style, const dho_model_size *size,
                                      bool causal)
{
    const block b = {graph, prefix, style};
    dho_graph_begin_block(graph);
    dho_value x = attention(&b, norm(&b, stream, 0), size, causal);
    stream = add(&b, stream, x, style->projection, true);
    x = hidden(&b, norm(&b, stream, 1), size);
    stream = add(&b, stream, x, style->output, style->init == DHO_INIT_SMALL);
    dho_graph_end_block(graph);
    return stream;
}

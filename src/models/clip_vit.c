/* CLIP's vision transformers (Radford et al. 2021, after Dosovitskiy et al. 2020), up to the
 * embedding, under OpenAI's names; the features are the embedding as it is, not normalised. */
#include "models/transformer_block.h"

#include <stdio.h>

dho_value dho_build_clip_vit(dho_graph *graph, dho_value image, const dho_model_size *size)
{
    const dho_conv_spec patches = {.name = "visual.conv1",
                                   .out_channels = size->width,
                                   .kernel = size->patch,
                                   .stride = size->patch};
    const dho_token_spec start = {.class_token = "visual.class_embedding",
                                  .position = "visual.positional_embedding"};
    dho_value x = dho_graph_conv(graph, image, &patches);
    x = dho_graph_embed_tokens(graph, x, &start);
    x = dho_graph_layer_norm(graph, x,
                             &(dho_layer_norm_spec){.name = "visual.ln_pre", .stream = true});
    for (int block = 0; block < size->layers; block++) {
        char prefix[48];
        snprintf(prefix, sizeof prefix, "visual.transformer.resblocks.%d.", block);
        x = dho_build_transformer_block(graph, x, prefix, &dho_clip_block, size, false);
    }
    x = dho_graph_take_token(graph, x);
    x = dho_graph_layer_norm(graph, x,
                             &(dho_layer_norm_spec){.name = "visual.ln_post", .stream = true});
    const dho_linear_spec projection = {.weight = "visual.proj",
                                        .out_channels = size->embed,
                                        .transposed = true,
                                        .init = DHO_INIT_NORMAL};
    return dho_graph_linear_of(graph, x, &projection);
}

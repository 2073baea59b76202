/* The plain vision transformer (Dosovitskiy et al. 2020; sizes of DeiT, Touvron et al. 2020), under
 * timm's names. The features are the class token behind the last normalisation. */
#include "models/transformer_block.h"

#include <stdio.h>

dho_value dho_build_vit(dho_graph *graph, dho_value image, const dho_model_size *size)
{
    const dho_conv_spec patches = {.name = "patch_embed.proj",
                                   .out_channels = size->width,
                                   .kernel = size->patch,
                                   .stride = size->patch,
                                   .bias = true,
                                   .init = DHO_INIT_SMALL};
    const dho_token_spec start = {.class_token = "cls_token",
                                  .position = "pos_embed",
                                  .batched = true,
                                  .init = DHO_INIT_SMALL};
    dho_value x = dho_graph_embed_tokens(graph, dho_graph_conv(graph, image, &patches), &start);
    for (int block = 0; block < size->layers; block++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "blocks.%d.", block);
        x = dho_build_transformer_block(graph, x, prefix, &dho_timm_block, size, false);
    }
    x = dho_graph_take_token(graph, x);
    return dho_graph_layer_norm(graph, x, &(dho_layer_norm_spec){"norm", 1e-6f, true});
}

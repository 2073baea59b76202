/* CLIP's vision transformers (Radford et al. 2021, after Dosovitskiy et al. 2020). */
#include "models/clip_block.h"

dho_value dho_build_clip_vit(dho_graph *graph, dho_value image, const dho_model_size *size)
{
    const dho_conv_spec patches = {.name = "visual.conv1",
                                   .out_channels = size->width,
                                   .kernel = size->patch,
                                   .stride = size->patch};
    dho_value x = dho_graph_conv(graph, image, &patches);
    x = dho_graph_embed_tokens(graph, x, "visual.class_embedding", "visual.positional_embedding");
    x = dho_graph_layer_norm(graph, x, "visual.ln_pre", true);
    for (int block = 0; block < size->layers; block++)
        x = dho_build_clip_block(graph, x, "visual.", block, size, false);
    x = dho_graph_take_token(graph, x);
    x = dho_graph_layer_norm(graph, x, "visual.ln_post", true);
    const dho_linear_spec projection = {.weight = "visual.proj",
                                        .out_channels = size->embed,
                                        .transposed = true,
                                        .init = DHO_INIT_NORMAL};
    return dho_graph_linear_of(graph, x, &projection);
}

/* CLIP's text transformers (Radford et al. 2021, section 2.4, after Radford et al. 2019): causal,
 * pre-norm, with the embedding taken at the end mark. */
#include "dho/text_tower.h"
#include "models/transformer_block.h"

#include <stdio.h>
#include <string.h>

enum { VOCABULARY = 49408, POSITIONS = 77, HEAD_DIM = 64, NARROW_HEAD = 8, MAX_SIZE = 65536 };

/* Tables 19 and 20 of the CLIP paper; H/14: open_clip's ViT-H-14-378-quickgelu. */
static const struct text_entry {
    const char *name;
    int width, layers, embed;
    dho_gelu gelu;
} entries[] = {
    {"clip_rn50", 512, 12, 1024, DHO_GELU_QUICK},
    {"clip_vit_b16", 512, 12, 512, DHO_GELU_QUICK},
    {"clip_vit_l14", 768, 12, 768, DHO_GELU_QUICK},
    {"clip_vit_l14_336", 768, 12, 768, DHO_GELU_QUICK},
    {"clip_vit_h14_378", 1024, 24, 1024, DHO_GELU_QUICK},
};
enum { ENTRIES = sizeof entries / sizeof *entries };

static dho_status find_entry(const char *name, const struct text_entry **out)
{
    char known[256] = "";
    for (size_t i = 0; i < ENTRIES; i++) {
        if (strcmp(entries[i].name, name) == 0) {
            *out = &entries[i];
            return DHO_OK;
        }
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", entries[i].name);
    }
    return dho_fail(DHO_ERR_CONFIG, "\"%s\" is no model with a text tower (known: %s)", name,
                    known);
}

static dho_status choose(const char *what, int asked, int published, int *out)
{
    *out = asked != 0 ? asked : published;
    if (*out >= 1 && *out <= MAX_SIZE) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "text tower: %s: must be in [1, %d], got %d", what, MAX_SIZE,
                    *out);
}

static dho_status choose_sizes(dho_text_tower *tower, const dho_text_tower_options *options,
                               const struct text_entry *entry)
{
    DHO_TRY(choose("width", options->width, entry->width, &tower->width));
    DHO_TRY(choose("layers", options->layers, entry->layers, &tower->layers));
    DHO_TRY(choose("embedding", options->embed, entry->embed, &tower->embed));
    DHO_TRY(choose("vocabulary", options->vocabulary, VOCABULARY, &tower->vocabulary));
    DHO_TRY(choose("positions", options->positions, POSITIONS, &tower->positions));
    DHO_TRY(choose("length", options->length, tower->positions, &tower->length));
    if (tower->width % NARROW_HEAD != 0)
        return dho_fail(DHO_ERR_CONFIG, "text tower: width: must be a multiple of %d, got %d",
                        NARROW_HEAD, tower->width);
    return DHO_OK;
}

static dho_value build(dho_graph *graph, const dho_text_tower *tower, dho_gelu gelu)
{
    const dho_model_size size = {.width = tower->width,
                                 .head_dim = tower->width % HEAD_DIM == 0 ? HEAD_DIM : NARROW_HEAD,
                                 .gelu = gelu};
    const dho_linear_spec projection = {.weight = "text_projection",
                                        .out_channels = tower->embed,
                                        .transposed = true,
                                        .init = DHO_INIT_NORMAL};
    const dho_value ids = dho_graph_text_input(graph, tower->length);
    dho_value x = dho_graph_embed_text(graph, ids, "token_embedding.weight", "positional_embedding",
                                       tower->vocabulary, tower->positions, tower->width);
    for (int block = 0; block < tower->layers; block++) {
        char prefix[48];
        snprintf(prefix, sizeof prefix, "transformer.resblocks.%d.", block);
        x = dho_build_transformer_block(graph, x, prefix, &dho_clip_block, &size, true);
    }
    x = dho_graph_take_largest(graph, x, ids);
    x = dho_graph_layer_norm(graph, x, &(dho_layer_norm_spec){.name = "ln_final", .stream = true});
    return dho_graph_linear_of(graph, x, &projection);
}

dho_status dho_text_tower_create(dho_text_tower *out, const dho_text_tower_options *options)
{
    const struct text_entry *entry = NULL;
    dho_status status;
    *out = (dho_text_tower){.embedding = -1};
    DHO_TRY(find_entry(options->model, &entry));
    DHO_TRY(choose_sizes(out, options, entry));
    DHO_TRY(dho_graph_create(&out->graph));
    dho_graph_run_only(out->graph);
    out->embedding = build(out->graph, out, entry->gelu);
    dho_graph_output(out->graph, out->embedding);
    DHO_TRY_GOTO(dho_graph_finish(out->graph));
    return DHO_OK;
fail:
    dho_text_tower_destroy(out);
    return status;
}

void dho_text_tower_destroy(dho_text_tower *tower)
{
    dho_graph_destroy(&tower->graph);
}

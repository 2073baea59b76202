#include "weights/tensor_names.h"

#include <stdio.h>
#include <string.h>

const char *const dho_naming_words[DHO_NAMING_COUNT] = {
    [DHO_NAMES_OWN] = "openai",
    [DHO_NAMES_BARE] = "bare",
    [DHO_NAMES_HUGGINGFACE] = "huggingface",
    [DHO_NAMES_TIMM] = "timm",
};

/* A name, or the beginning of names where it ends with a point. NULL: the tool has none. */
typedef struct entry {
    const char *own, *huggingface, *timm;
} entry;

/* Below "visual.". */
static const entry tower[] = {
    {"conv1.weight", "vision_model.embeddings.patch_embedding.weight", "patch_embed.proj.weight"},
    {"class_embedding", "vision_model.embeddings.class_embedding", "cls_token"},
    {"positional_embedding", "vision_model.embeddings.position_embedding.weight", "pos_embed"},
    {"ln_pre.", "vision_model.pre_layrnorm.", "norm_pre."}, /* sic */
    {"ln_post.", "vision_model.post_layernorm.", "norm."},
    {"proj", "visual_projection.weight", "head.weight"},
};

/* The text tower's, from the root on. */
static const entry text_tower[] = {
    {"token_embedding.weight", "text_model.embeddings.token_embedding.weight", NULL},
    {"positional_embedding", "text_model.embeddings.position_embedding.weight", NULL},
    {"ln_final.", "text_model.final_layer_norm.", NULL},
    {"text_projection", "text_projection.weight", NULL},
    {"logit_scale", "logit_scale", NULL},
};

/* Below "visual.transformer.resblocks.N." and "transformer.resblocks.N.". '*' stands for q, k, v:
 * three tensors. */
static const entry block[] = {
    {"ln_1.", "layer_norm1.", "norm1."},
    {"attn.in_proj_weight", "self_attn.*_proj.weight", "attn.qkv.weight"},
    {"attn.in_proj_bias", "self_attn.*_proj.bias", "attn.qkv.bias"},
    {"attn.out_proj.", "self_attn.out_proj.", "attn.proj."},
    {"ln_2.", "layer_norm2.", "norm2."},
    {"mlp.c_fc.", "mlp.fc1.", "mlp.fc1."},
    {"mlp.c_proj.", "mlp.fc2.", "mlp.fc2."},
};

static const char *after(const char *text, const char *beginning)
{
    const size_t length = strlen(beginning);
    return strncmp(text, beginning, length) == 0 ? text + length : NULL;
}

/* The entry of a name and what follows it; NULL for none. */
static const entry *find(const entry *entries, size_t count, const char *name, const char **rest)
{
    for (size_t i = 0; i < count; i++) {
        *rest = after(name, entries[i].own);
        const bool open = entries[i].own[strlen(entries[i].own) - 1] == '.';
        if (*rest != NULL && open == (**rest != '\0')) return &entries[i];
    }
    return NULL;
}

static const char *column(const entry *e, dho_naming naming)
{
    return naming == DHO_NAMES_HUGGINGFACE ? e->huggingface : e->timm;
}

/* "prefix name rest", three times with a letter each where `name` has a star. */
static void write_names(const char *prefix, const char *name, const char *rest,
                        dho_tensor_names *out)
{
    const char *star = strchr(name, '*');
    out->count = star != NULL ? 3 : 1;
    for (int i = 0; i < out->count; i++) {
        const int head = (int)(star != NULL ? star - name : (ptrdiff_t)strlen(name));
        snprintf(out->names[i], sizeof out->names[i], "%.40s%.*s%.*s%.60s%.40s", prefix, head, name,
                 star != NULL ? 1 : 0, "qkv" + i, star != NULL ? star + 1 : "", rest);
    }
}

/* A tensor inside of a transformer's block, whose number and name are `inside`. */
static bool block_names_of(dho_naming naming, const char *layers, const char *inside,
                           dho_tensor_names *out)
{
    char prefix[64];
    const char *rest;
    int number, used = 0;
    if (sscanf(inside, "%d.%n", &number, &used) != 1 || used == 0) return false;
    snprintf(prefix, sizeof prefix, "%s%d.", layers, number);
    const entry *e = find(block, sizeof block / sizeof *block, inside + used, &rest);
    if (e == NULL) return false;
    write_names(prefix, column(e, naming), rest, out);
    return true;
}

static bool text_names_of(dho_naming naming, const char *own, dho_tensor_names *out)
{
    const char *rest, *inside = after(own, "transformer.resblocks.");
    if (naming != DHO_NAMES_HUGGINGFACE) return false;
    if (inside != NULL) return block_names_of(naming, "text_model.encoder.layers.", inside, out);
    const entry *e = find(text_tower, sizeof text_tower / sizeof *text_tower, own, &rest);
    if (e == NULL) return false;
    out->transposed = strcmp(own, "text_projection") == 0;
    write_names("", e->huggingface, rest, out);
    return true;
}

bool dho_tensor_names_of(dho_naming naming, const char *own, dho_tensor_names *out)
{
    const char *rest, *bare = after(own, "visual.");
    *out = (dho_tensor_names){.count = 1};
    if (naming == DHO_NAMES_OWN) {
        snprintf(out->names[0], sizeof out->names[0], "%s", own);
        return true;
    }
    if (bare == NULL) return text_names_of(naming, own, out);
    if (naming == DHO_NAMES_BARE) {
        snprintf(out->names[0], sizeof out->names[0], "%s", bare);
        return true;
    }
    const char *inside = after(bare, "transformer.resblocks.");
    if (inside != NULL)
        return block_names_of(naming,
                              naming == DHO_NAMES_TIMM ? "blocks." : "vision_model.encoder.layers.",
                              inside, out);
    const entry *e = find(tower, sizeof tower / sizeof *tower, bare, &rest);
    if (e == NULL) return false;
    out->transposed = strcmp(bare, "proj") == 0;
    write_names("", column(e, naming), rest, out);
    return true;
}

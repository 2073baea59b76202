#include "weights/tensor_names.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

const char *const dho_naming_words[DHO_NAMING_COUNT] = {
    [DHO_NAMES_OWN] = "openai",
    [DHO_NAMES_BARE] = "bare",
    [DHO_NAMES_HUGGINGFACE] = "huggingface",
    [DHO_NAMES_TIMM] = "timm",
    [DHO_NAMES_TIMM_BYOB] = "timm",
    [DHO_NAMES_TIMM_CONVNEXT] = "timm",
    [DHO_NAMES_SEQUENTIAL] = "nn.Sequential",
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

/* --- convolutional networks: the last column is that of the tool which the table is for --- */

/* torchvision's MobileNetV2. */
static const entry mobilenet[] = {
    {"features.0.0.", NULL, "conv_stem."},  {"features.0.1.", NULL, "bn1."},
    {"features.18.0.", NULL, "conv_head."}, {"features.18.1.", NULL, "bn2."},
    {"classifier.1.", NULL, "classifier."},
};

/* Below "features.N." of a block without and with an expansion. */
static const entry separable[] = {
    {"conv.0.0.", NULL, "conv_dw."},
    {"conv.0.1.", NULL, "bn1."},
    {"conv.1.", NULL, "conv_pw."},
    {"conv.2.", NULL, "bn2."},
};
static const entry inverted_residual[] = {
    {"conv.0.0.", NULL, "conv_pw."}, {"conv.0.1.", NULL, "bn1."},
    {"conv.1.0.", NULL, "conv_dw."}, {"conv.1.1.", NULL, "bn2."},
    {"conv.2.", NULL, "conv_pwl."},  {"conv.3.", NULL, "bn3."},
};

/* torchvision's ResNets: the same. */
static const entry resnet[] = {
    {"conv1.", NULL, "conv1."},   {"bn1.", NULL, "bn1."},       {"layer1.", NULL, "layer1."},
    {"layer2.", NULL, "layer2."}, {"layer3.", NULL, "layer3."}, {"layer4.", NULL, "layer4."},
    {"fc.", NULL, "fc."},
};

/* nn.Sequential's numbers for the children of torchvision's networks. */
static const entry children[] = {
    {"conv1.", NULL, "0."},    {"bn1.", NULL, "1."},    {"layer1.", NULL, "4."},
    {"layer2.", NULL, "5."},   {"layer3.", NULL, "6."}, {"layer4.", NULL, "7."},
    {"features.", NULL, "0."},
};

/* timm's own vision transformers: the same. */
static const entry vit[] = {
    {"cls_token", NULL, "cls_token"},
    {"pos_embed", NULL, "pos_embed"},
    {"patch_embed.", NULL, "patch_embed."},
    {"blocks.", NULL, "blocks."},
    {"norm.", NULL, "norm."},
    {"head.", NULL, "head."},
};

/* torchvision's ConvNeXt, and below "features.N.N." of a block. */
static const entry convnext[] = {
    {"features.0.0.", NULL, "stem.0."},
    {"features.0.1.", NULL, "stem.1."},
    {"classifier.0.", NULL, "head.norm."},
    {"classifier.2.", NULL, "head.fc."},
};
static const entry convnext_block[] = {
    {"layer_scale", NULL, "gamma"}, {"block.0.", NULL, "conv_dw."}, {"block.2.", NULL, "norm."},
    {"block.3.", NULL, "mlp.fc1."}, {"block.5.", NULL, "mlp.fc2."},
};

/* CLIP's ResNet below "visual.", and below "visual.layerN.N.". */
static const entry clip_resnet[] = {
    {"conv1.", NULL, "stem.conv1.conv."},
    {"bn1.", NULL, "stem.conv1.bn."},
    {"conv2.", NULL, "stem.conv2.conv."},
    {"bn2.", NULL, "stem.conv2.bn."},
    {"conv3.", NULL, "stem.conv3.conv."},
    {"bn3.", NULL, "stem.conv3.bn."},
    {"attnpool.positional_embedding", NULL, "head.pos_embed"},
    {"attnpool.q_proj.", NULL, "head.q."},
    {"attnpool.k_proj.", NULL, "head.k."},
    {"attnpool.v_proj.", NULL, "head.v."},
    {"attnpool.c_proj.", NULL, "head.proj."},
};
static const entry bottleneck[] = {
    {"conv1.", NULL, "conv1_1x1.conv."},
    {"bn1.", NULL, "conv1_1x1.bn."},
    {"conv2.", NULL, "conv2_kxk.conv."},
    {"bn2.", NULL, "conv2_kxk.bn."},
    {"conv3.", NULL, "conv3_1x1.conv."},
    {"bn3.", NULL, "conv3_1x1.bn."},
    {"downsample.0.", NULL, "shortcut.conv.conv."},
    {"downsample.1.", NULL, "shortcut.conv.bn."},
};

/* The entry of a name and what follows it; NULL for none. */
static const entry *find(const entry *entries, size_t count, const char *name, const char **rest)
{
    for (size_t i = 0; i < count; i++) {
        *rest = dho_after(name, entries[i].own);
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

#define TABLE(entries) entries, sizeof(entries) / sizeof *(entries)

/* The name in a table, behind a prefix. */
static bool names_in(const entry *entries, size_t count, dho_naming naming, const char *prefix,
                     const char *name, dho_tensor_names *out)
{
    const char *rest;
    const entry *e = find(entries, count, name, &rest);
    if (e == NULL || column(e, naming) == NULL) return false;
    write_names(prefix, column(e, naming), rest, out);
    return true;
}

/* A tensor inside of a transformer's block, whose number and name are `inside`. */
static bool block_names_of(dho_naming naming, const char *layers, const char *inside,
                           dho_tensor_names *out)
{
    char prefix[64];
    int number, used = 0;
    if (sscanf(inside, "%d.%n", &number, &used) != 1 || used == 0) return false;
    snprintf(prefix, sizeof prefix, "%s%d.", layers, number);
    return names_in(TABLE(block), naming, prefix, inside + used, out);
}

static bool text_names_of(const char *own, dho_tensor_names *out)
{
    const dho_naming naming = DHO_NAMES_HUGGINGFACE;
    const char *inside = dho_after(own, "transformer.resblocks.");
    if (inside != NULL) return block_names_of(naming, "text_model.encoder.layers.", inside, out);
    out->transposed = strcmp(own, "text_projection") == 0;
    return names_in(TABLE(text_tower), naming, "", own, out);
}

/* timm counts MobileNetV2's blocks by stage. */
static bool mobilenet_names_of(const char *own, dho_tensor_names *out)
{
    static const int stages[] = {1, 2, 3, 4, 3, 3, 1};
    char prefix[64];
    int number, used = 0;
    if (names_in(TABLE(mobilenet), DHO_NAMES_TIMM, "", own, out)) return true;
    if (sscanf(own, "features.%d.%n", &number, &used) != 1 || used == 0 || number < 1) return false;
    number--;
    size_t stage = 0;
    for (; stage < sizeof stages / sizeof *stages && number >= stages[stage]; stage++)
        number -= stages[stage];
    snprintf(prefix, sizeof prefix, "blocks.%zu.%d.", stage, number);
    if (stage == 0) return names_in(TABLE(separable), DHO_NAMES_TIMM, prefix, own + used, out);
    return names_in(TABLE(inverted_residual), DHO_NAMES_TIMM, prefix, own + used, out);
}

/* torchvision counts ConvNeXt's stages and what halves the image in front of each as one list. */
static bool convnext_names_of(const char *own, dho_tensor_names *out)
{
    char prefix[64];
    int part, number, used = 0;
    if (names_in(TABLE(convnext), DHO_NAMES_TIMM_CONVNEXT, "", own, out)) return true;
    if (sscanf(own, "features.%d.%d.%n", &part, &number, &used) != 2 || used == 0 || part < 1)
        return false;
    if (part % 2 == 0) {
        snprintf(prefix, sizeof prefix, "stages.%d.downsample.%d.", part / 2, number);
        write_names(prefix, "", own + used, out);
        return true;
    }
    snprintf(prefix, sizeof prefix, "stages.%d.blocks.%d.", part / 2, number);
    return names_in(TABLE(convnext_block), DHO_NAMES_TIMM_CONVNEXT, prefix, own + used, out);
}

static bool clip_resnet_names_of(const char *bare, dho_tensor_names *out)
{
    char prefix[64];
    int layer, number, used = 0;
    if (sscanf(bare, "layer%d.%d.%n", &layer, &number, &used) != 2 || used == 0)
        return names_in(TABLE(clip_resnet), DHO_NAMES_TIMM_BYOB, "", bare, out);
    snprintf(prefix, sizeof prefix, "stages.%d.%d.", layer - 1, number);
    return names_in(TABLE(bottleneck), DHO_NAMES_TIMM_BYOB, prefix, bare + used, out);
}

/* A vision transformer's. */
static bool tower_names_of(dho_naming naming, const char *bare, dho_tensor_names *out)
{
    const char *inside = dho_after(bare, "transformer.resblocks.");
    const char *layers = naming == DHO_NAMES_TIMM ? "blocks." : "vision_model.encoder.layers.";
    if (inside != NULL) return block_names_of(naming, layers, inside, out);
    out->transposed = strcmp(bare, "proj") == 0;
    return names_in(TABLE(tower), naming, "", bare, out);
}

bool dho_tensor_names_of(dho_naming naming, const char *own, dho_tensor_names *out)
{
    const char *bare = dho_after(own, "visual.");
    *out = (dho_tensor_names){.count = 1};
    switch (naming) {
    case DHO_NAMES_OWN:
        snprintf(out->names[0], sizeof out->names[0], "%s", own);
        return true;
    case DHO_NAMES_BARE:
        if (bare != NULL) snprintf(out->names[0], sizeof out->names[0], "%s", bare);
        return bare != NULL;
    case DHO_NAMES_HUGGINGFACE:
        return bare != NULL ? tower_names_of(naming, bare, out) : text_names_of(own, out);
    case DHO_NAMES_TIMM:
        if (bare != NULL) return tower_names_of(naming, bare, out);
        return mobilenet_names_of(own, out) || names_in(TABLE(resnet), naming, "", own, out) ||
               names_in(TABLE(vit), naming, "", own, out);
    case DHO_NAMES_TIMM_BYOB:
        return bare != NULL && clip_resnet_names_of(bare, out);
    case DHO_NAMES_TIMM_CONVNEXT:
        return convnext_names_of(own, out);
    case DHO_NAMES_SEQUENTIAL:
        return names_in(TABLE(children), naming, "", own, out);
    case DHO_NAMING_COUNT:
        break;
    }
    return false;
}

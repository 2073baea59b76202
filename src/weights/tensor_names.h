/* Under which names the tools that publish a model keep a tensor. Private to src/weights; the
 * engine's own names are torchvision's, and for CLIP OpenAI's. */
#ifndef DHO_WEIGHTS_TENSOR_NAMES_H
#define DHO_WEIGHTS_TENSOR_NAMES_H

#include <stdbool.h>

typedef enum dho_naming {
    DHO_NAMES_OWN,         /* OpenAI's and open_clip's; for other models torchvision's */
    DHO_NAMES_BARE,        /* the same without "visual.": a tower on its own */
    DHO_NAMES_HUGGINGFACE, /* transformers' CLIPModel and CLIPVisionModelWithProjection */
    DHO_NAMES_TIMM,        /* timm's vit_*_clip_*, whose head is the projection; mobilenetv2_*;
                              resnet* and vit_*, which are the engine's own */
    DHO_NAMES_TIMM_BYOB,   /* timm's resnet50_clip, whose tensors have OpenAI's names in common with
                              those of vit_*_clip_*, but not timm's */
    DHO_NAMES_TIMM_CONVNEXT, /* timm's convnext_*; MobileNetV2 has some of torchvision's names, too
                              */
    DHO_NAMES_SEQUENTIAL,    /* torchvision's ResNets and MobileNetV2 without their classifier as an
                                nn.Sequential, whose children have numbers for names: the students of
                                the method's public code. Only read */
    DHO_NAMING_COUNT
} dho_naming;

enum { DHO_NAME_PARTS = 3, DHO_TENSOR_NAME_BYTES = 160 };

/* One tensor of the engine in a file: stacked from `count` tensors along its first dimension. */
typedef struct dho_tensor_names {
    int count;
    char names[DHO_NAME_PARTS][DHO_TENSOR_NAME_BYTES];
    bool transposed; /* against the engine's published layout */
} dho_tensor_names;

/* "openai", "huggingface", ... for messages and options; "timm" stands for three. */
extern const char *const dho_naming_words[DHO_NAMING_COUNT];

/* false when this naming has no such tensor. */
bool dho_tensor_names_of(dho_naming naming, const char *own, dho_tensor_names *out);

#endif

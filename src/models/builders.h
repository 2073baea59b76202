/* Backbones: each appends its operators to a graph and returns the pooled features. Names are
 * torchvision's. Private to src/models. */
#ifndef DHO_MODELS_BUILDERS_H
#define DHO_MODELS_BUILDERS_H

#include "dho/graph.h"

/* How large a model is. */
typedef struct dho_model_size {
    int width;    /* channels of the first stage, or of the transformer's tokens */
    int layers;   /* blocks of a transformer; 0: the depth is fixed */
    int patch;    /* pixels, of a transformer */
    int head_dim; /* channels of an attention head; 0: no attention */
    int embed;    /* CLIP: channels of the embedding that it shares with the text; 0: no CLIP */
    dho_gelu gelu;
} dho_model_size;

/* ResNet-18 and ResNet-50 (He et al. 2016). width: channels of the first stage's 3x3
 * convolutions, 64 in the published models; features: 8 and 32 times that. */
dho_value dho_build_resnet18(dho_graph *graph, dho_value image, const dho_model_size *size);
dho_value dho_build_resnet50(dho_graph *graph, dho_value image, const dho_model_size *size);

/* Their convolution "<block>conv<number>", without a bias, padded by half its kernel, and
 * "<block>bn<number>" (+ residual; -1: none) with ReLU. */
dho_value dho_build_conv_bn(dho_graph *graph, dho_value x, const char *block, int number,
                            int channels, int kernel, int stride, dho_value residual);

/* CLIP's image towers up to the embedding, under OpenAI's names; the features are the embedding as
 * it is, not normalised. */
dho_value dho_build_clip_vit(dho_graph *graph, dho_value image, const dho_model_size *size);
dho_value dho_build_clip_resnet50(dho_graph *graph, dho_value image, const dho_model_size *size);

/* MobileNetV2 (Sandler et al. 2018). width: channels of the stem, 32 in the published model (width
 * multiplier 1); the others scale with it and are rounded to multiples of 8. Features: 1280, more
 * for wider models. torchvision's classifier drops 20 % of the features before its linear layer;
 * dho's heads are linear on the pooled features for all students, as the method has it, so that
 * there is no dropout here, and evaluation is the same. */
dho_value dho_build_mobilenet_v2(dho_graph *graph, dho_value image, const dho_model_size *size);

#endif

/* Backbones: each appends its operators to a graph and returns the pooled features. Private to
 * src/models. */
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
    const char *timm; /* timm's name of the published model; NULL: it has none */
} dho_model_size;

/* Each file says what its widths and features are. */
#define DHO_MODEL(word, build, ...) \
    dho_value build(dho_graph *graph, dho_value image, const dho_model_size *size);
#include "dho/model_rows.h"
#undef DHO_MODEL

/* ResNets' convolution "<block>conv<number>", without a bias, padded by half its kernel, and
 * "<block>bn<number>" (+ residual; -1: none) with ReLU. */
dho_value dho_build_conv_bn(dho_graph *graph, dho_value x, const char *block, int number,
                            int channels, int kernel, int stride, dho_value residual);

#endif

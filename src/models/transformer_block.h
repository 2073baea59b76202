/* The residual block of pre-norm transformers, of images and of texts. Private to src/models. */
#ifndef DHO_MODELS_TRANSFORMER_BLOCK_H
#define DHO_MODELS_TRANSFORMER_BLOCK_H

#include "models/builders.h"

#include <stdbool.h>

/* How a published model names the parts of a block, and starts them. */
typedef struct dho_block_style {
    const char *norm[2];               /* before the attention, before the perceptron */
    const char *qkv_weight, *qkv_bias; /* of the layer that makes queries, keys and values */
    const char *projection;            /* behind the attention */
    const char *hidden, *output;       /* of the perceptron */
    dho_init qkv_init, init;           /* of weights; with SMALL all biases start at 0 */
    float eps;                         /* of the normalisations; 0: 1e-5 */
} dho_block_style;

extern const dho_block_style dho_clip_block; /* OpenAI's CLIP */
extern const dho_block_style dho_timm_block; /* timm's vision transformers */

/* x + attention(norm(x)), then + perceptron(norm(.)); `prefix` is in front of all names. causal: a
 * token sees those up to itself only. */
dho_value dho_build_transformer_block(dho_graph *graph, dho_value stream, const char *prefix,
                                      const dho_block_style *style, const dho_model_size *size,
                                      bool causal);

#endif

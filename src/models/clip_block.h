/* What CLIP's image and text transformers share. Private to src/models. */
#ifndef DHO_MODELS_CLIP_BLOCK_H
#define DHO_MODELS_CLIP_BLOCK_H

#include "models/builders.h"

#include <stdbool.h>

/* x + attention(ln_1(x)), then + mlp(ln_2(.)); names are "<tower>transformer.resblocks.<number>.*".
 * causal: a token sees those up to itself only. */
dho_value dho_build_clip_block(dho_graph *graph, dho_value stream, const char *tower, int number,
                               const dho_model_size *size, bool causal);

#endif

/* CLIP's text towers: token ids to the embedding that texts share with images, as it is, not
 * normalised. Local. */
#ifndef DHO_TEXT_TOWER_H
#define DHO_TEXT_TOWER_H

#include "dho/graph.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_text_tower_options {
    const char *model; /* the CLIP model's name as of students: "clip_rn50", "clip_vit_b16", ... */
    /* 0: as published */
    int width;      /* channels of a token */
    int layers;     /* blocks */
    int embed;      /* channels of the embedding */
    int vocabulary; /* rows of the token embedding */
    int positions;  /* rows of the position embedding: the longest text */
    int length;     /* ids of a text, at most `positions`: texts after whose end mark nothing is
                       left out have the same embedding at any length, as no token sees later ones */
} dho_text_tower_options;

/* The graph takes ids [batch][length] as floats, each below `vocabulary`, the end mark the largest
 * of a row; parameters are named as OpenAI's. */
typedef struct dho_text_tower {
    dho_graph *graph;                                        /* owned */
    dho_value embedding;                                     /* [batch][embed] */
    int width, layers, embed, vocabulary, positions, length; /* never 0 */
} dho_text_tower;

/* Errors: DHO_ERR_CONFIG for a model without a text tower (with the names of those that have one),
 * sizes that cannot be. */
dho_status dho_text_tower_create(dho_text_tower *out, const dho_text_tower_options *options);
void dho_text_tower_destroy(dho_text_tower *tower);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

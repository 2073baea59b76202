/* Gradient conflict: do the supervised loss and the teacher's pull the shared weights in different
 * directions? Their gradients' cosine and norms, for each block of the backbone. Local. */
#ifndef DHO_CONFLICT_H
#define DHO_CONFLICT_H

#include "dho/graph.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Inner products of two gradients: |a|^2, |b|^2, a.b. */
typedef struct dho_conflict_terms {
    double ce, kd, dot;
} dho_conflict_terms;

/* a.b / (|a| |b|); 0 where one of them is 0. */
double dho_conflict_cosine(const dho_conflict_terms *terms);
/* The terms of two vectors. */
dho_conflict_terms dho_conflict_of(size_t count, const float *ce, const float *kd);

/* The parameters that both losses reach, by block: a name up to its first number ("layer1.0",
 * "features.3", "transformer.resblocks.11"), or without "weight" and "bias" ("conv1",
 * "visual.proj"). Heads of one loss only ("head_ce", "head_kd", "head_feature") are left out. */
typedef struct dho_conflict_blocks {
    const dho_graph *graph; /* borrowed */
    char **names;           /* owned, [count], in order of the first parameter */
    int *block_of;          /* owned, by parameter; -1: left out */
    int count;
} dho_conflict_blocks;

dho_status dho_conflict_blocks_create(dho_conflict_blocks *out, const dho_graph *graph);
void dho_conflict_blocks_free(dho_conflict_blocks *blocks);

/* Of two gradient slabs: out[count]. Does not depend on the number of threads. */
void dho_conflict_measure(const dho_conflict_blocks *blocks, const float *ce, const float *kd,
                          dho_conflict_terms *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

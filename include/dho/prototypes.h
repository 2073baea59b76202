/* A teacher's head out of labelled embeddings: class means (the prototypes of Snell et al. 2017,
 * arXiv 1703.05175, of embeddings of length 1, compared by their cosine). docs/teachers.md. */
#ifndef DHO_PROTOTYPES_H
#define DHO_PROTOTYPES_H

#include "dho/tip_adapter.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* W_c = m_c / |m_c|, m_c the mean of the first `per_class` features of class c (first view; a class
 * that has fewer: of all it has; 0: of all). classes: 1 + the largest label; scale: 100, as CLIP's.
 * *out is owned, all zero on error. Local. Errors: DHO_ERR_CONFIG naming `name` and a class that no
 * row has; DHO_ERR_NUMERIC when a class's rows cancel out; DHO_ERR_MEMORY. */
dho_status dho_prototypes_make(dho_teacher_head *out, const dho_shots *shots, int64_t per_class,
                               const char *name);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

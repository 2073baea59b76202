/* The parts of a Tip-Adapter head's logits that its training and its search share. Private to
 * src/heads. */
#ifndef DHO_HEADS_HEAD_LOGITS_H
#define DHO_HEADS_HEAD_LOGITS_H

#include "dho/teacher_head.h"

/* exponentials[k] = exp(-beta (1 - factor affinities[k])); they may be the same buffer. */
void dho_head_exponentials(int count, float beta, float factor, const float *affinities,
                           float *exponentials);
/* out[c] += alpha x the sum of the exponentials of class c, of keys first .. first + count - 1.
 * The keys of one row; `exponentials` begins with that of key `first`. */
void dho_head_add_sums(const dho_teacher_head *head, int first, int count, float alpha,
                       const float *exponentials, float *out);
/* 1 / |row|, of a row of `dim` values; 1e12 for none. */
float dho_head_inverse_norm(int dim, const float *row);

#endif

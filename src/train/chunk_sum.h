/* Sums over a slab whose bits depend neither on threads nor on who owns which part. Private to
 * src/train. */
#ifndef DHO_TRAIN_CHUNK_SUM_H
#define DHO_TRAIN_CHUNK_SUM_H

#include "dho/comm.h"

#include <stddef.h>

enum { DHO_SLAB_LANES = 16 };             /* slabs are whole multiples of so many floats */
enum { DHO_NORM_CHUNK = DHO_COMM_GRAIN }; /* floats of one partial sum */

/* Chunks that so many floats have. */
static inline size_t dho_chunk_count(size_t floats)
{
    return (floats + DHO_NORM_CHUNK - 1) / DHO_NORM_CHUNK;
}

/* chunks[c] = sum of a_i b_i over chunk c, for the chunks of floats begin .. end - 1; begin is a
 * chunk's first float. */
void dho_chunk_sum(int threads, size_t begin, size_t end, const float *a, const float *b,
                   double *chunks);

#endif

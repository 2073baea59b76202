/* PCGrad: the gradients of two losses without the part of each that works against the other (Yu et
 * al. 2020, arXiv 2001.06782). Private to src/train. */
#ifndef DHO_TRAIN_PCGRAD_H
#define DHO_TRAIN_PCGRAD_H

#include <stddef.h>

/* With two losses' gradients a and b, whole slabs as one vector each:
 *   a.b >= 0:  b <- a + b
 *   a.b < 0:   b <- (a - (a.b / b.b) b) + (b - (a.b / a.a) a)
 * chunks: scratch, [dho_chunk_count(count)]. The result does not depend on `threads`. */
void dho_pcgrad_join(int threads, size_t count, const float *a, float *b, double *chunks);

#endif

/* Weights that do not change, as the kernels want them. Private to src/compute. */
#ifndef DHO_COMPUTE_CORE_KEPT_H
#define DHO_COMPUTE_CORE_KEPT_H

#include "compute/core/context.h"

/* A converted copy. */
typedef struct dho_kept {
    struct dho_kept *next;
    const float *from; /* borrowed: the weights */
    const void *by;    /* who converted them: its table or operation */
    void *data;        /* owned */
} dho_kept;

/* The next copy of these weights after `last` (NULL: the first); NULL: no more. */
const dho_kept *dho_kept_next(const dho_compute *compute, const float *from, const dho_kept *last);
/* Room for a new copy, which the caller fills at once. NULL: these weights may change, or there is
 * no memory: the caller converts them into scratch. */
void *dho_kept_add(dho_compute *compute, const float *from, const void *by, size_t bytes);

#endif

/* Which parameters this rank updates: all, or with train.shard_optimizer the ranges that it owns.
 * Private to src/train. */
#ifndef DHO_TRAIN_OWNED_H
#define DHO_TRAIN_OWNED_H

#include "dho/comm.h"

/* Parameters begin .. end - 1; the moments of the first one lie at float `moment` of their slabs.
 */
typedef struct dho_owned_range {
    size_t begin, end, moment;
} dho_owned_range;

typedef struct dho_owned {
    dho_comm *comm; /* borrowed */
    bool sharded;
    size_t parameter_floats, bucket; /* floats of a bucket of the gradients' sum */
    dho_owned_range *items;          /* owned, [count] */
    size_t count;
    size_t floats; /* of one moment */
} dho_owned;

/* The tree of comm is set. Errors: DHO_ERR_MEMORY. Local. */
dho_status dho_owned_create(dho_owned *out, dho_comm *comm, bool sharded, size_t parameter_floats,
                            size_t bucket);
void dho_owned_free(dho_owned *owned);

/* Each rank's ranges of a slab of parameters to all. Collective; nothing without shards. */
dho_status dho_owned_spread(const dho_owned *owned, float *slab);
/* A whole slab's moments of this rank. */
void dho_owned_take(const dho_owned *owned, const float *whole, float *moments);
/* A whole slab of all ranks' moments. Collective. */
dho_status dho_owned_gather(const dho_owned *owned, const float *moments, float *out_whole);

#endif

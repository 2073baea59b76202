/* What of a step's microbatches this rank computes, on which of its threads, and how the sums meet.
 * Private to src and tools. */
#ifndef DHO_TRAIN_SHARE_H
#define DHO_TRAIN_SHARE_H

#include "dho/float_sum.h"
#include "dho/status.h"

#include <stddef.h>

/* A rank's part of the tree (dho/comm.h) is cut into lanes. A lane computes its microbatches one
 * after the other; lanes run side by side. Gradients lie in slots: a lane's are a stack, on which
 * it adds up as the tree says; at the end the lanes' sums are merged into the rank's. */
typedef struct dho_share {
    int first, count; /* the rank's places in tree order */
    int lane_count;
    int *lane_first; /* owned, [lane_count + 1]: each lane's places */
    int *lane_slot;  /* owned, [lane_count + 1]: each lane's slots */
    int *shards;     /* owned, [count]: the microbatch at place first + i */
    int *merges;     /* owned, [count]: after it, so many times slot top-1 += slot top */
    int *wanted;     /* owned, [count]: microbatches in the order in which the lanes want them */
    int *wanted_by;  /* owned, [count]: and the lane that wants each */
    int slots;       /* of all lanes */
    int fold_count;
    int (*folds)[2]; /* owned: slot folds[i][0] += slot folds[i][1], in order, across lanes */
    int sum_count;
    int *sums; /* owned: the slots with the rank's sums then, in tree order */
} dho_share;

/* leaves >= ranks; lanes >= 1, more than there are microbatches are left out. Errors:
 * DHO_ERR_MEMORY. Local. */
dho_status dho_share_create(dho_share *out, int leaves, int ranks, int rank, int lanes);
void dho_share_free(dho_share *share);

/* Adds the lanes' sums up to the rank's, for floats begin .. end - 1 of slabs that lie `stride`
 * floats apart, one a slot. rounding: as in dho_add_floats. */
void dho_share_merge(const dho_share *share, float *slabs, size_t stride, size_t begin, size_t end,
                     const dho_rounding *rounding);
/* Where the rank's sums are then: out_sums[sum_count]. */
void dho_share_sums(const dho_share *share, float *slabs, size_t stride, float **out_sums);

#endif

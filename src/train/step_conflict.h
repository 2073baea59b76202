/* Measuring gradient conflict inside a training step, without touching it. Private to src/train. */
#ifndef DHO_TRAIN_STEP_CONFLICT_H
#define DHO_TRAIN_STEP_CONFLICT_H

#include "dho/comm.h"
#include "dho/conflict.h"
#include "dho/microbatch.h"
#include "train/progress.h"

/* The two losses' gradients apart, summed over the step's microbatches as the step's own are: by
 * the same tree, so that the numbers do not depend on the number of ranks. */
typedef struct dho_step_conflict {
    int64_t every; /* 0: never; nothing else is there then */
    dho_conflict_blocks blocks;
    size_t parameter_floats, slab_floats;
    float *partials;           /* owned, [depth] slabs [CE gradients | teacher gradients | terms] */
    float *features;           /* owned, [2][rows][feature_dim] */
    float *unread_statistics;  /* owned: batch statistics that a run of the student writes */
    dho_conflict_terms *terms; /* owned, [blocks.count] */
} dho_step_conflict;

/* depth: slots of the tree; rows: of a microbatch. */
dho_status dho_step_conflict_create(dho_step_conflict *out, int64_t every,
                                    const dho_student *student, int depth, int rows, int passes);
void dho_step_conflict_free(dho_step_conflict *conflict);

/* Is it due in the step that makes `step` done steps? */
bool dho_step_conflict_due(const dho_step_conflict *conflict, int64_t step);
/* Gradients of one microbatch into slot `slot` of the tree: two more runs of the student. */
void dho_step_conflict_run(dho_step_conflict *conflict, const dho_microbatch *microbatch,
                           const dho_objective *objective, int slot);
/* slot - 1 += slot. */
void dho_step_conflict_merge(dho_step_conflict *conflict, dho_compute *compute, int slot);
/* Sums over the ranks and writes the line of `step` (rank 0). *out_written: how the writing went,
 * apart from the collective's own failure. Collective. */
dho_status dho_step_conflict_finish(dho_step_conflict *conflict, dho_comm *comm, int shards,
                                    int64_t step, dho_progress *progress, dho_status *out_written);

#endif

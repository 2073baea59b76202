/* Measuring gradient conflict inside a training step, without touching it. Private to src/train. */
#ifndef DHO_TRAIN_STEP_CONFLICT_H
#define DHO_TRAIN_STEP_CONFLICT_H

#include "dho/comm.h"
#include "dho/conflict.h"
#include "dho/microbatch.h"
#include "train/progress.h"
#include "train/share.h"

/* The two losses' gradients apart, summed over the step's microbatches as the step's own are: by
 * the same tree, so that the numbers do not depend on the number of ranks. */
typedef struct dho_step_conflict {
    int64_t every; /* 0: never; nothing else is there then */
    dho_conflict_blocks blocks;
    size_t parameter_floats, slab_floats;
    float *partials; /* owned, [share.slots] slabs [CE gradients | teacher gradients | terms] */
    float *features; /* owned, [lanes][2][rows][feature_dim] */
    size_t feature_floats; /* of a lane */
    float
        *unread_statistics;  /* owned, [lanes]: batch statistics that a run of the student writes */
    size_t statistic_floats; /* of a lane */
    dho_conflict_terms *terms; /* owned, [blocks.count] */
} dho_step_conflict;

/* rows: of a microbatch. */
dho_status dho_step_conflict_create(dho_step_conflict *out, int64_t every,
                                    const dho_student *student, const dho_share *share, int rows,
                                    int passes);
void dho_step_conflict_free(dho_step_conflict *conflict);

/* Is it due in the step that makes `step` done steps? */
bool dho_step_conflict_due(const dho_step_conflict *conflict, int64_t step);
/* Gradients of one microbatch into slot `slot` of `lane`: two more runs of the student. */
void dho_step_conflict_run(dho_step_conflict *conflict, const dho_microbatch *microbatch,
                           const dho_objective *objective, int lane, int slot);
/* Slot `into` += slot `from`. */
void dho_step_conflict_merge(dho_step_conflict *conflict, dho_compute *compute, int into, int from);
/* Sums over the ranks and writes the line of `step` (rank 0). *out_written: how the writing went,
 * apart from the collective's own failure. Collective. */
dho_status dho_step_conflict_finish(dho_step_conflict *conflict, const dho_share *share,
                                    dho_comm *comm, int shards, int64_t step,
                                    dho_progress *progress, dho_status *out_written);

#endif

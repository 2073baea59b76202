/* Writes checkpoints beside the training, in a thread of rank 0. Private to src and
 * tools.
 *
 * A snapshot is a copy of the run's numbers in memory. Two at most are pending: one that is being
 * written and one that waits. Their memory is kept for the next ones. */
#ifndef DHO_TRAIN_CHECKPOINT_WRITER_H
#define DHO_TRAIN_CHECKPOINT_WRITER_H

#include "dho/checkpoint.h"
#include "train/progress.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct dho_checkpoint_writer dho_checkpoint_writer;

enum { DHO_CHECKPOINTS_PENDING = 2 };

/* All is borrowed. */
typedef struct dho_checkpoint_writer_options {
    const char *run_folder;
    const dho_student *student;
    const dho_progress *progress;           /* is synced before each checkpoint */
    size_t parameter_floats, buffer_floats; /* of the slabs */
    bool has_moment2, has_average;          /* which slabs there are */
    dho_checkpoint_keep keep;
} dho_checkpoint_writer_options;

/* A checkpoint that could not be written. */
typedef struct dho_checkpoint_trouble {
    int64_t step;     /* 0: all is well */
    int64_t in_a_row; /* failures up to it, without a success between them */
    dho_status status;
    char message[512];
} dho_checkpoint_trouble;

/* With the memory of one snapshot: a run must not end at its first checkpoint for lack of memory.
 * Errors: DHO_ERR_MEMORY. */
dho_status dho_checkpoint_writer_create(dho_checkpoint_writer **out,
                                        const dho_checkpoint_writer_options *options);
/* Waits for what is pending; a failure is a warning here. NULL does nothing. */
void dho_checkpoint_writer_destroy(dho_checkpoint_writer **inout);

/* Bytes of one snapshot. */
size_t dho_checkpoint_writer_bytes(const dho_checkpoint_writer_options *options);

/* The slabs of a free snapshot, for the caller to fill and to hand back by
 * dho_checkpoint_writer_put. Waits where two are pending. */
dho_checkpoint_slabs dho_checkpoint_writer_take(dho_checkpoint_writer *writer);
/* Hands the snapshot over. What info points at is borrowed until it is written. */
void dho_checkpoint_writer_put(dho_checkpoint_writer *writer, const dho_checkpoint_info *info);
/* Waits until nothing is pending. Errors: those of dho_checkpoint_save, of the last one. */
dho_status dho_checkpoint_writer_wait(dho_checkpoint_writer *writer);
/* The oldest failure that has not been told yet: to be asked after each step, until all is well. */
dho_checkpoint_trouble dho_checkpoint_writer_look(dho_checkpoint_writer *writer);

#endif

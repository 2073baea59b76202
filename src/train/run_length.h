/* How many steps a run has, and what they are in epochs and passes. Private to src and
 * tools. */
#ifndef DHO_TRAIN_RUN_LENGTH_H
#define DHO_TRAIN_RUN_LENGTH_H

#include "dho/config.h"

typedef struct dho_run_length {
    int64_t labelled, unlabelled; /* images that batches are drawn from */
    int64_t steps_per_epoch, total_steps;
} dho_run_length;

/* The length depends on the images, the batches and train.*, not on the method: runs that are
 * compared have the same number of steps. labelled: of the list, repetitions included; unlabelled:
 * 0 when none is an unlabelled one. Local. */
dho_run_length dho_run_length_of(const dho_config *config, int64_t labelled, int64_t unlabelled);

/* "600 steps: 9.6 epochs of 62 steps (train.epoch_of: unlabelled); 240 passes over 40 labelled
 * images; 9.6 passes over 2000 unlabelled images" */
void dho_run_length_describe(const dho_run_length *length, const dho_config *config, char *out,
                             size_t bytes);

#endif

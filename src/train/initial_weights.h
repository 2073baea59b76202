/* Private to src/train. */
#ifndef DHO_TRAIN_INITIAL_WEIGHTS_H
#define DHO_TRAIN_INITIAL_WEIGHTS_H

#include "train/trainer_internal.h"

/* Fills the slabs of weights and running statistics from student.init, then the heads from
 * student.head_init, where they are set; says what was taken. Local. Errors: DHO_ERR_CONFIG. */
dho_status dho_initial_weights_load(dho_trainer *trainer);

#endif

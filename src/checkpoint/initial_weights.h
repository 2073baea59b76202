/* What a new run starts from, and what is evaluated without one. Private to src. */
#ifndef DHO_CHECKPOINT_INITIAL_WEIGHTS_H
#define DHO_CHECKPOINT_INITIAL_WEIGHTS_H

#include "dho/config.h"
#include "dho/dataset.h"
#include "dho/student.h"

/* Fills the slabs of weights and running statistics from student.init, then the heads from
 * student.head_init, where they are set; says what was taken. Local. Errors: DHO_ERR_CONFIG. */
dho_status dho_initial_weights_load(const dho_config *config, const dho_student *student,
                                    const dho_dataset *dataset, float *parameters, float *buffers);

#endif

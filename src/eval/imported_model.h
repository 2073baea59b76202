/* A model from a file of weights, without a run. Private to src/eval. */
#ifndef DHO_EVAL_IMPORTED_MODEL_H
#define DHO_EVAL_IMPORTED_MODEL_H

#include "dho/checkpoint.h"
#include "dho/comm.h"

/* The model of a file that `dho export` wrote is what its metadata say. Any other file is read as
 * student.init with init_head (with student.head_init the heads are that file's): student.* and
 * data.mean, data.std say what it is, the classes are data.root's. It has two heads where the file
 * names two, as the export of both and the method's public code do, else one, which makes it of
 * method ce. *out and *out_info are owned, as dho_checkpoint_open_model's, which they are like; of
 * no run's data. Errors: DHO_ERR_CONFIG, DHO_ERR_MEMORY. Collective. */
dho_status dho_imported_model_open(dho_comm *comm, const dho_config *config, const char *path,
                                   dho_model *out, dho_checkpoint_info *out_info);

#endif

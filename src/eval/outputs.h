/* Head outputs: computed by all ranks, gathered on rank 0, kept in a file. Private to src/eval. */
#ifndef DHO_EVAL_OUTPUTS_H
#define DHO_EVAL_OUTPUTS_H

#include "dho/comm.h"
#include "dho/dataset.h"
#include "dho/evaluate.h"
#include "dho/student.h"

/* Runs a model over a test set. Batch b of eval.batch images is computed by rank b mod P, so the
 * outputs do not depend on P. Rank 0 gets them in dataset order, other ranks an empty result.
 * Collective. */
dho_status dho_outputs_compute(const dho_config *config, dho_comm *comm,
                               dho_executor *executor, const dho_model *model,
                               const dho_dataset *dataset, dho_head_outputs *out);

/* OUT/eval/<set>.safetensors: logits_ce, logits_kd (two heads), labels, classes (the mask). */
dho_status dho_outputs_save(const dho_head_outputs *outputs, const char *path);
dho_status dho_outputs_load(const char *path, dho_head_outputs *out);

#endif

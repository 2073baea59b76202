/* Head outputs: computed by all ranks, gathered on rank 0, kept in a file. Private to src/eval. */
#ifndef DHO_EVAL_OUTPUTS_H
#define DHO_EVAL_OUTPUTS_H

#include "dho/comm.h"
#include "dho/dataset.h"
#include "dho/evaluate.h"
#include "dho/infer.h"

/* Runs a model over a test set. Rank 0 gets the outputs in the data set's order, other ranks an
 * empty result. Errors: those of dho_infer_all. Collective. */
dho_status dho_outputs_compute(const dho_config *config, dho_comm *comm, dho_infer *infer,
                               const dho_model *model, const dho_dataset *dataset,
                               dho_head_outputs *out);

/* OUT/eval/<set>.safetensors: logits_ce, logits_kd (two heads), labels, classes (those the set
 * has), image_names and class_names (bytes, a NUL behind each); the origin in its metadata. */
dho_status dho_outputs_save(const dho_head_outputs *outputs, const dho_outputs_origin *origin,
                            const char *path);
/* The checkpoint (owned by the caller), step and weights that a file names. */
dho_status dho_outputs_read_origin(const char *path, dho_method *method, char **checkpoint,
                                   int64_t *step, bool *ema);

#endif

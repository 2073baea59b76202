/* A set of eval.sets, evaluated again and again while its student is trained. Private to src. */
#ifndef DHO_EVAL_SET_EVALUATOR_H
#define DHO_EVAL_SET_EVALUATOR_H

#include "dho/comm.h"
#include "dho/student.h"
#include "eval/scoring.h"

typedef struct dho_set_evaluator dho_set_evaluator;

/* Opens the set of this name, and what runs the model over it. All is borrowed; the model's
 * parameters and buffers may change between two runs. stop: asked before each batch whether to
 * leave off (dho_infer_stop_when). *out is owned (dho_set_evaluator_close), NULL on error. Errors:
 * those of the set, of memory, and DHO_ERR_CONFIG where the ranks see other images. Collective. */
dho_status dho_set_evaluator_open(dho_set_evaluator **out, const dho_config *config, dho_comm *comm,
                                  const char *set, const dho_model *model, bool (*stop)(void));
void dho_set_evaluator_close(dho_set_evaluator **evaluator);

/* Bytes that an evaluation needs beside the model, on rank 0: activations, outputs, their gather.
 */
size_t dho_set_evaluator_bytes(const dho_set_evaluator *evaluator);

/* How long an evaluation takes, by one of two batches of each rank. *out_more: bytes that one of
 * all images needs beyond what that has allocated, on rank 0. Errors: as dho_set_evaluator_run.
 * Collective. */
dho_status dho_set_evaluator_time(dho_set_evaluator *evaluator, double *out_seconds,
                                  int64_t *out_more);

/* Runs the model over the set, each rank its part, and scores what it said; all ranks get the same
 * numbers. Errors: DHO_PREEMPTED where `stop` said so on any rank; those of dho_infer_all.
 * Collective. */
dho_status dho_set_evaluator_run(dho_set_evaluator *evaluator, dho_set_scores *out);

#endif

/* From the head outputs of all sets to their scores. Private to src/eval. */
#ifndef DHO_EVAL_SCORING_H
#define DHO_EVAL_SCORING_H

#include "dho/evaluation.h"

/* Chooses alpha and beta on eval.select_on, where the configuration names a set, and scores all
 * sets with them. outputs: [config->eval.set_count]. Sets everything of `out` but checkpoint,
 * method and step. Owned: dho_evaluation_free, also after a failure. Errors: DHO_ERR_MEMORY. Local.
 */
dho_status dho_evaluation_score(const dho_config *config, const dho_head_outputs *outputs,
                                int threads, dho_evaluation *out);

#endif

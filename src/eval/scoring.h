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

/* One set, with its own choice of alpha and beta: what an evaluation while training says. */
typedef struct dho_set_scores {
    double alpha, beta;
    double top1, top5, nll;           /* combined: shares; nats */
    double head_top1[2], head_nll[2]; /* of two heads: supervised, distillation (at beta 1) */
} dho_set_scores;

/* Scores one set: alpha and beta are chosen on it where eval.select_on names it, else they are
 * eval.alpha and eval.beta. Does not depend on `threads`. Errors: DHO_ERR_MEMORY. Local. */
dho_status dho_set_score(const dho_config *config, const dho_config_set *set,
                         const dho_head_outputs *outputs, int threads, dho_set_scores *out);

#endif

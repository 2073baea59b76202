/* The logarithm of the combined prediction. Private to src/eval. */
#ifndef DHO_EVAL_LOG_PROBABILITY_H
#define DHO_EVAL_LOG_PROBABILITY_H

#include "dho/evaluate.h"

/* out[classes] = log(alpha softmax(ce) + (1 - alpha) softmax(kd / beta)) of a row; -INFINITY where
 * the mask leaves a class out. Local. */
void dho_log_probability(const dho_head_outputs *outputs, int64_t row, double alpha, double beta,
                         double *out);

/* log of the sum over c of exp(scale * x[c]); x may hold -INFINITY. */
double dho_log_sum_exp(int classes, const double *x, double scale);

#endif

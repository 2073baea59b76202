/* An evaluation as a table for people. Private to src/eval. */
#ifndef DHO_EVAL_EVALUATION_PRINT_H
#define DHO_EVAL_EVALUATION_PRINT_H

#include "dho/evaluation.h"

/* To standard output. */
void dho_evaluation_print(const dho_evaluation *evaluation);

#endif

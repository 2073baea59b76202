/* The images of an entry of eval.sets. Private to src/eval. */
#ifndef DHO_EVAL_EVAL_SET_H
#define DHO_EVAL_EVAL_SET_H

#include "dho/config.h"
#include "dho/dataset.h"

/* Opens a set for a student of these classes: they are the labels' reference, so that the training
 * images need not be there. Owned: dho_dataset_free. Local. Errors: DHO_ERR_CONFIG for a set of
 * other classes, and those of its layout; each begins with "eval.sets NAME: ". */
dho_status dho_eval_set_open(const dho_config_set *set, char *const *class_names, int classes,
                             dho_dataset *out);

#endif

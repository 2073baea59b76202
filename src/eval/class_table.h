/* The classes of an evaluated set as a file. Private to src/eval. */
#ifndef DHO_EVAL_CLASS_TABLE_H
#define DHO_EVAL_CLASS_TABLE_H

#include "dho/evaluate.h"

/* Writes `path` as CSV (RFC 4180), atomically: a line for each class with images or predictions:
 * name, images, right, predicted, recall and precision in percent. A recall without images and a
 * precision without predictions are empty. Errors: DHO_ERR_IO, DHO_ERR_MEMORY. Local. */
dho_status dho_class_table_save(const dho_head_outputs *outputs, const dho_class_count *counts,
                                const char *path);

#endif

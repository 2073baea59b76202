/* What a file has that a model does not need, and the other way round. Private to src/weights. */
#ifndef DHO_WEIGHTS_STATE_DICT_LEFTOVERS_H
#define DHO_WEIGHTS_STATE_DICT_LEFTOVERS_H

#include "dho/state_dict.h"

/* What a tensor of the file went into. */
typedef enum tensor_use { UNUSED, USED_BY_BACKBONE, USED_BY_HEAD } tensor_use;

/* " (the file looks like a ResNet-34, the student is a ResNet-18)", or "" when the names tell no
 * difference. */
void dho_leftovers_compare(const dho_weights *weights, const dho_graph *graph, const char *prefix,
                           char out[200]);

/* Fills the report's passed_over and examples. Errors: DHO_ERR_FORMAT when some that are left have
 * names of the backbone's own kind ("layer1.2.conv1.weight"): the file is of another model, or of
 * one with parts that the graph does not compute. */
dho_status dho_leftovers_check(const dho_weights *weights, const tensor_use *used,
                               const dho_graph *graph, dho_init_report *report);

/* DHO_ERR_FORMAT for `missing` tensors that the file does not have. first: name and shape of one of
 * them. report->naming NULL: nothing of the model was found. */
dho_status dho_leftovers_missing(const dho_weights *weights, const tensor_use *used,
                                 const dho_graph *graph, const dho_init_report *report,
                                 size_t missing, const char *first);

#endif

/* Private to src/weights. */
#ifndef DHO_WEIGHTS_STATE_DICT_NAMES_H
#define DHO_WEIGHTS_STATE_DICT_NAMES_H

#include "dho/state_dict.h"
#include "weights/tensor_names.h"

/* A head's tensor, in the engine's own names? */
bool dho_names_head(const char *name);

/* The naming and the prefix, whatever it is, under which the file has most of the graph's backbone;
 * out->naming is -1 when it does not have half of it. Of places that have as much, one
 * without a prefix wins, then one behind wrappers (dho_weights_bare_name). Errors: DHO_ERR_FORMAT
 * for several that are left. */
dho_status dho_state_dict_match(const dho_weights *weights, const dho_graph *graph,
                                dho_file_names *out);

#endif

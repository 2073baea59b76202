/* Private to src/weights. */
#ifndef DHO_WEIGHTS_STATE_DICT_FILL_H
#define DHO_WEIGHTS_STATE_DICT_FILL_H

#include "dho/graph.h"
#include "dho/safetensors.h"

/* A slot's values from a tensor of its shape. They must be finite, and a running variance not
 * negative. Errors: DHO_ERR_FORMAT `path: tensor "x": ...`, DHO_ERR_MEMORY. */
dho_status dho_state_dict_fill(const dho_slot *slot, const dho_tensor_view *tensor,
                               const char *path, float *slab);

#endif

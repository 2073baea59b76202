/* One slot from a file under one of the namings. Private to src/weights. */
#ifndef DHO_WEIGHTS_STATE_DICT_TAKE_H
#define DHO_WEIGHTS_STATE_DICT_TAKE_H

#include "dho/graph.h"
#include "dho/weights.h"
#include "weights/tensor_names.h"

/* Where a slot's values come from. */
typedef struct dho_taken {
    int count; /* 0: the file does not have all of it */
    const dho_tensor_view *tensors[DHO_NAME_PARTS];
    char missing[512]; /* with count 0: the first that is missing, and its shape */
} dho_taken;

/* Fills a slot from the tensors "prefix name" of a naming: stacked, transposed, leading dimensions
 * of 1 dropped, position embeddings resized where the grid differs. Errors: DHO_ERR_FORMAT naming a
 * tensor of another shape, and both shapes; DHO_ERR_MEMORY. A missing tensor is none: out->count is
 * 0 then. */
dho_status dho_state_dict_take(const dho_weights *weights, const char *prefix, dho_naming naming,
                               const dho_slot *slot, float *slab, dho_taken *out);

#endif

/* CLIP's projection and a classifier as one layer, as timm has them. Private to src/weights. */
#ifndef DHO_WEIGHTS_EXPORT_FOLD_H
#define DHO_WEIGHTS_EXPORT_FOLD_H

#include "dho/state_dict.h"

/* What a transformer's layer has that OpenAI's names do not know. */
typedef struct dho_fold {
    float *bias; /* owned, dho_free; NULL where the projection has one of its own */
    int64_t count;
} dho_fold;

/* timm's CLIP models end in one linear layer: of a tower that is the projection, of a model for N
 * classes a layer of N outputs. A student has both, one after the other without anything between:
 * their product takes the projection's place. `head`: "head", "head_ce" ...; NULL leaves the
 * projection as it is, with a bias of zeros. *out is zeroed first. Errors: DHO_ERR_MEMORY. */
dho_status dho_export_fold(dho_state_dict *inout, const char *head, dho_fold *out);

#endif

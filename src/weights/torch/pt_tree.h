/* Where in the tree of a PyTorch checkpoint its state dict lies. Private to src/weights. */
#ifndef DHO_WEIGHTS_TORCH_PT_TREE_H
#define DHO_WEIGHTS_TORCH_PT_TREE_H

#include "weights/torch/pt_pickle.h"

enum { PT_KEY_BYTES = 200 };

/* The last value under a key, as in Python; 0 (None) when there is none, or `dict` is no dict. */
pt_id pt_lookup(const pt_pickle *pickle, pt_id dict, const char *key, size_t length);

/* A dict of tensors in the tree. */
typedef struct pt_place {
    pt_id dict;
    char key[PT_KEY_BYTES + 1];    /* where it is; "" for the root */
    char others[PT_KEY_BYTES + 1]; /* keys beside it that would have done, too; "" for none */
} pt_place;

/* The one under `key` ("teacher", "model.encoder"), or with key NULL or "" the root, or what is
 * found below the usual keys or the only other one. Errors: DHO_ERR_CONFIG when there is no such
 * key, DHO_ERR_FORMAT when none is found, or several of equal right. */
dho_status pt_find_state_dict(const pt_pickle *pickle, pt_id root, const char *key, pt_place *out);

#endif

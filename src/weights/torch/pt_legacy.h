/* Files of torch.save before PyTorch 1.6. Private to src/weights. */
#ifndef DHO_WEIGHTS_TORCH_PT_LEGACY_H
#define DHO_WEIGHTS_TORCH_PT_LEGACY_H

#include "weights/torch/pt_pickle.h"

/* By the pickle of a magic number that they begin with. */
bool pt_is_legacy(const uint8_t *bytes, size_t size);

/* Runs the pickle of the objects; the storages that it names get their .data inside of `bytes`,
 * as far as the file has them. The bytes must outlive the values. pt_pickle_free in any case.
 * Errors: DHO_ERR_FORMAT "file: [offset N:] why". */
dho_status pt_legacy_read(pt_pickle *pickle, const uint8_t *bytes, size_t size, const char *file,
                          pt_id *out_root);

#endif

/* state.json of a checkpoint. Private to src/train. */
#ifndef DHO_TRAIN_CHECKPOINT_STATE_H
#define DHO_TRAIN_CHECKPOINT_STATE_H

#include "dho/checkpoint.h"

#define DHO_CHECKPOINT_MODEL "model.safetensors"
#define DHO_CHECKPOINT_OPTIMIZER "optimizer.safetensors"
#define DHO_CHECKPOINT_STATE "state.json"

typedef struct dho_checkpoint_file {
    uint64_t bytes;
    uint32_t crc;
} dho_checkpoint_file;

/* Size of folder/name; the CRC is left alone. */
dho_status dho_checkpoint_file_measure(const char *folder, const char *name,
                                       dho_checkpoint_file *out);

/* files: of the model and of the optimiser. */
dho_status dho_checkpoint_state_save(const char *folder, const dho_checkpoint_info *info,
                                     const dho_checkpoint_file files[2]);

/* Reads back what was just written, before it gets its name: state.json as a resume does, the other
 * files' sizes and headers; not their CRCs, which would cost a second pass over all tensors.
 * Errors: DHO_ERR_FORMAT; DHO_ERR_INTERNAL when it says something else than `info`. */
dho_status dho_checkpoint_read_back(const char *folder, const dho_checkpoint_info *info);

#endif

/* state.json of a checkpoint. Private to src/checkpoint. */
#ifndef DHO_CHECKPOINT_CHECKPOINT_STATE_H
#define DHO_CHECKPOINT_CHECKPOINT_STATE_H

#include "base/json.h"
#include "dho/checkpoint.h"

#define DHO_CHECKPOINT_MODEL "model.safetensors"
#define DHO_CHECKPOINT_OPTIMIZER "optimizer.safetensors"
#define DHO_CHECKPOINT_EMA_FILE "ema.safetensors"
#define DHO_CHECKPOINT_STATE "state.json"

/* The files beside state.json; the last is there with train.ema only. */
enum { DHO_CHECKPOINT_FILES = 3 };

typedef struct dho_checkpoint_file {
    bool written;
    uint64_t bytes;
    uint32_t crc;
} dho_checkpoint_file;

/* Size of folder/name; the CRC is left alone. */
dho_status dho_checkpoint_file_measure(const char *folder, const char *name,
                                       dho_checkpoint_file *out);

/* files: of the model, of the optimiser and of the average. */
dho_status dho_checkpoint_state_save(const char *folder, const dho_checkpoint_info *info,
                                     const dho_checkpoint_file files[DHO_CHECKPOINT_FILES]);

/* checkpoint_standing.c: "evaluations" of state.json. Nothing is written of a run without any. */
void dho_checkpoint_standing_save(json_t *state, const dho_standing *standing);
/* False when it is damaged, or of a step behind `step`. *set: to be out->set; borrowed, or NULL. */
bool dho_checkpoint_standing_load(const json_t *state, int64_t step, dho_standing *out,
                                  const char **set);

/* Reads back what was just written, before it gets its name: state.json as a resume does, the other
 * files' sizes and headers; not their CRCs, which would cost a second pass over all tensors.
 * Errors: DHO_ERR_FORMAT; DHO_ERR_INTERNAL when it says something else than `info`. */
dho_status dho_checkpoint_read_back(const char *folder, const dho_checkpoint_info *info);

#endif

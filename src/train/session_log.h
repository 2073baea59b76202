/* What a session of a run is: its machine, its size, its configuration. Private to src/train. */
#ifndef DHO_TRAIN_SESSION_LOG_H
#define DHO_TRAIN_SESSION_LOG_H

#include "train/trainer_internal.h"

/* Appends this session's line to RUN/sessions.jsonl (dho/session.h); `config`: all keys as YAML.
 * Rank 0 calls it once the checkpoint to go on from is loaded. Errors: DHO_ERR_IO, DHO_ERR_MEMORY.
 */
dho_status dho_session_log_append(const dho_trainer *trainer, const char *config);

#endif

/* RUN/sessions.jsonl: one line for each time that a run was started or went on, what it ran on,
 * and with which configuration: dho table looks at each session's. Private to src/train. */
#ifndef DHO_TRAIN_SESSION_LOG_H
#define DHO_TRAIN_SESSION_LOG_H

#include "train/trainer_internal.h"

/* Appends this session's line; `config`: all keys as YAML. Rank 0 calls it once the checkpoint to
 * go on from is loaded. Errors: DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_session_log_append(const dho_trainer *trainer, const char *config);

#endif

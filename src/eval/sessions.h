/* RUN/sessions.jsonl, read: one object for each time that a run was started or went on
 * (train/session_log.h writes it). Private to src/eval. Local. */
#ifndef DHO_EVAL_SESSIONS_H
#define DHO_EVAL_SESSIONS_H

#include "base/json.h"

/* *out: an array of the lines that are objects, released by json_decref; empty where the file is
 * not there. Errors: DHO_ERR_IO, DHO_ERR_FORMAT (too large), DHO_ERR_MEMORY; *out is NULL then. */
dho_status dho_sessions_load(json_t **out, const char *run_folder);

#endif

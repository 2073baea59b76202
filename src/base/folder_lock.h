/* The lock of a folder that one job may write to at a time: a run, a teacher cache. Private to src
 * and tools. */
#ifndef DHO_BASE_FOLDER_LOCK_H
#define DHO_BASE_FOLDER_LOCK_H

#include "dho/status.h"

#include <stdbool.h>

/* Takes the lock FOLDER/.lock until the descriptor *out is closed or the process ends. The folder
 * is there; the file is made unless `look` is true: then one that cannot be opened is a free lock
 * (*out: -1). A job that was just killed may hold it for a moment: waits up to 10 s, and says so.
 * File systems without locks are let pass. Errors: DHO_ERR_CONFIG "another WHO is writing there",
 * DHO_ERR_IO. */
dho_status dho_folder_lock(const char *folder, const char *who, bool look, int *out);
/* Gives it back; *inout becomes -1. -1 does nothing. */
void dho_folder_unlock(int *inout);

typedef enum dho_lock_state { DHO_LOCK_UNKNOWN, DHO_LOCK_FREE, DHO_LOCK_HELD } dho_lock_state;

/* Does a job hold it now? Takes a shared lock and gives it back at once: others may look at the
 * same time, and dho_folder_lock waits for it. */
dho_lock_state dho_folder_lock_state(const char *folder);

#endif

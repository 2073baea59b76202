/* A live view of runs in the terminal. Local. For src/cli. */
#ifndef DHO_WATCH_WATCH_H
#define DHO_WATCH_WATCH_H

#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DHO_WATCH_MAX_RUNS = 64 };

/* Shows the runs (folders) on standard output until q or Ctrl-C. `once`, or where standard output
 * is no terminal: prints one view without colours, and returns. Only reads.
 * Errors: DHO_ERR_CONFIG (a folder that is not there or is no run), DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_watch(const char *const *runs, size_t count, bool once);

#ifdef __cplusplus
}
#endif

#endif

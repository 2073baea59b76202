/* RUN/sessions.jsonl: one line for each time that a run was started or went on: on what it ran, and
 * with which configuration. Local. */
#ifndef DHO_SESSION_H
#define DHO_SESSION_H

#include "dho/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* One line. Texts are borrowed; NULL, and NAN for a number: not said, as by an older version. */
typedef struct dho_session {
    const char *started; /* UTC, 2025-01-31T12:00:00Z */
    double step;         /* that it went on from */
    double total_steps;  /* that the run is to have */
    const char *version, *libraries;
    const char *host, *cpu; /* of rank 0, as the two below */
    double cores, memory_gib;
    double ranks, threads; /* threads of a rank */
    const char *backend;
    double parameters, images, classes, labelled;
    const char *config; /* all keys as YAML */
} dho_session;

typedef struct dho_sessions {
    dho_session *items; /* owned, [count] */
    size_t count;
    struct json_t *lines; /* owned: the texts are in it */
} dho_sessions;

/* Appends a line. Errors: DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_session_append(const dho_session *session, const char *run_folder);

/* All lines that are JSON objects; none where the file is not there. Zeroed on error.
 * Errors: DHO_ERR_IO, DHO_ERR_FORMAT (too large), DHO_ERR_MEMORY. */
dho_status dho_sessions_load(dho_sessions *out, const char *run_folder);
void dho_sessions_free(dho_sessions *sessions);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

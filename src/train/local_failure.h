/* A failure of one rank between two collectives, as of rank 0's log: it must not return alone. It
 * is kept here until the next collective carries it to all ranks. Private to src/train. */
#ifndef DHO_TRAIN_LOCAL_FAILURE_H
#define DHO_TRAIN_LOCAL_FAILURE_H

#include "dho/status.h"

typedef struct dho_local_failure {
    dho_status status; /* DHO_OK: none */
    char message[512];
} dho_local_failure;

/* What has just been returned, with the thread's message. */
dho_local_failure dho_local_failure_of(dho_status status);
/* Fails again with that message; DHO_OK where there was no failure. */
dho_status dho_local_failure_raise(const dho_local_failure *failure);

#endif

/* Waiting for the other ranks, but not for ever. Private to src/comm. */
#ifndef DHO_COMM_COMM_WATCH_H
#define DHO_COMM_COMM_WATCH_H

#include "comm/comm_private.h"

#include <mpi.h>

/* What a rank that waits tells rank 0. */
typedef struct comm_word {
    int64_t turn;  /* collectives so far, the same number for the same collective on all ranks */
    int64_t asked; /* 1: an answer; 0: the rank's own time is up */
} comm_word;

typedef struct comm_watch {
    dho_comm *base;  /* borrowed */
    MPI_Comm handle; /* owned; of its own, so that questions meet no data */
    double limit;    /* seconds that a wait may last; 0: for ever */
    int64_t turn;
    bool told;     /* this rank has said what it does, in this wait */
    bool shown;    /* the collective is this rank's activity */
    comm_word own; /* on its way to rank 0 */
    MPI_Request sent;
    char *hosts; /* rank 0: owned, [size] names of DHO_COMM_HOST_BYTES; NULL without a limit */
    bool *heard; /* rank 0: owned, [size]; NULL without a limit */
} comm_watch;

/* No limit yet. handle: taken over. */
void comm_watch_init(comm_watch *watch, dho_comm *base, MPI_Comm handle);
void comm_watch_release(comm_watch *watch);
/* Collective. Errors: DHO_ERR_MEMORY, DHO_ERR_COMM. */
dho_status comm_watch_limit(comm_watch *watch, double seconds);

/* Every rank enters a collective, `what` ("adds up the gradients"; borrowed), before its first wait
 * and leaves it after the last one. */
void comm_watch_enter(comm_watch *watch, const char *what);
void comm_watch_leave(comm_watch *watch);

/* Waits until all requests are done. After the time set: every rank that waits says on standard
 * error what it does, and rank 0 finds out for whom they wait. Errors: DHO_ERR_COMM: MPI's, or who
 * is missing. */
dho_status comm_watch_wait(comm_watch *watch, int count, MPI_Request *requests);

/* The error of an MPI function. */
dho_status comm_mpi_failed(const dho_comm *comm, const char *function, int code);

#endif

/* What every communicator starts with. Private to src/comm. */
#ifndef DHO_COMM_COMM_PRIVATE_H
#define DHO_COMM_COMM_PRIVATE_H

#include "dho/comm.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef enum comm_reduction { COMM_MIN, COMM_MAX, COMM_SUM } comm_reduction;

/* The few operations in which MPI and one process differ; comm.c builds the rest on them.
 * All but destroy, abort, set_tree and own_range are collective. */
typedef struct comm_ops {
    void (*destroy)(dho_comm *comm); /* releases everything, the object too */
    void (*abort)(dho_comm *comm, int exit_code);
    dho_status (*set_tree)(dho_comm *comm, int leaves);              /* local */
    dho_comm_range (*own_range)(const dho_comm *comm, size_t count); /* local */
    dho_status (*tree_scatter)(dho_comm *comm, float *const *sums, size_t offset, size_t count,
                               const dho_rounding *rounding);
    dho_status (*spread)(dho_comm *comm, float *data, size_t count, bool packed);
    dho_status (*reduce)(dho_comm *comm, int64_t *data, size_t count, comm_reduction reduction);
    dho_status (*broadcast)(dho_comm *comm, void *data, size_t bytes, int root);
    dho_status (*gather)(dho_comm *comm, const void *data, size_t bytes, void **out,
                         size_t *out_bytes);
    dho_status (*barrier)(dho_comm *comm);
    dho_status (*limit)(dho_comm *comm, double seconds); /* of a wait for other ranks; 0: none */
} comm_ops;

enum { DHO_COMM_HOST_BYTES = 256 };

/* The first member of each kind of communicator. */
struct dho_comm {
    const comm_ops *ops;
    int rank;
    int size;
    char host[DHO_COMM_HOST_BYTES];
    bool threads;                   /* another thread than main's may communicate, one at a time */
    struct comm_watchdog *watchdog; /* owned; NULL: none */
    _Atomic int waiting;            /* > 0: in a collective, whose wait is watched elsewhere */
    /* The rank computes while another thread of it communicates: that thread naps while it waits,
     * and nobody counts how long. */
    _Atomic bool calm;
};

/* Starts or ends (seconds 0) the watchdog's thread of this rank. Errors: DHO_ERR_MEMORY. */
dho_status comm_watchdog_set(dho_comm *comm, double seconds);
/* So much of a limit is for asking the ranks what they do. */
double comm_watchdog_grace(double limit);

/* Fills in the common part, the host name included. */
void comm_init(dho_comm *comm, const comm_ops *ops, int rank, int size);

/* Initialises MPI unless it is; *out_started: this call did. When MPI cannot start it ends
 * the process; what it will miss is said before. Errors: DHO_ERR_COMM. */
dho_status comm_start_mpi(int *argc, char ***argv, bool *out_started);

/* A launcher that does not speak this MPI's protocol starts processes of which each is rank 0 of 1:
 * they would all do the whole work, and write the same files. size: what MPI knows of.
 * Errors: DHO_ERR_CONFIG. */
dho_status comm_check_launcher(int size);

#endif

/* The communicator: MPI, or one process. The only module (with main) that includes mpi.h.
 *
 * Collective: every rank of the communicator must call, in the same order, from one thread at a
 * time. Errors of each collective: DHO_ERR_COMM with MPI's text, the function and the rank. The
 * communicator is of no use after one, and other ranks may still wait: end with dho_comm_abort. */
#ifndef DHO_COMM_H
#define DHO_COMM_H

#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_comm dho_comm;

/* The world communicator of MPI; initialises MPI (MPI_THREAD_FUNNELED or more) when it is not.
 * Collective. *out owned: dho_comm_destroy, which also finalises MPI if this call started it.
 * Errors: DHO_ERR_CONFIG when a launcher of another MPI has started several such worlds of one
 * rank; DHO_ERR_MEMORY; DHO_ERR_COMM. */
dho_status dho_comm_create_mpi(dho_comm **out, int *argc, char ***argv);
/* One rank, no MPI at all. */
dho_status dho_comm_create_serial(dho_comm **out);
/* dho_comm_create_mpi where a launcher's environment (mpirun's, srun's, ...) says that it started
 * this process; else dho_comm_create_serial: one rank then neither needs MPI nor waits for it. */
dho_status dho_comm_create_world(dho_comm **out, int *argc, char ***argv);
void dho_comm_destroy(dho_comm **comm);

/* Ends all ranks at once with an exit code (MPI_Abort): only for main. */
void dho_comm_abort(dho_comm *comm, int exit_code) __attribute__((noreturn));

int dho_comm_rank(const dho_comm *comm);
int dho_comm_size(const dho_comm *comm);
/* Host name of this rank; borrowed. */
const char *dho_comm_host(const dho_comm *comm);

/* In-place sum of count floats over all ranks by a fixed binary tree.
 * For a power-of-two size P the result is ((...)) merged over the rank's bits, the highest first:
 * x[r] + x[r ^ P/2], then ^ P/4, ..., so it is the top of the tree that sums local shards first
 * (dho_tree_* below) and does not depend on P. For another P, ranks beyond the largest power of
 * two Q <= P first add theirs to rank r - Q; deterministic, but not the same bits as another P.
 * Recursive halving, then doubling; messages are cut below 2 GiB. Bitwise the same on all ranks.
 * Collective. */
dho_status dho_comm_tree_sum(dho_comm *comm, float *data, size_t count);

/* In-place maximum / sum of int64. Collective. */
dho_status dho_comm_max_int64(dho_comm *comm, int64_t *data, size_t count);
dho_status dho_comm_sum_int64(dho_comm *comm, int64_t *data, size_t count);

/* Bytes from rank `root` to all. Any size. Collective. */
dho_status dho_comm_broadcast(dho_comm *comm, void *data, size_t bytes, int root);

/* Variable-size gather to rank 0: rank r's `bytes`, one after the other in rank order, into *out
 * on rank 0 (owned by the caller, dho_free; NULL elsewhere), counts into out_bytes[size] (rank 0;
 * may be NULL). Collective. */
dho_status dho_comm_gather(dho_comm *comm, const void *data, size_t bytes, void **out,
                           size_t *out_bytes);

dho_status dho_comm_barrier(dho_comm *comm);

/* From now on nothing may stand still for longer than `seconds`; 0, as at the start: for ever. When a
 * collective does not go on, each rank that waits says on standard error what it does, and the
 * collective fails with DHO_ERR_COMM, on rank 0 with the ranks that are missing. A rank whose own read or
 * write of a file lasts longer says so; it ends its process with exit code 1, at once where it is the
 * only rank, else a little later than the others would name it. Collective. */
dho_status dho_comm_watch(dho_comm *comm, double seconds);

/* All ranks say how their local work went; when one failed, all return the failure of the lowest
 * rank that failed, with its message, which for size > 1 starts with "rank R (host): " unless
 * every rank failed with the same message. Collective.
 * Use: DHO_TRY(dho_comm_agree(comm, local_work())). */
dho_status dho_comm_agree(dho_comm *comm, dho_status local);

/* work(context, i) of i = 0 .. count - 1, rank r those with i mod size == r, all ranks side by
 * side; a failure ends it for all after at most one more i of each (the status of dho_comm_agree).
 * Collective. */
dho_status dho_comm_share(dho_comm *comm, int count, dho_status (*work)(void *context, int i),
                          void *context);

/* Do all ranks hold the same bytes? The CRC is compared; *what names the thing in the error.
 * Errors: DHO_ERR_CONFIG "what differs between rank 0 and rank R". Collective. */
dho_status dho_comm_check_equal(dho_comm *comm, const void *data, size_t bytes, const char *what);

/* How many OpenMP threads this rank shall have: `asked`, or with 0 its share of the CPUs that it
 * may use (affinity, a container's limit) together with the other ranks of its machine. `what`
 * asked, for messages; warn: rank 0 says when the ranks of a machine have more threads than CPUs.
 * Errors: DHO_ERR_CONFIG when more are asked for than make sense; DHO_ERR_MEMORY. Collective. */
dho_status dho_comm_plan_threads(dho_comm *comm, int asked, const char *what, bool warn,
                                 int *out_threads);

/* The local part of the tree (no communication): microbatches owned by a rank, i = 0 .. n-1 with
 * v = rank + i * P, are computed in the order `dho_tree_order` gives and merged with
 * dho_tree_merges, so that the top of the local tree meets dho_comm_tree_sum's.
 * out_order[n]: local indices in the order of computation. out_merges[n]: after the k-th
 * computed microbatch, how many times the two topmost partial sums are added together
 * (lower += upper). At the end one partial sum is left. Slots needed: dho_tree_depth(n). */
void dho_tree_order(int n, int *out_order, int *out_merges);
int dho_tree_depth(int n);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

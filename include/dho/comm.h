/* The communicator: MPI, or one process. The only module (with main) that includes mpi.h.
 *
 * Collective: every rank of the communicator must call, in the same order, from one thread at a
 * time. Errors of each collective: DHO_ERR_COMM with MPI's text, the function and the rank. The
 * communicator is of no use after one, and other ranks may still wait: end with dho_comm_abort. */
#ifndef DHO_COMM_H
#define DHO_COMM_H

#include "dho/float_sum.h"
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

/* The sum over a step's microbatches, which are the leaves of the tree (dho_tree_* below). The
 * ranks have the parts that dho_tree_cut(leaves, 0, leaves, size) makes. From now on,
 * dho_comm_tree_sum adds by this tree. Local; all ranks with the same number. Errors:
 * DHO_ERR_CONFIG (fewer leaves than ranks), DHO_ERR_MEMORY. */
dho_status dho_comm_set_tree(dho_comm *comm, int leaves);

/* In-place sum over all ranks of floats offset .. offset + count - 1 of what each rank has in
 * `sums`: the sums of the whole subtrees in its part (dho_tree_sums says how many), in tree order.
 * The total is in sums[0] on all ranks; what the others hold in that range is undefined then. Each
 * element is added exactly as the tree says, so the bits do not depend on the number of ranks.
 * rounding: NULL, or of sums in bf16, in which case what a rank brings is rounded already; half as
 * much is sent. Element i of a slab is its own element i there, whatever the call's offset.
 * Cost, of n bytes on P ranks: where P is a power of two, each rank sends and takes 2 (P-1)/P n, by
 * recursive halving and doubling. Else each rank has S sums (1 to 3 as a rule) and sends them to
 * the owners of P ranges: (S + 1) (P-1)/P n, in 2 (P-1) messages and more. Allocates nothing.
 * Collective. */
dho_status dho_comm_tree_sum(dho_comm *comm, float *const *sums, size_t offset, size_t count,
                             const dho_rounding *rounding);

/* The two halves of dho_comm_tree_sum. Each rank owns a range of a call's floats, which begins and
 * ends at a multiple of DHO_COMM_GRAIN from the call's offset, but for the last range's end; it may
 * be empty. scatter: each rank has the total of the range that it owns. spread: each rank gives its
 * range of `data` to all, who have all ranges then; `packed`: they are rounded to bf16. */
enum { DHO_COMM_GRAIN = 1 << 14 };
typedef struct dho_comm_range {
    size_t begin, end; /* from the call's offset */
} dho_comm_range;
/* Local; after dho_comm_set_tree. */
dho_comm_range dho_comm_own_range(const dho_comm *comm, size_t count);
/* Collective. */
dho_status dho_comm_tree_scatter(dho_comm *comm, float *const *sums, size_t offset, size_t count,
                                 const dho_rounding *rounding);
dho_status dho_comm_spread(dho_comm *comm, float *data, size_t count, bool packed);

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

/* From now on nothing may stand still for longer than `seconds`; 0, as at the start: for ever. When
 * a collective does not go on, each rank that waits says on standard error what it does, and the
 * collective fails with DHO_ERR_COMM, on rank 0 with the ranks that are missing. A rank whose own
 * read or write of a file lasts longer says so; it ends its process with exit code 1, at once where
 * it is the only rank, else a little later than the others would name it. Collective. */
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

/* --- the tree of a step's sum; Local, pure ---
 *
 * node(v, k) = node(v, k + 1) + node(v + 2^k, k + 1) if v + 2^k < leaves, else leaf v; the sum is
 * node(0, 0). In *tree order* the leaves of each node stand side by side, and a node of m leaves is
 * its first ceil(m/2) and its last floor(m/2): nothing of the tree depends on who computes what.
 * A part is an interval of places in tree order: what a rank, or a thread of it, computes. */

/* out_order[place]: the microbatch (leaf v) that stands there. */
void dho_tree_order(int leaves, int *out_order);

/* Cuts places first .. first + count - 1 into 1 <= parts <= count parts: part i has places
 * out_first[i] .. out_first[i+1] - 1, at least one and at most ceil(count / parts). It cuts near
 * the top of the tree, so that a part has few whole subtrees: one each where parts is a power of
 * two. */
void dho_tree_cut(int leaves, int first, int count, int parts, int *out_first);

/* The largest whole subtrees of a part, in order: returns how many, and their sizes in
 * out_counts[] (NULL: not wanted; at most DHO_TREE_SUMS). */
enum { DHO_TREE_SUMS = 2 * 31 };
int dho_tree_sums(int leaves, int first, int count, int *out_counts);

/* How to add up neighbours: subtrees of counts[0 .. n-1] leaves (NULL: single leaves), the first at
 * place `first`, are put on a stack one after another; after the i-th, the two topmost sums are
 * added (lower += upper) out_merges[i] times. Returns how many sums are left on the stack. */
int dho_tree_merges(int leaves, int first, const int *counts, int n, int *out_merges);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

#define _GNU_SOURCE
#include "comm/comm_private.h"
#include "dho/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 1024 };

void comm_init(dho_comm *comm, const comm_ops *ops, int rank, int size)
{
    *comm = (dho_comm){.ops = ops, .rank = rank, .size = size};
    if (gethostname(comm->host, sizeof comm->host - 1) != 0 || comm->host[0] == '\0')
        snprintf(comm->host, sizeof comm->host, "unknown host");
}

void dho_comm_destroy(dho_comm **comm)
{
    if (*comm != NULL) {
        comm_watchdog_set(*comm, 0);
        (*comm)->ops->destroy(*comm);
    }
    *comm = NULL;
}

void dho_comm_abort(dho_comm *comm, int exit_code)
{
    fflush(NULL);
    if (comm != NULL) comm->ops->abort(comm, exit_code);
    _Exit(exit_code);
}

int dho_comm_rank(const dho_comm *comm)
{
    return comm->rank;
}

int dho_comm_size(const dho_comm *comm)
{
    return comm->size;
}

const char *dho_comm_host(const dho_comm *comm)
{
    return comm->host;
}

dho_status dho_comm_set_tree(dho_comm *comm, int leaves)
{
    if (leaves < comm->size)
        return dho_fail(DHO_ERR_CONFIG, "%d ranks, but a step has %d microbatches", comm->size,
                        leaves);
    return comm->ops->set_tree(comm, leaves);
}

dho_status dho_comm_tree_sum(dho_comm *comm, float *const *sums, size_t offset, size_t count,
                             const dho_rounding *rounding)
{
    DHO_TRY(comm->ops->tree_scatter(comm, sums, offset, count, rounding));
    return comm->ops->spread(comm, sums[0] + offset, count, rounding != NULL);
}

dho_comm_range dho_comm_own_range(const dho_comm *comm, size_t count)
{
    return comm->ops->own_range(comm, count);
}

dho_status dho_comm_tree_scatter(dho_comm *comm, float *const *sums, size_t offset, size_t count,
                                 const dho_rounding *rounding)
{
    return comm->ops->tree_scatter(comm, sums, offset, count, rounding);
}

dho_status dho_comm_spread(dho_comm *comm, float *data, size_t count, bool packed)
{
    return comm->ops->spread(comm, data, count, packed);
}

dho_status dho_comm_max_int64(dho_comm *comm, int64_t *data, size_t count)
{
    return comm->ops->reduce(comm, data, count, COMM_MAX);
}

dho_status dho_comm_sum_int64(dho_comm *comm, int64_t *data, size_t count)
{
    return comm->ops->reduce(comm, data, count, COMM_SUM);
}

dho_status dho_comm_broadcast(dho_comm *comm, void *data, size_t bytes, int root)
{
    return comm->ops->broadcast(comm, data, bytes, root);
}

dho_status dho_comm_gather(dho_comm *comm, const void *data, size_t bytes, void **out,
                           size_t *out_bytes)
{
    *out = NULL;
    return comm->ops->gather(comm, data, bytes, out, out_bytes);
}

dho_status dho_comm_barrier(dho_comm *comm)
{
    return comm->ops->barrier(comm);
}

dho_status dho_comm_watch(dho_comm *comm, double seconds)
{
    DHO_TRY(dho_comm_agree(comm, comm_watchdog_set(comm, seconds)));
    return comm->ops->limit(comm, seconds);
}

dho_status dho_comm_agree(dho_comm *comm, dho_status local)
{
    if (comm->size == 1) return local;
    char message[MESSAGE_BYTES] = {0};
    /* The minima of three numbers say it all in one reduction: the lowest rank that failed with
     * its status, and the least and the greatest fingerprint, which are equal when all ranks
     * failed alike. A rank without a failure has a fingerprint that no failure has. */
    int64_t least[3] = {INT64_MAX, -1, 1};
    if (local != DHO_OK) {
        snprintf(message, sizeof message, "%s", dho_error_message());
        const int64_t crc = dho_crc32(0, message, strlen(message));
        least[0] = (int64_t)comm->rank << 16 | local;
        least[1] = (int64_t)local << 32 | crc;
        least[2] = -least[1];
    }
    DHO_TRY(comm->ops->reduce(comm, least, 3, COMM_MIN));
    if (least[0] == INT64_MAX) return DHO_OK;
    if (least[1] == -least[2]) return local;
    const int failed_rank = (int)(least[0] >> 16);
    const dho_status status = (dho_status)(least[0] & 0xFFFF);
    if (comm->rank == failed_rank) {
        dho_fail_prefix(status, "rank %d (%s): ", comm->rank, comm->host);
        snprintf(message, sizeof message, "%s", dho_error_message());
    }
    DHO_TRY(comm->ops->broadcast(comm, message, sizeof message, failed_rank));
    return dho_fail(status, "%s", message);
}

dho_status dho_comm_share(dho_comm *comm, int count, dho_status (*work)(void *context, int i),
                          void *context)
{
    for (int first = 0; first < count; first += comm->size) {
        const int i = first + comm->rank; /* at most count + size */
        DHO_TRY(dho_comm_agree(comm, i < count ? work(context, i) : DHO_OK));
    }
    return DHO_OK;
}

dho_status dho_comm_check_equal(dho_comm *comm, const void *data, size_t bytes, const char *what)
{
    if (comm->size == 1) return DHO_OK;
    const uint64_t mine[2] = {bytes, dho_crc32(0, data, bytes)};
    uint64_t first[2] = {mine[0], mine[1]};
    DHO_TRY(comm->ops->broadcast(comm, first, sizeof first, 0));
    int64_t odd_rank = memcmp(first, mine, sizeof first) == 0 ? comm->size : comm->rank;
    DHO_TRY(comm->ops->reduce(comm, &odd_rank, 1, COMM_MIN));
    if (odd_rank == comm->size) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s differs between rank 0 and rank %d", what, (int)odd_rank);
}

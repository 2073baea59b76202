#include "comm/comm_private.h"
#include "dho/alloc.h"

#include <string.h>

/* One rank: its own data is already the sum, the maximum and what the root has. */

static void serial_destroy(dho_comm *comm)
{
    dho_free(comm);
}

static void serial_abort(dho_comm *comm, int exit_code)
{
    (void)comm;
    (void)exit_code; /* dho_comm_abort leaves the process */
}

static dho_status serial_set_tree(dho_comm *comm, int leaves)
{
    (void)comm;
    (void)leaves; /* all of the tree is this rank's */
    return DHO_OK;
}

static dho_comm_range serial_own_range(const dho_comm *comm, size_t count)
{
    (void)comm;
    return (dho_comm_range){0, count};
}

static dho_status serial_tree_scatter(dho_comm *comm, float *const *sums, size_t offset,
                                      size_t count, const dho_rounding *rounding)
{
    (void)rounding;
    (void)comm;
    (void)sums;
    (void)offset;
    (void)count;
    return DHO_OK;
}

static dho_status serial_spread(dho_comm *comm, float *data, size_t count, bool packed)
{
    (void)packed;
    (void)comm;
    (void)data;
    (void)count;
    return DHO_OK;
}

static dho_status serial_reduce(dho_comm *comm, int64_t *data, size_t count,
                                comm_reduction reduction)
{
    (void)comm;
    (void)data;
    (void)count;
    (void)reduction;
    return DHO_OK;
}

static dho_status serial_broadcast(dho_comm *comm, void *data, size_t bytes, int root)
{
    (void)comm;
    (void)data;
    (void)bytes;
    if (root != 0) return dho_fail(DHO_ERR_COMM, "broadcast from rank %d of 1 rank", root);
    return DHO_OK;
}

static dho_status serial_gather(dho_comm *comm, const void *data, size_t bytes, void **out,
                                size_t *out_bytes)
{
    (void)comm;
    DHO_TRY(dho_alloc(out, bytes, 1, "gathered data"));
    if (bytes > 0) memcpy(*out, data, bytes);
    if (out_bytes != NULL) out_bytes[0] = bytes;
    return DHO_OK;
}

static dho_status serial_barrier(dho_comm *comm)
{
    (void)comm;
    return DHO_OK;
}

static dho_status serial_limit(dho_comm *comm, double seconds)
{
    (void)comm;
    (void)seconds; /* there is nobody to wait for */
    return DHO_OK;
}

static const comm_ops serial_ops = {
    .destroy = serial_destroy,
    .abort = serial_abort,
    .set_tree = serial_set_tree,
    .own_range = serial_own_range,
    .tree_scatter = serial_tree_scatter,
    .spread = serial_spread,
    .reduce = serial_reduce,
    .broadcast = serial_broadcast,
    .gather = serial_gather,
    .barrier = serial_barrier,
    .limit = serial_limit,
};

dho_status dho_comm_create_serial(dho_comm **out)
{
    DHO_TRY(dho_alloc(out, 1, sizeof **out, "communicator"));
    comm_init(*out, &serial_ops, 0, 1);
    return DHO_OK;
}

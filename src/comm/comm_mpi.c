#include "comm/comm_mpi.h"
#include "dho/alloc.h"

#include <dlfcn.h>
#include <mpi.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
/* Open MPI unloads its plug-ins when it finalises, and their leaks could then no more be told from
 * ours: under the sanitizer they stay loaded, where tests/lsan.supp can name them. */
__attribute__((visibility("default"))) int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
#endif

/* A collective as a whole. */
#define WATCHED(base, what, call)                        \
    do {                                                 \
        comm_watch *watch_ = &((mpi_comm *)base)->watch; \
        comm_watch_enter(watch_, what);                  \
        const dho_status status_ = call;                 \
        comm_watch_leave(watch_);                        \
        return status_;                                  \
    } while (0)

/* Starts one MPI operation and waits for it. */
#define DO_MPI(comm, function, ...)                             \
    do {                                                        \
        MPI_Request request_;                                   \
        TRY_MPI(comm, function, __VA_ARGS__, &request_);        \
        DHO_TRY(comm_watch_wait(&(comm)->watch, 1, &request_)); \
    } while (0)

/* --- the other collectives ---------------------------------------------------------------------*/

static dho_status reduce(dho_comm *base, int64_t *data, size_t count, comm_reduction reduction)
{
    mpi_comm *comm = (mpi_comm *)base;
    const MPI_Op op = reduction == COMM_MIN ? MPI_MIN : reduction == COMM_MAX ? MPI_MAX : MPI_SUM;
    while (count > 0) {
        const size_t now = comm_smaller(count, COMM_MAX_MESSAGE / sizeof *data);
        DO_MPI(comm, MPI_Iallreduce, MPI_IN_PLACE, data, (int)now, MPI_INT64_T, op, comm->handle);
        data += now;
        count -= now;
    }
    return DHO_OK;
}

static dho_status mpi_reduce(dho_comm *base, int64_t *data, size_t count, comm_reduction reduction)
{
    WATCHED(base, "agrees with the other ranks", reduce(base, data, count, reduction));
}

static dho_status broadcast(dho_comm *base, void *data, size_t bytes, int root)
{
    mpi_comm *comm = (mpi_comm *)base;
    char *at = data;
    while (bytes > 0) {
        const size_t now = comm_smaller(bytes, COMM_MAX_MESSAGE);
        DO_MPI(comm, MPI_Ibcast, at, (int)now, MPI_BYTE, root, comm->handle);
        at += now;
        bytes -= now;
    }
    return DHO_OK;
}

static dho_status mpi_broadcast(dho_comm *base, void *data, size_t bytes, int root)
{
    WATCHED(base, "takes what one rank sends to all", broadcast(base, data, bytes, root));
}

static dho_status send_all(mpi_comm *comm, const char *data, size_t bytes)
{
    while (bytes > 0) {
        const size_t now = comm_smaller(bytes, COMM_MAX_MESSAGE);
        DO_MPI(comm, MPI_Isend, data, (int)now, MPI_BYTE, 0, COMM_TAG_GATHER, comm->handle);
        data += now;
        bytes -= now;
    }
    return DHO_OK;
}

static dho_status receive_all(mpi_comm *comm, char *data, size_t bytes, int from)
{
    while (bytes > 0) {
        const size_t now = comm_smaller(bytes, COMM_MAX_MESSAGE);
        DO_MPI(comm, MPI_Irecv, data, (int)now, MPI_BYTE, from, COMM_TAG_GATHER, comm->handle);
        data += now;
        bytes -= now;
    }
    return DHO_OK;
}

/* Rank 0: room for what all ranks have. */
static dho_status allocate_gathered(const mpi_comm *comm, void **out)
{
    size_t total = 0;
    for (int rank = 0; rank < comm->base.size; rank++)
        if (__builtin_add_overflow(total, comm->sizes[rank], &total))
            return dho_fail(DHO_ERR_MEMORY, "gathered data: more bytes than can be addressed");
    return dho_alloc(out, total, 1, "gathered data");
}

static dho_status gather(dho_comm *base, const void *data, size_t bytes, void **out,
                         size_t *out_bytes)
{
    mpi_comm *comm = (mpi_comm *)base;
    const uint64_t mine = bytes;
    DO_MPI(comm, MPI_Igather, &mine, 1, MPI_UINT64_T, comm->sizes, 1, MPI_UINT64_T, 0,
           comm->handle);
    dho_status status = base->rank == 0 ? allocate_gathered(comm, out) : DHO_OK;
    DHO_TRY_GOTO(dho_comm_agree(base, status));
    if (base->rank != 0) return send_all(comm, data, bytes);
    char *at = *out;
    for (int rank = 0; rank < base->size; rank++) {
        const size_t size = comm->sizes[rank];
        if (rank > 0) DHO_TRY_GOTO(receive_all(comm, at, size, rank));
        if (rank == 0 && size > 0) memcpy(at, data, size);
        if (out_bytes != NULL) out_bytes[rank] = size;
        at += size;
    }
    return DHO_OK;
fail:
    dho_free(*out);
    *out = NULL;
    return status;
}

static dho_status mpi_gather(dho_comm *base, const void *data, size_t bytes, void **out,
                             size_t *out_bytes)
{
    WATCHED(base, "sends its part to rank 0", gather(base, data, bytes, out, out_bytes));
}

static dho_status barrier(dho_comm *base)
{
    mpi_comm *comm = (mpi_comm *)base;
    DO_MPI(comm, MPI_Ibarrier, comm->handle);
    return DHO_OK;
}

static dho_status mpi_barrier(dho_comm *base)
{
    WATCHED(base, "waits at a barrier", barrier(base));
}

/* --- life --------------------------------------------------------------------------------------*/

/* Everything but the object's own memory. */
static void release(mpi_comm *comm)
{
    comm_mpi_release_sum(&comm->sum);
    dho_free(comm->sizes);
    comm_watch_release(&comm->watch);
    if (comm->handle != MPI_COMM_NULL) MPI_Comm_free(&comm->handle);
    if (comm->finalise) MPI_Finalize();
}

static void mpi_destroy(dho_comm *base)
{
    mpi_comm *comm = (mpi_comm *)base;
    release(comm);
    dho_free(comm);
}

static void mpi_abort(dho_comm *base, int exit_code)
{
    MPI_Abort(((mpi_comm *)base)->handle, exit_code);
}

static dho_status mpi_limit(dho_comm *base, double seconds)
{
    return comm_watch_limit(&((mpi_comm *)base)->watch, seconds);
}

static const comm_ops mpi_ops = {
    .destroy = mpi_destroy,
    .abort = mpi_abort,
    .set_tree = comm_mpi_set_tree,
    .own_range = comm_mpi_own_range,
    .tree_scatter = comm_mpi_tree_scatter,
    .spread = comm_mpi_spread,
    .reduce = mpi_reduce,
    .broadcast = mpi_broadcast,
    .gather = mpi_gather,
    .barrier = mpi_barrier,
    .limit = mpi_limit,
};

static dho_status allocate(mpi_comm *comm, mpi_comm **out)
{
    DHO_TRY(dho_alloc(out, 1, sizeof **out, "communicator"));
    DHO_TRY(dho_alloc(&comm->sizes, (size_t)comm->base.size, sizeof *comm->sizes, "communicator"));
    return DHO_OK;
}

/* A duplicate of the world's communicator that returns its errors. */
static dho_status duplicate(const dho_comm *base, MPI_Comm *out)
{
    int code = MPI_Comm_dup(MPI_COMM_WORLD, out);
    if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(*out, MPI_ERRORS_RETURN);
    return code == MPI_SUCCESS ? DHO_OK : comm_mpi_failed(base, "MPI_Comm_dup", code);
}

dho_status dho_comm_create_mpi(dho_comm **out, int *argc, char ***argv)
{
    mpi_comm comm = {.handle = MPI_COMM_NULL};
    mpi_comm *object = NULL;
    MPI_Comm questions;
    *out = NULL;
    dho_status status;
    comm_watch_init(&comm.watch, &comm.base, MPI_COMM_NULL);
    DHO_TRY_GOTO(comm_start_mpi(argc, argv, &comm.finalise));
    int rank = 0, size = 1, provided = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    DHO_TRY_GOTO(comm_check_launcher(size));
    comm_init(&comm.base, &mpi_ops, rank, size);
    MPI_Query_thread(&provided);
    comm.base.threads = size > 1 && provided >= MPI_THREAD_SERIALIZED;
    DHO_TRY_GOTO(duplicate(&comm.base, &comm.handle));
    DHO_TRY_GOTO(duplicate(&comm.base, &questions));
    comm_watch_init(&comm.watch, &comm.base, questions);
    /* All memory of the collectives is taken here, where ranks can still agree about a failure. */
    DHO_TRY_GOTO(dho_comm_agree(&comm.base, allocate(&comm, &object)));
    *object = comm;
    object->watch.base = &object->base;
    *out = &object->base;
    return DHO_OK;
fail:
    dho_free(object);
    release(&comm);
    return status;
}

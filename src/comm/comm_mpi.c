#include "comm/comm_watch.h"
#include "dho/alloc.h"

#include <dlfcn.h>
#include <limits.h>
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

/* MPI counts are int: longer data goes in pieces of at most 1 GiB. */
#define MAX_MESSAGE_BYTES ((size_t)1 << 30)
/* Sums go in pieces of 2 MiB: one is added from the cache while the next one travels, and two
 * buffers of that size serve for data of any length. */
#define PIECE_FLOATS ((size_t)1 << 19)

enum { TAG_SUM = 1, TAG_GATHER = 2 };
enum { MAX_LEVELS = sizeof(int) * CHAR_BIT };

typedef struct mpi_comm {
    dho_comm base;
    MPI_Comm handle; /* a duplicate of the world's, so that no other traffic can meet ours */
    comm_watch watch;
    bool finalise;   /* this object started MPI */
    float *pieces;   /* owned; 2 * PIECE_FLOATS; NULL for one rank */
    uint64_t *sizes; /* owned; one per rank, for gather */
} mpi_comm;

typedef struct range {
    size_t begin, end;
} range;

#define TRY_MPI(comm, function, ...)                                                       \
    do {                                                                                   \
        const int code_ = function(__VA_ARGS__);                                           \
        if (code_ != MPI_SUCCESS) return comm_mpi_failed(&(comm)->base, #function, code_); \
    } while (0)

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

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- the tree sum ------------------------------------------------------------------------------*/

static void add(float *restrict sum, const float *restrict term, size_t count)
{
    for (size_t i = 0; i < count; i++) sum[i] += term[i];
}

/* One piece on its way in both directions. */
typedef struct transfer {
    MPI_Request requests[2];
    size_t begin, count; /* what arrives, in floats */
} transfer;

static dho_status start_transfer(mpi_comm *comm, transfer *out, size_t piece, int partner,
                                 const float *give, size_t give_count, size_t keep_count)
{
    const size_t begin = piece * PIECE_FLOATS;
    const size_t take = begin < keep_count ? min_size(keep_count - begin, PIECE_FLOATS) : 0;
    const size_t send = begin < give_count ? min_size(give_count - begin, PIECE_FLOATS) : 0;
    *out = (transfer){{MPI_REQUEST_NULL, MPI_REQUEST_NULL}, begin, take};
    if (take > 0)
        TRY_MPI(comm, MPI_Irecv, comm->pieces + piece % 2 * PIECE_FLOATS, (int)take, MPI_FLOAT,
                partner, TAG_SUM, comm->handle, &out->requests[0]);
    if (send > 0)
        TRY_MPI(comm, MPI_Isend, give + begin, (int)send, MPI_FLOAT, partner, TAG_SUM, comm->handle,
                &out->requests[1]);
    return DHO_OK;
}

/* Gives the partner one range and adds to another one what the partner gives for it. */
static dho_status exchange_add(mpi_comm *comm, int partner, const float *give, size_t give_count,
                               float *keep, size_t keep_count)
{
    const size_t longest = give_count > keep_count ? give_count : keep_count;
    const size_t pieces = (longest + PIECE_FLOATS - 1) / PIECE_FLOATS;
    transfer transfers[2];
    if (pieces > 0)
        DHO_TRY(start_transfer(comm, &transfers[0], 0, partner, give, give_count, keep_count));
    for (size_t piece = 0; piece < pieces; piece++) {
        if (piece + 1 < pieces)
            DHO_TRY(start_transfer(comm, &transfers[(piece + 1) % 2], piece + 1, partner, give,
                                   give_count, keep_count));
        transfer *here = &transfers[piece % 2];
        DHO_TRY(comm_watch_wait(&comm->watch, 2, here->requests));
        if (here->count > 0)
            add(keep + here->begin, comm->pieces + piece % 2 * PIECE_FLOATS, here->count);
    }
    return DHO_OK;
}

/* Gives the partner one finished range and takes another one; the two do not overlap. */
static dho_status exchange_copy(mpi_comm *comm, int partner, const float *give, size_t give_count,
                                float *take, size_t take_count)
{
    const size_t most = MAX_MESSAGE_BYTES / sizeof(float);
    while (give_count > 0 || take_count > 0) {
        const size_t send = min_size(give_count, most), receive = min_size(take_count, most);
        MPI_Request requests[2];
        /* An end without data is no message: the other side, which knows the ranges as well,
         * does not wait for one. */
        TRY_MPI(comm, MPI_Irecv, take, (int)receive, MPI_FLOAT,
                receive > 0 ? partner : MPI_PROC_NULL, TAG_SUM, comm->handle, &requests[0]);
        TRY_MPI(comm, MPI_Isend, give, (int)send, MPI_FLOAT, send > 0 ? partner : MPI_PROC_NULL,
                TAG_SUM, comm->handle, &requests[1]);
        DHO_TRY(comm_watch_wait(&comm->watch, 2, requests));
        give += send;
        give_count -= send;
        take += receive;
        take_count -= receive;
    }
    return DHO_OK;
}

/* Every element takes the same path through the tree wherever the halves are cut, because the two
 * sides of one addition are always the partial sums of a rank and of rank ^ bit. */
static dho_status halve_and_double(mpi_comm *comm, float *data, size_t count, int ranks)
{
    range held[MAX_LEVELS + 1] = {{0, count}};
    int level = 0;
    for (int bit = ranks / 2; bit > 0; bit /= 2, level++) {
        const range all = held[level];
        const size_t middle = all.begin + (all.end - all.begin) / 2;
        const range low = {all.begin, middle}, high = {middle, all.end};
        const range keep = comm->base.rank & bit ? high : low;
        const range give = comm->base.rank & bit ? low : high;
        DHO_TRY(exchange_add(comm, comm->base.rank ^ bit, data + give.begin, give.end - give.begin,
                             data + keep.begin, keep.end - keep.begin));
        held[level + 1] = keep;
    }
    for (int bit = 1; bit < ranks; bit *= 2, level--) {
        const range mine = held[level], all = held[level - 1];
        const range other =
            comm->base.rank & bit ? (range){all.begin, mine.begin} : (range){mine.end, all.end};
        DHO_TRY(exchange_copy(comm, comm->base.rank ^ bit, data + mine.begin, mine.end - mine.begin,
                              data + other.begin, other.end - other.begin));
    }
    return DHO_OK;
}

static dho_status tree_sum(dho_comm *base, float *data, size_t count)
{
    mpi_comm *comm = (mpi_comm *)base;
    if (count == 0) return DHO_OK;
    int ranks = 1; /* the largest power of two that there is */
    while (ranks <= base->size / 2) ranks *= 2;
    if (base->rank >= ranks) { /* folded onto another rank, which gives back the result */
        DHO_TRY(exchange_add(comm, base->rank - ranks, data, count, data, 0));
        return exchange_copy(comm, base->rank - ranks, data, 0, data, count);
    }
    const bool has_fold = base->rank + ranks < base->size;
    if (has_fold) DHO_TRY(exchange_add(comm, base->rank + ranks, data, 0, data, count));
    DHO_TRY(halve_and_double(comm, data, count, ranks));
    if (has_fold) DHO_TRY(exchange_copy(comm, base->rank + ranks, data, count, data, 0));
    return DHO_OK;
}

static dho_status mpi_tree_sum(dho_comm *base, float *data, size_t count)
{
    WATCHED(base, "adds up the gradients", tree_sum(base, data, count));
}

/* --- the other collectives ---------------------------------------------------------------------*/

static dho_status reduce(dho_comm *base, int64_t *data, size_t count, comm_reduction reduction)
{
    mpi_comm *comm = (mpi_comm *)base;
    const MPI_Op op = reduction == COMM_MIN ? MPI_MIN : reduction == COMM_MAX ? MPI_MAX : MPI_SUM;
    while (count > 0) {
        const size_t now = min_size(count, MAX_MESSAGE_BYTES / sizeof *data);
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
        const size_t now = min_size(bytes, MAX_MESSAGE_BYTES);
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
        const size_t now = min_size(bytes, MAX_MESSAGE_BYTES);
        DO_MPI(comm, MPI_Isend, data, (int)now, MPI_BYTE, 0, TAG_GATHER, comm->handle);
        data += now;
        bytes -= now;
    }
    return DHO_OK;
}

static dho_status receive_all(mpi_comm *comm, char *data, size_t bytes, int from)
{
    while (bytes > 0) {
        const size_t now = min_size(bytes, MAX_MESSAGE_BYTES);
        DO_MPI(comm, MPI_Irecv, data, (int)now, MPI_BYTE, from, TAG_GATHER, comm->handle);
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
    dho_free(comm->pieces);
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
    .tree_sum = mpi_tree_sum,
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
    if (comm->base.size > 1)
        DHO_TRY(dho_alloc(&comm->pieces, 2 * PIECE_FLOATS, sizeof *comm->pieces, "communicator"));
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
    int rank = 0, size = 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    DHO_TRY_GOTO(comm_check_launcher(size));
    comm_init(&comm.base, &mpi_ops, rank, size);
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

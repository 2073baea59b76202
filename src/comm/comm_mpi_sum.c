/* The tree sum over MPI. */
#include "base/add_floats.h"
#include "comm/comm_mpi.h"
#include "dho/alloc.h"

#include <limits.h>
#include <string.h>

/* Sums go in pieces of at most 2 MiB: one is added from the cache while the next one travels. */
#define PIECE_FLOATS ((size_t)1 << 19)
/* What arrives at once of all ranks' sums takes 16 MiB at most, unless there are thousands of them.
 */
#define ARRIVING_FLOATS ((size_t)1 << 22)
enum { LEAST_PIECE = 1024, MAX_LEVELS = sizeof(int) * CHAR_BIT };

typedef struct range {
    size_t begin, end;
} range;

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- 2^k ranks with one sum each ---------------------------------------------------------------*/

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
        TRY_MPI(comm, MPI_Irecv, comm->sum.pieces + piece % 2 * PIECE_FLOATS, (int)take, MPI_FLOAT,
                partner, COMM_TAG_SUM, comm->handle, &out->requests[0]);
    if (send > 0)
        TRY_MPI(comm, MPI_Isend, give + begin, (int)send, MPI_FLOAT, partner, COMM_TAG_SUM,
                comm->handle, &out->requests[1]);
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
            dho_add_floats(keep + here->begin, comm->sum.pieces + piece % 2 * PIECE_FLOATS,
                           here->count);
    }
    return DHO_OK;
}

/* Gives the partner one finished range and takes another one; the two do not overlap. */
static dho_status exchange_copy(mpi_comm *comm, int partner, const float *give, size_t give_count,
                                float *take, size_t take_count)
{
    const size_t most = COMM_MAX_MESSAGE / sizeof(float);
    while (give_count > 0 || take_count > 0) {
        const size_t send = min_size(give_count, most), receive = min_size(take_count, most);
        MPI_Request requests[2];
        /* An end without data is no message: the other side, which knows the ranges as well,
         * does not wait for one. */
        TRY_MPI(comm, MPI_Irecv, take, (int)receive, MPI_FLOAT,
                receive > 0 ? partner : MPI_PROC_NULL, COMM_TAG_SUM, comm->handle, &requests[0]);
        TRY_MPI(comm, MPI_Isend, give, (int)send, MPI_FLOAT, send > 0 ? partner : MPI_PROC_NULL,
                COMM_TAG_SUM, comm->handle, &requests[1]);
        DHO_TRY(comm_watch_wait(&comm->watch, 2, requests));
        give += send;
        give_count -= send;
        take += receive;
        take_count -= receive;
    }
    return DHO_OK;
}

/* Ranks stand in tree order: neighbours are halves of a node, then pairs of pairs are, and so on.
 * So the longest messages go to the nearest ranks, which a launcher puts on the same machine, and
 * of a machine's ranks each sends its own share of the slab on to the next machine. */
static dho_status halve_and_double(mpi_comm *comm, float *data, size_t count)
{
    const int ranks = comm->base.size, rank = comm->base.rank;
    range held[MAX_LEVELS + 1] = {{0, count}};
    int level = 0;
    for (int bit = 1; bit < ranks; bit *= 2, level++) {
        const range all = held[level];
        const size_t middle = all.begin + (all.end - all.begin) / 2;
        const range low = {all.begin, middle}, high = {middle, all.end};
        const range keep = rank & bit ? high : low;
        const range give = rank & bit ? low : high;
        DHO_TRY(exchange_add(comm, rank ^ bit, data + give.begin, give.end - give.begin,
                             data + keep.begin, keep.end - keep.begin));
        held[level + 1] = keep;
    }
    for (int bit = ranks / 2; bit > 0; bit /= 2, level--) {
        const range mine = held[level], all = held[level - 1];
        const range other =
            rank & bit ? (range){all.begin, mine.begin} : (range){mine.end, all.end};
        DHO_TRY(exchange_copy(comm, rank ^ bit, data + mine.begin, mine.end - mine.begin,
                              data + other.begin, other.end - other.begin));
    }
    return DHO_OK;
}

/* --- any number of ranks -----------------------------------------------------------------------*/

/* What rank r of P owns of `count` floats. */
static range range_of(size_t count, int ranks, int r)
{
    const size_t share = count / (size_t)ranks, more = count % (size_t)ranks, i = (size_t)r;
    const size_t begin = i * share + min_size(i, more);
    return (range){begin, begin + share + (i < more)};
}

/* The piece of a range that begins `at` floats after its begin. */
static range piece_of(range whole, size_t at, size_t piece)
{
    const size_t begin = min_size(whole.begin + at, whole.end);
    return (range){begin, min_size(begin + piece, whole.end)};
}

/* All ranks' sums of this rank's piece arrive, and its own sums of the other ranks' pieces leave.
 */
static dho_status exchange_sums(mpi_comm *comm, float *const *sums, size_t count, size_t at)
{
    const comm_sum *s = &comm->sum;
    const int size = comm->base.size, rank = comm->base.rank;
    const range mine = piece_of(range_of(count, size, rank), at, s->piece);
    int started = 0;
    for (int r = 0; r < size; r++)
        for (int k = s->first[r]; r != rank && k < s->first[r + 1] && mine.begin < mine.end; k++)
            TRY_MPI(comm, MPI_Irecv, s->pieces + (size_t)k * s->piece, (int)(mine.end - mine.begin),
                    MPI_FLOAT, r, COMM_TAG_SUM, comm->handle, &s->requests[started++]);
    for (int i = 1; i < size; i++) { /* each rank begins with another one */
        const int r = (rank + i) % size;
        const range theirs = piece_of(range_of(count, size, r), at, s->piece);
        if (theirs.begin == theirs.end) continue;
        for (int k = 0; k < s->first[rank + 1] - s->first[rank]; k++)
            TRY_MPI(comm, MPI_Isend, sums[k] + theirs.begin, (int)(theirs.end - theirs.begin),
                    MPI_FLOAT, r, COMM_TAG_SUM, comm->handle, &s->requests[started++]);
    }
    return comm_watch_wait(&comm->watch, started, s->requests);
}

/* Adds up what has arrived and this rank's own sums, in the tree's order, into sums[0]. */
static void add_up(mpi_comm *comm, float *const *sums, range mine)
{
    const comm_sum *s = &comm->sum;
    const int rank = comm->base.rank, total = s->first[comm->base.size];
    const size_t floats = mine.end - mine.begin;
    int depth = 0;
    for (int k = 0; k < total; k++) {
        const bool own = k >= s->first[rank] && k < s->first[rank + 1];
        s->stack[depth++] =
            own ? sums[k - s->first[rank]] + mine.begin : s->pieces + (size_t)k * s->piece;
        for (int m = 0; m < s->merges[k]; m++, depth--)
            dho_add_floats(s->stack[depth - 2], s->stack[depth - 1], floats);
    }
    if (s->stack[0] != sums[0] + mine.begin)
        memcpy(sums[0] + mine.begin, s->stack[0], floats * sizeof(float));
}

/* Each rank gives what it owns of sums[0] to all others. */
static dho_status exchange_totals(mpi_comm *comm, float *data, size_t count)
{
    const comm_sum *s = &comm->sum;
    const int size = comm->base.size, rank = comm->base.rank;
    const size_t most = COMM_MAX_MESSAGE / sizeof(float);
    for (size_t at = 0; at < range_of(count, size, 0).end; at += most) {
        const range mine = piece_of(range_of(count, size, rank), at, most);
        int started = 0;
        for (int i = 1; i < size; i++) {
            const int from = (rank + size - i) % size, to = (rank + i) % size;
            const range theirs = piece_of(range_of(count, size, from), at, most);
            if (theirs.begin < theirs.end)
                TRY_MPI(comm, MPI_Irecv, data + theirs.begin, (int)(theirs.end - theirs.begin),
                        MPI_FLOAT, from, COMM_TAG_SUM, comm->handle, &s->requests[started++]);
            if (mine.begin < mine.end)
                TRY_MPI(comm, MPI_Isend, data + mine.begin, (int)(mine.end - mine.begin), MPI_FLOAT,
                        to, COMM_TAG_SUM, comm->handle, &s->requests[started++]);
        }
        DHO_TRY(comm_watch_wait(&comm->watch, started, s->requests));
    }
    return DHO_OK;
}

static dho_status sum_by_owners(mpi_comm *comm, float *const *sums, size_t count)
{
    const int size = comm->base.size;
    for (size_t at = 0; at < range_of(count, size, 0).end; at += comm->sum.piece) {
        DHO_TRY(exchange_sums(comm, sums, count, at));
        add_up(comm, sums, piece_of(range_of(count, size, comm->base.rank), at, comm->sum.piece));
    }
    return exchange_totals(comm, sums[0], count);
}

static dho_status tree_sum(dho_comm *base, float *const *sums, size_t offset, size_t count)
{
    mpi_comm *comm = (mpi_comm *)base;
    float *from[DHO_TREE_SUMS];
    if (count == 0 || base->size == 1) return DHO_OK;
    if (comm->sum.halves) return halve_and_double(comm, sums[0] + offset, count);
    const int own = comm->sum.first[base->rank + 1] - comm->sum.first[base->rank];
    for (int k = 0; k < own; k++) from[k] = sums[k] + offset;
    return sum_by_owners(comm, from, count);
}

dho_status comm_mpi_tree_sum(dho_comm *base, float *const *sums, size_t offset, size_t count)
{
    comm_watch *watch = &((mpi_comm *)base)->watch;
    comm_watch_enter(watch, "adds up the gradients");
    const dho_status status = tree_sum(base, sums, offset, count);
    comm_watch_leave(watch);
    return status;
}

/* --- life --------------------------------------------------------------------------------------*/

void comm_mpi_release_sum(comm_sum *sum)
{
    dho_free(sum->first);
    dho_free(sum->merges);
    dho_free(sum->stack);
    dho_free(sum->pieces);
    dho_free(sum->requests);
    *sum = (comm_sum){0};
}

/* The list of all ranks' sums. *out_most: of one rank. */
static dho_status list_sums(comm_sum *s, int ranks, int *out_most)
{
    int *places = NULL, *counts = NULL;
    dho_status status = DHO_OK;
    DHO_TRY_GOTO(dho_alloc(&places, (size_t)ranks + 1, sizeof *places, "communicator"));
    DHO_TRY_GOTO(dho_alloc(&s->first, (size_t)ranks + 1, sizeof *s->first, "communicator"));
    dho_tree_cut(s->leaves, 0, s->leaves, ranks, places);
    s->first[0] = *out_most = 0;
    for (int r = 0; r < ranks; r++) {
        const int sums = dho_tree_sums(s->leaves, places[r], places[r + 1] - places[r], NULL);
        s->first[r + 1] = s->first[r] + sums;
        if (sums > *out_most) *out_most = sums;
    }
    const size_t total = (size_t)s->first[ranks];
    DHO_TRY_GOTO(dho_alloc(&counts, total, sizeof *counts, "communicator"));
    DHO_TRY_GOTO(dho_alloc(&s->merges, total, sizeof *s->merges, "communicator"));
    DHO_TRY_GOTO(dho_alloc(&s->stack, total, sizeof *s->stack, "communicator"));
    for (int r = 0; r < ranks; r++)
        dho_tree_sums(s->leaves, places[r], places[r + 1] - places[r], counts + s->first[r]);
    dho_tree_merges(s->leaves, 0, counts, (int)total, s->merges);
fail:
    dho_free(places);
    dho_free(counts);
    return status;
}

dho_status comm_mpi_set_tree(dho_comm *base, int leaves)
{
    comm_sum *s = &((mpi_comm *)base)->sum;
    const size_t ranks = (size_t)base->size;
    int most;
    if (ranks == 1 || s->leaves == leaves) return DHO_OK;
    comm_mpi_release_sum(s);
    s->leaves = leaves;
    DHO_TRY(list_sums(s, base->size, &most));
    const size_t total = (size_t)s->first[ranks];
    s->halves = total == ranks && (ranks & (ranks - 1)) == 0;
    s->piece = s->halves || total * PIECE_FLOATS <= ARRIVING_FLOATS ? PIECE_FLOATS
                                                                    : ARRIVING_FLOATS / total;
    if (s->piece < LEAST_PIECE) s->piece = LEAST_PIECE;
    DHO_TRY(dho_alloc(&s->requests, total + 2 * ranks * (size_t)most, sizeof *s->requests,
                      "communicator"));
    return dho_alloc(&s->pieces, (s->halves ? 2 : total) * s->piece, sizeof *s->pieces,
                     "communicator");
}

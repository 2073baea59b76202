/* The tree sum over MPI. */
#include "base/add_floats.h"
#include "comm/comm_mpi.h"
#include "dho/alloc.h"

#include <limits.h>
#include <string.h>

/* Sums go in pieces of at most 1 MiB: one is added from the cache while the next ones travel. */
#define PIECE_FLOATS ((size_t)1 << 18)
/* Pieces on their way at one time: as many as a network whose queues hold 0.1 s of 1 Gbit/s needs,
 * so that it is never idle. */
#define PIECES ((size_t)16)
/* What arrives at once of all ranks' sums takes 16 MiB at most, unless there are thousands of them.
 */
#define ARRIVING_FLOATS (PIECES * PIECE_FLOATS)
enum { LEAST_PIECE = 1024, MAX_LEVELS = sizeof(int) * CHAR_BIT };

typedef dho_comm_range range;

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
    const size_t take = begin < keep_count ? comm_smaller(keep_count - begin, PIECE_FLOATS) : 0;
    const size_t send = begin < give_count ? comm_smaller(give_count - begin, PIECE_FLOATS) : 0;
    *out = (transfer){{MPI_REQUEST_NULL, MPI_REQUEST_NULL}, begin, take};
    if (take > 0)
        TRY_MPI(comm, MPI_Irecv, comm->sum.pieces + piece % PIECES * PIECE_FLOATS, (int)take,
                MPI_FLOAT, partner, COMM_TAG_SUM, comm->handle, &out->requests[0]);
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
    transfer transfers[PIECES];
    for (size_t piece = 0; piece < pieces && piece < PIECES; piece++)
        DHO_TRY(
            start_transfer(comm, &transfers[piece], piece, partner, give, give_count, keep_count));
    for (size_t piece = 0; piece < pieces; piece++) {
        transfer *here = &transfers[piece % PIECES];
        DHO_TRY(comm_watch_wait(&comm->watch, 2, here->requests));
        if (here->count > 0)
            dho_add_floats(keep + here->begin, comm->sum.pieces + piece % PIECES * PIECE_FLOATS,
                           here->count);
        if (piece + PIECES < pieces)
            DHO_TRY(
                start_transfer(comm, here, piece + PIECES, partner, give, give_count, keep_count));
    }
    return DHO_OK;
}

/* Gives the partner one finished range and takes another one; the two do not overlap. */
static dho_status exchange_copy(mpi_comm *comm, int partner, const float *give, size_t give_count,
                                float *take, size_t take_count)
{
    const size_t most = COMM_MAX_MESSAGE / sizeof(float);
    while (give_count > 0 || take_count > 0) {
        const size_t send = comm_smaller(give_count, most),
                     receive = comm_smaller(take_count, most);
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

/* The ranges that a rank holds on its way down: held[0] is all, held[levels] its own. At each level
 * it keeps one half and gives the other one away. */
static int hold_halves(const dho_comm *comm, size_t count, range held[MAX_LEVELS + 1])
{
    int level = 0;
    held[0] = (range){0, count};
    for (int bit = 1; bit < comm->size; bit *= 2, level++) {
        const range all = held[level];
        const size_t half = (all.end - all.begin + 1) / 2;
        const size_t grains = (half + DHO_COMM_GRAIN - 1) / DHO_COMM_GRAIN;
        const size_t middle = comm_smaller(all.begin + grains * DHO_COMM_GRAIN, all.end);
        held[level + 1] = comm->rank & bit ? (range){middle, all.end} : (range){all.begin, middle};
    }
    return level;
}

/* What is left of a range without the half that is kept. */
static range other_half(range all, range kept)
{
    return kept.begin == all.begin ? (range){kept.end, all.end} : (range){all.begin, kept.begin};
}

/* Ranks stand in tree order: neighbours are halves of a node, then pairs of pairs are, and so on.
 * So the longest messages go to the nearest ranks, which a launcher puts on the same machine, and
 * of a machine's ranks each sends its own share of the slab on to the next machine. */
static dho_status scatter_by_halves(mpi_comm *comm, float *data, size_t count)
{
    range held[MAX_LEVELS + 1];
    const int levels = hold_halves(&comm->base, count, held);
    for (int level = 0; level < levels; level++) {
        const range keep = held[level + 1], give = other_half(held[level], keep);
        DHO_TRY(exchange_add(comm, comm->base.rank ^ (1 << level), data + give.begin,
                             give.end - give.begin, data + keep.begin, keep.end - keep.begin));
    }
    return DHO_OK;
}

static dho_status spread_by_halves(mpi_comm *comm, float *data, size_t count)
{
    range held[MAX_LEVELS + 1];
    for (int level = hold_halves(&comm->base, count, held); level-- > 0;) {
        const range mine = held[level + 1], other = other_half(held[level], mine);
        DHO_TRY(exchange_copy(comm, comm->base.rank ^ (1 << level), data + mine.begin,
                              mine.end - mine.begin, data + other.begin, other.end - other.begin));
    }
    return DHO_OK;
}

/* --- any number of ranks -----------------------------------------------------------------------*/

/* What rank r of P owns of `count` floats. */
static range range_of(size_t count, int ranks, int r)
{
    const size_t grains = (count + DHO_COMM_GRAIN - 1) / DHO_COMM_GRAIN, i = (size_t)r;
    const size_t share = grains / (size_t)ranks, more = grains % (size_t)ranks;
    const size_t begin = i * share + comm_smaller(i, more), end = begin + share + (i < more);
    return (range){comm_smaller(begin * DHO_COMM_GRAIN, count),
                   comm_smaller(end * DHO_COMM_GRAIN, count)};
}

/* The piece of a range that begins `at` floats after its begin. */
static range piece_of(range whole, size_t at, size_t piece)
{
    const size_t begin = comm_smaller(whole.begin + at, whole.end);
    return (range){begin, comm_smaller(begin + piece, whole.end)};
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

static dho_status scatter_to_owners(mpi_comm *comm, float *const *sums, size_t count)
{
    const int size = comm->base.size;
    for (size_t at = 0; at < range_of(count, size, 0).end; at += comm->sum.piece) {
        DHO_TRY(exchange_sums(comm, sums, count, at));
        add_up(comm, sums, piece_of(range_of(count, size, comm->base.rank), at, comm->sum.piece));
    }
    return DHO_OK;
}

/* --- both --------------------------------------------------------------------------------------*/

static dho_status scatter(mpi_comm *comm, float *const *sums, size_t offset, size_t count)
{
    float *from[DHO_TREE_SUMS];
    const int rank = comm->base.rank;
    if (comm->sum.halves) return scatter_by_halves(comm, sums[0] + offset, count);
    const int own = comm->sum.first[rank + 1] - comm->sum.first[rank];
    for (int k = 0; k < own; k++) from[k] = sums[k] + offset;
    return scatter_to_owners(comm, from, count);
}

dho_status comm_mpi_tree_scatter(dho_comm *base, float *const *sums, size_t offset, size_t count)
{
    mpi_comm *comm = (mpi_comm *)base;
    if (count == 0 || base->size == 1) return DHO_OK;
    comm_watch_enter(&comm->watch, "adds up the gradients");
    const dho_status status = scatter(comm, sums, offset, count);
    comm_watch_leave(&comm->watch);
    return status;
}

dho_status comm_mpi_spread(dho_comm *base, float *data, size_t count)
{
    mpi_comm *comm = (mpi_comm *)base;
    if (count == 0 || base->size == 1) return DHO_OK;
    comm_watch_enter(&comm->watch, "gives its part of the sum to all");
    const dho_status status =
        comm->sum.halves ? spread_by_halves(comm, data, count) : exchange_totals(comm, data, count);
    comm_watch_leave(&comm->watch);
    return status;
}

dho_comm_range comm_mpi_own_range(const dho_comm *base, size_t count)
{
    range held[MAX_LEVELS + 1];
    if (base->size == 1) return (range){0, count};
    if (!((const mpi_comm *)base)->sum.halves) return range_of(count, base->size, base->rank);
    return held[hold_halves(base, count, held)];
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
    return dho_alloc(&s->pieces, (s->halves ? PIECES : total) * s->piece, sizeof *s->pieces,
                     "communicator");
}

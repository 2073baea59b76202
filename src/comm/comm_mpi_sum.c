/* The tree sum over MPI. */
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

/* --- floats on their way, as they are or in bf16 -----------------------------------------------*/

/* packed_in: where bf16 arrives; the caller unpacks it. */
static dho_status receive_floats(mpi_comm *comm, bool packed, uint16_t *packed_in, float *into,
                                 size_t count, int from, MPI_Request *out)
{
    TRY_MPI(comm, MPI_Irecv, packed ? (void *)packed_in : into, (int)count,
            packed ? MPI_UINT16_T : MPI_FLOAT, from, COMM_TAG_SUM, comm->handle, out);
    return DHO_OK;
}

/* packed_out: where bf16 lies until it has left. */
static dho_status send_floats(mpi_comm *comm, bool packed, uint16_t *packed_out, const float *x,
                              size_t count, int to, MPI_Request *out)
{
    if (packed) dho_pack_floats(x, count, packed_out);
    TRY_MPI(comm, MPI_Isend, packed ? (const void *)packed_out : x, (int)count,
            packed ? MPI_UINT16_T : MPI_FLOAT, to, COMM_TAG_SUM, comm->handle, out);
    return DHO_OK;
}

/* --- 2^k ranks with one sum each ---------------------------------------------------------------*/

/* What two ranks give each other. */
typedef struct hop {
    int partner;
    const float *give;
    size_t give_count;
    float *take; /* where what arrives goes; the two do not overlap */
    size_t take_count;
    size_t at;                    /* the element that take[0] is */
    bool add;                     /* it is added to what is there */
    bool packed;                  /* bf16 travels */
    const dho_rounding *rounding; /* of what is added */
} hop;

/* One piece on its way in both directions. */
typedef struct transfer {
    MPI_Request requests[2];
    size_t begin, count; /* what arrives, in floats */
} transfer;

/* What arrives as it is goes where it belongs; what is added or unpacked, into the piece's slot. */
static dho_status start_transfer(mpi_comm *comm, const hop *h, transfer *out, size_t piece)
{
    const comm_sum *s = &comm->sum;
    const size_t begin = piece * PIECE_FLOATS, slot = piece % PIECES * PIECE_FLOATS;
    const size_t take =
        begin < h->take_count ? comm_smaller(h->take_count - begin, PIECE_FLOATS) : 0;
    const size_t send =
        begin < h->give_count ? comm_smaller(h->give_count - begin, PIECE_FLOATS) : 0;
    *out = (transfer){{MPI_REQUEST_NULL, MPI_REQUEST_NULL}, begin, take};
    float *into = h->add ? s->pieces + slot : h->take + begin;
    if (take > 0)
        DHO_TRY(receive_floats(comm, h->packed, s->packed_in + slot, into, take, h->partner,
                               &out->requests[0]));
    if (send > 0)
        DHO_TRY(send_floats(comm, h->packed, s->packed_out + slot, h->give + begin, send,
                            h->partner, &out->requests[1]));
    return DHO_OK;
}

static void take_piece(const comm_sum *s, const hop *h, const transfer *here, size_t piece)
{
    const size_t slot = piece % PIECES * PIECE_FLOATS;
    float *into = h->add ? s->pieces + slot : h->take + here->begin;
    if (h->packed) dho_unpack_floats(s->packed_in + slot, here->count, into);
    if (h->add)
        dho_add_floats(h->rounding, h->at + here->begin, h->take + here->begin, into, here->count);
}

static dho_status exchange(mpi_comm *comm, const hop *h)
{
    const size_t longest = h->give_count > h->take_count ? h->give_count : h->take_count;
    const size_t pieces = (longest + PIECE_FLOATS - 1) / PIECE_FLOATS;
    transfer transfers[PIECES];
    for (size_t piece = 0; piece < pieces && piece < PIECES; piece++)
        DHO_TRY(start_transfer(comm, h, &transfers[piece], piece));
    for (size_t piece = 0; piece < pieces; piece++) {
        transfer *here = &transfers[piece % PIECES];
        DHO_TRY(comm_watch_wait(&comm->watch, 2, here->requests));
        if (here->count > 0) take_piece(&comm->sum, h, here, piece);
        if (piece + PIECES < pieces) DHO_TRY(start_transfer(comm, h, here, piece + PIECES));
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
static dho_status scatter_by_halves(mpi_comm *comm, float *data, size_t count, size_t at,
                                    const dho_rounding *rounding)
{
    range held[MAX_LEVELS + 1];
    const int levels = hold_halves(&comm->base, count, held);
    for (int level = 0; level < levels; level++) {
        const range keep = held[level + 1], give = other_half(held[level], keep);
        DHO_TRY(exchange(comm, &(hop){.partner = comm->base.rank ^ (1 << level),
                                      .give = data + give.begin,
                                      .give_count = give.end - give.begin,
                                      .take = data + keep.begin,
                                      .take_count = keep.end - keep.begin,
                                      .at = at + keep.begin,
                                      .add = true,
                                      .packed = rounding != NULL,
                                      .rounding = rounding}));
    }
    return DHO_OK;
}

static dho_status spread_by_halves(mpi_comm *comm, float *data, size_t count, bool packed)
{
    range held[MAX_LEVELS + 1];
    for (int level = hold_halves(&comm->base, count, held); level-- > 0;) {
        const range mine = held[level + 1], other = other_half(held[level], mine);
        DHO_TRY(exchange(comm, &(hop){.partner = comm->base.rank ^ (1 << level),
                                      .give = data + mine.begin,
                                      .give_count = mine.end - mine.begin,
                                      .take = data + other.begin,
                                      .take_count = other.end - other.begin,
                                      .packed = packed}));
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
static dho_status exchange_sums(mpi_comm *comm, float *const *sums, size_t count, size_t at,
                                bool packed)
{
    const comm_sum *s = &comm->sum;
    const int size = comm->base.size, rank = comm->base.rank;
    const range mine = piece_of(range_of(count, size, rank), at, s->piece);
    const size_t floats = mine.end - mine.begin;
    int started = 0;
    size_t leaving = 0;
    for (int r = 0; r < size; r++)
        for (int k = s->first[r]; r != rank && k < s->first[r + 1] && floats > 0; k++)
            DHO_TRY(receive_floats(comm, packed, s->packed_in + (size_t)k * s->piece,
                                   s->pieces + (size_t)k * s->piece, floats, r,
                                   &s->requests[started++]));
    for (int i = 1; i < size; i++) { /* each rank begins with another one */
        const int r = (rank + i) % size;
        const range theirs = piece_of(range_of(count, size, r), at, s->piece);
        if (theirs.begin == theirs.end) continue;
        for (int k = 0; k < s->first[rank + 1] - s->first[rank]; k++)
            DHO_TRY(send_floats(comm, packed, s->packed_out + leaving++ * s->piece,
                                sums[k] + theirs.begin, theirs.end - theirs.begin, r,
                                &s->requests[started++]));
    }
    DHO_TRY(comm_watch_wait(&comm->watch, started, s->requests));
    for (int k = 0; packed && k < s->first[size]; k++)
        if (k < s->first[rank] || k >= s->first[rank + 1])
            dho_unpack_floats(s->packed_in + (size_t)k * s->piece, floats,
                              s->pieces + (size_t)k * s->piece);
    return DHO_OK;
}

/* Adds up what has arrived and this rank's own sums, in the tree's order, into sums[0]. at: the
 * element that sums[0][0] is. */
static void add_up(mpi_comm *comm, float *const *sums, range mine, size_t at,
                   const dho_rounding *rounding)
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
            dho_add_floats(rounding, at + mine.begin, s->stack[depth - 2], s->stack[depth - 1],
                           floats);
    }
    if (s->stack[0] != sums[0] + mine.begin)
        memcpy(sums[0] + mine.begin, s->stack[0], floats * sizeof(float));
}

/* One piece of each rank's range, from its owner to all others. */
static dho_status exchange_piece(mpi_comm *comm, float *data, size_t count, range piece,
                                 bool packed)
{
    const comm_sum *s = &comm->sum;
    const int size = comm->base.size, rank = comm->base.rank;
    const size_t most = piece.end - piece.begin;
    const range mine = piece_of(range_of(count, size, rank), piece.begin, most);
    int started = 0;
    if (packed) dho_pack_floats(data + mine.begin, mine.end - mine.begin, s->packed_out);
    for (int i = 1; i < size; i++) {
        const int from = (rank + size - i) % size, to = (rank + i) % size;
        const range theirs = piece_of(range_of(count, size, from), piece.begin, most);
        if (theirs.begin < theirs.end)
            DHO_TRY(receive_floats(comm, packed, s->packed_in + (size_t)from * s->piece,
                                   data + theirs.begin, theirs.end - theirs.begin, from,
                                   &s->requests[started++]));
        if (mine.begin < mine.end)
            TRY_MPI(comm, MPI_Isend, packed ? (void *)s->packed_out : data + mine.begin,
                    (int)(mine.end - mine.begin), packed ? MPI_UINT16_T : MPI_FLOAT, to,
                    COMM_TAG_SUM, comm->handle, &s->requests[started++]);
    }
    DHO_TRY(comm_watch_wait(&comm->watch, started, s->requests));
    for (int r = 0; packed && r < size; r++) {
        const range theirs = piece_of(range_of(count, size, r), piece.begin, most);
        if (r != rank)
            dho_unpack_floats(s->packed_in + (size_t)r * s->piece, theirs.end - theirs.begin,
                              data + theirs.begin);
    }
    return DHO_OK;
}

/* Each rank gives what it owns of sums[0] to all others. */
static dho_status exchange_totals(mpi_comm *comm, float *data, size_t count, bool packed)
{
    const size_t most = packed ? comm->sum.piece : COMM_MAX_MESSAGE / sizeof(float);
    for (size_t at = 0; at < range_of(count, comm->base.size, 0).end; at += most)
        DHO_TRY(exchange_piece(comm, data, count, (range){at, at + most}, packed));
    return DHO_OK;
}

static dho_status scatter_to_owners(mpi_comm *comm, float *const *sums, size_t count, size_t at,
                                    const dho_rounding *rounding)
{
    const int size = comm->base.size;
    for (size_t begin = 0; begin < range_of(count, size, 0).end; begin += comm->sum.piece) {
        const range own = range_of(count, size, comm->base.rank);
        DHO_TRY(exchange_sums(comm, sums, count, begin, rounding != NULL));
        add_up(comm, sums, piece_of(own, begin, comm->sum.piece), at, rounding);
    }
    return DHO_OK;
}

/* --- both --------------------------------------------------------------------------------------*/

static dho_status scatter(mpi_comm *comm, float *const *sums, size_t offset, size_t count,
                          const dho_rounding *rounding)
{
    float *from[DHO_TREE_SUMS];
    const int rank = comm->base.rank;
    if (comm->sum.halves) return scatter_by_halves(comm, sums[0] + offset, count, offset, rounding);
    const int own = comm->sum.first[rank + 1] - comm->sum.first[rank];
    for (int k = 0; k < own; k++) from[k] = sums[k] + offset;
    return scatter_to_owners(comm, from, count, offset, rounding);
}

dho_status comm_mpi_tree_scatter(dho_comm *base, float *const *sums, size_t offset, size_t count,
                                 const dho_rounding *rounding)
{
    mpi_comm *comm = (mpi_comm *)base;
    if (count == 0 || base->size == 1) return DHO_OK;
    comm_watch_enter(&comm->watch, "adds up the gradients");
    const dho_status status = scatter(comm, sums, offset, count, rounding);
    comm_watch_leave(&comm->watch);
    return status;
}

dho_status comm_mpi_spread(dho_comm *base, float *data, size_t count, bool packed)
{
    mpi_comm *comm = (mpi_comm *)base;
    if (count == 0 || base->size == 1) return DHO_OK;
    comm_watch_enter(&comm->watch, "gives its part of the sum to all");
    const dho_status status = comm->sum.halves ? spread_by_halves(comm, data, count, packed)
                                               : exchange_totals(comm, data, count, packed);
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
    dho_free(sum->packed_in);
    dho_free(sum->packed_out);
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
    const size_t slots = s->halves ? PIECES : total;
    const size_t leave = s->halves ? PIECES : (ranks - 1) * (size_t)most;
    DHO_TRY(dho_alloc(&s->pieces, slots * s->piece, sizeof *s->pieces, "communicator"));
    /* The system gives these pages when sums in bf16 first touch them. */
    DHO_TRY(dho_alloc(&s->packed_in, slots * s->piece, sizeof *s->packed_in, "communicator"));
    return dho_alloc(&s->packed_out, leave * s->piece, sizeof *s->packed_out, "communicator");
}

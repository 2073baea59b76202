/* The communicator over MPI, shared by its collectives. Private to src/comm. */
#ifndef DHO_COMM_COMM_MPI_H
#define DHO_COMM_COMM_MPI_H

#include "comm/comm_watch.h"

/* MPI counts are int: longer data goes in pieces of at most 1 GiB. */
#define COMM_MAX_MESSAGE ((size_t)1 << 30)

enum { COMM_TAG_SUM = 1, COMM_TAG_GATHER = 2 };

/* How the sum of a tree goes over the ranks; all zero before dho_comm_set_tree. Owned arrays. */
typedef struct comm_sum {
    int leaves;
    bool halves;   /* each rank has one sum, and there are 2^k ranks: recursive halving */
    int *first;    /* [size + 1]: where in the list of all ranks' sums each rank's begin */
    int *merges;   /* [first[size]]: dho_tree_merges of that list */
    float **stack; /* [first[size]] */
    float *pieces; /* what arrives: [slots][piece], slots: first[size], or a few with halves */
    size_t piece;  /* floats */
    uint16_t *packed_in, *packed_out; /* pieces in bf16, as many as arrive and as leave at once */
    MPI_Request *requests;
} comm_sum;

typedef struct mpi_comm {
    dho_comm base;
    MPI_Comm handle; /* a duplicate of the world's, so that no other traffic can meet ours */
    comm_watch watch;
    bool finalise;   /* this object started MPI */
    comm_sum sum;    /* nothing for one rank */
    uint64_t *sizes; /* owned; one per rank, for gather */
} mpi_comm;

#define TRY_MPI(comm, function, ...)                                                       \
    do {                                                                                   \
        const int code_ = function(__VA_ARGS__);                                           \
        if (code_ != MPI_SUCCESS) return comm_mpi_failed(&(comm)->base, #function, code_); \
    } while (0)

static inline size_t comm_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* See comm_ops. */
dho_status comm_mpi_set_tree(dho_comm *base, int leaves);
dho_comm_range comm_mpi_own_range(const dho_comm *base, size_t count);
dho_status comm_mpi_tree_scatter(dho_comm *base, float *const *sums, size_t offset, size_t count,
                                 const dho_rounding *rounding);
dho_status comm_mpi_spread(dho_comm *base, float *data, size_t count, bool packed);
void comm_mpi_release_sum(comm_sum *sum);

#endif

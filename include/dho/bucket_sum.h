/* The sum of a step's gradients in buckets, while backward goes on: a thread of its own sends each
 * bucket as soon as it is final. One object for all steps. */
#ifndef DHO_BUCKET_SUM_H
#define DHO_BUCKET_SUM_H

#include "dho/comm.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_bucket_sum dho_bucket_sum;

typedef struct dho_bucket_sum_options {
    dho_comm *comm; /* borrowed; its tree is set (dho_comm_set_tree). While a sum runs, from begin
                       to finish, nobody else may communicate */
    float *const *sums; /* borrowed: as dho_comm_tree_sum takes them */
    size_t count;       /* floats of each */
    size_t bucket; /* floats; a bucket begins at a multiple of it behind the first `whole` floats */
    size_t whole;  /* floats at the front: part of the last bucket, and summed for all ranks */
    bool scatter;  /* behind `whole`, each rank gets those ranges only that it owns
                      (dho_comm_tree_scatter of each bucket) */
    int lanes;     /* threads that compute, each on gradients of its own */
    /* Makes `sums` whole from the lanes' gradients, for floats begin .. end - 1 of all. Called for
     * each bucket once, by one thread at a time, when every lane is done with that bucket. */
    void (*merge)(void *context, size_t begin, size_t end);
    void *context;
} dho_bucket_sum_options;

/* What the last sum took. */
typedef struct dho_bucket_sum_times {
    double waited; /* seconds of finish: what the communication cost this rank */
    double hidden; /* seconds that it went on beside the computing */
} dho_bucket_sum_times;

/* *out is owned. With one rank, or an MPI that one thread alone may call (less than
 * MPI_THREAD_SERIALIZED), no thread is started and all is done in finish. Local. Errors:
 * DHO_ERR_MEMORY, also when the thread cannot be started. */
dho_status dho_bucket_sum_create(dho_bucket_sum **out, const dho_bucket_sum_options *options);
void dho_bucket_sum_destroy(dho_bucket_sum **sum);

/* A step begins: nothing is final. rounding: NULL, or of the floats behind `whole`, which are
 * summed in bf16 (dho_comm_tree_sum); copied. */
void dho_bucket_sum_begin(dho_bucket_sum *sum, const dho_rounding *rounding);
/* A lane's gradients from float `from` on are final; `from` falls from call to call. From any
 * thread. Only for a step that cannot fail on this rank any more. */
void dho_bucket_sum_ready(dho_bucket_sum *sum, int lane, size_t from);
/* All the rest is final, too; waits until the total, or this rank's part of it, is in sums[0].
 * Collective. */
dho_status dho_bucket_sum_finish(dho_bucket_sum *sum, dho_bucket_sum_times *out_times);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

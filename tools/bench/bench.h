/* How fast the parts of training are on this machine. Each prints its figures to standard output.
 * For src/cli. */
#ifndef DHO_BENCH_BENCH_H
#define DHO_BENCH_BENCH_H

#include "dho/comm.h"
#include "dho/config.h"

#include <stdbool.h>

typedef struct dho_bench_step_options {
    const char *model, *dtype, *backend; /* as student.model, compute.dtype and compute.backend */
    int labelled, unlabelled, image_size, classes, width, layers;
    int threads;    /* 0: as OMP_NUM_THREADS says */
    int steps;      /* that are timed */
    bool separate;  /* train.forward: separate */
    bool recompute; /* compute.recompute: block */
    bool serve;     /* a step for each line of standard input, instead of a table */
} dho_bench_step_options;

/* One training step of a dual-head student on random images and teacher logits in memory: the
 * seconds of each part, GFLOP/s and their share of the matrix product's peak, peak memory. Local.
 * Errors: DHO_ERR_CONFIG for options that no configuration could have; DHO_ERR_MEMORY. */
dho_status dho_bench_step(const dho_bench_step_options *options);

/* The sum of gradients over all ranks, as a training step has it, of 2^18 floats to `floats`, each
 * `times` times; packed: in bf16. Collective. */
dho_status dho_bench_allreduce(dho_comm *comm, int64_t floats, int times, bool packed);

/* Images a second of the training loader on the configured data set and transform (random crops;
 * all images count as unlabelled), and where the time goes. Local. */
dho_status dho_bench_data(const dho_config *config, double seconds);

#endif

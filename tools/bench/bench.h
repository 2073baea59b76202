/* How fast the parts of training are on this machine. Each prints its figures to standard output.
 * For src/cli. */
#ifndef DHO_BENCH_BENCH_H
#define DHO_BENCH_BENCH_H

#include "base/json.h"
#include "dho/comm.h"
#include "dho/config.h"

#include <stdbool.h>

typedef struct dho_bench_step_options {
    const char *model, *dtype, *backend; /* as student.model, compute.dtype and compute.backend */
    const char *tuning;                  /* as compute.tuning; NULL: the rule */
    int labelled, unlabelled, image_size, classes, width, layers;
    int threads;    /* 0: as OMP_NUM_THREADS says */
    int steps;      /* that are timed */
    bool separate;  /* train.forward: separate */
    bool recompute; /* compute.recompute: block */
    bool serve;     /* a step for each line of standard input, instead of a table */
    bool each;      /* also each layer */
    bool json;
} dho_bench_step_options;

/* One training step of a dual-head student on random images and teacher logits in memory: the
 * seconds of each part; what each operator reaches, the limit of this processor that binds it and
 * how far it is from there; peak memory. Local.
 * Errors: DHO_ERR_CONFIG for options that no configuration could have; DHO_ERR_MEMORY. */
dho_status dho_bench_step(const dho_bench_step_options *options);

typedef struct dho_bench_machine_options {
    int threads;    /* 0: as OMP_NUM_THREADS says */
    double seconds; /* of all measurements together */
    bool json;
} dho_bench_machine_options;

/* What this processor can do at most (bench/limits.h). Local. Errors: DHO_ERR_MEMORY. */
dho_status dho_bench_machine(const dho_bench_machine_options *options);

typedef struct dho_bench_tune_options {
    const char *out; /* the table's file */
    int threads;     /* of a kernel; 0: as a microbatch of the configuration has */
    double seconds;  /* of each kernel of each shape */
} dho_bench_tune_options;

/* Measures every kernel that can do them on the convolutions and linear layers of a run's step, and
 * writes the fastest into a table for compute.tuning (dho/tuning.h). Local. Errors: DHO_ERR_CONFIG,
 * DHO_ERR_MEMORY, DHO_ERR_IO. */
dho_status dho_bench_tune(const dho_config *config, const dho_bench_tune_options *options);

/* Prints it to standard output. Takes over `value`; NULL: there was no memory for it. */
dho_status dho_bench_print_json(json_t *value);

/* The sum of gradients over all ranks, as a training step has it, of 2^18 floats to `floats`, each
 * `times` times; packed: in bf16. Collective. */
dho_status dho_bench_allreduce(dho_comm *comm, int64_t floats, int times, bool packed);

/* Images a second of the training loader on the configured data set and transform (random crops;
 * all images count as unlabelled), and where the time goes. Local. */
dho_status dho_bench_data(const dho_config *config, double seconds);

#endif

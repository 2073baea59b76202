/* Sizes that follow from a configuration, a student and a number of ranks: the trainer takes them,
 * and so does who foretells a run. Private to src and tools. */
#ifndef DHO_TRAIN_RUN_SIZES_H
#define DHO_TRAIN_RUN_SIZES_H

#include "dho/config.h"
#include "dho/student.h"

#include <stddef.h>
#include <stdint.h>

/* Images of a full microbatch: labelled ones, and all. */
typedef struct dho_micro_rows {
    int labelled, all;
} dho_micro_rows;

dho_micro_rows dho_run_rows(const dho_config *config);

/* Lanes that a rank of so many threads has, if it has so many microbatches; and each lane's
 * threads, where there are `lanes` in the end. */
int dho_run_lanes(const dho_config *config, int threads);
int dho_run_lane_threads(const dho_config *config, int threads, int lanes);

/* The gradients' sum leaves in buckets of 16 MiB: long enough that a network's latency does not
 * count, short beside a large model. */
enum { DHO_RUN_BUCKET_FLOATS = 1 << 22 };

/* The student of a run; projection: the width of the teacher's embedding, for methods that use
 * features, else 0. Strings are borrowed from the configuration. */
dho_student_options dho_run_student(const dho_config *config, int classes, int projection);

/* Sets of gradients that a step sums: one, or each loss's own (distill.gradients). */
int dho_run_gradient_sets(const dho_config *config);
/* Floats of a gradient slab: gradients, batch statistics of each pass, and the tail. */
size_t dho_run_slab_floats(const dho_config *config, size_t parameters, size_t buffers, int passes);

/* Bytes of what a rank keeps from step to step. slabs: partial sums that it
 * has room for. owned: parameters whose moments it has (train.shard_optimizer). */
typedef struct dho_run_memory {
    int64_t weights;   /* parameters and running statistics */
    int64_t gradients; /* `slabs` partial sums */
    int64_t optimizer; /* moments */
    int64_t average;   /* train.ema; 0 without */
} dho_run_memory;

dho_run_memory dho_run_memory_of(const dho_config *config, size_t parameters, size_t buffers,
                                 int passes, int slabs, size_t owned);

#endif

/* The time of a step on a number of nodes: arithmetic alone. Private to tools/plan.
 *
 * Symbols: V microbatches a step, N nodes of C cores, R ranks a node, T threads a rank, P = N R
 * ranks; n microbatches of the rank that has most; B bytes of the slab that is summed; w, W bytes a
 * second that a rank, a node moves in its memory.
 *
 * Computing
 *   lanes       L = min(T, n) of k = T / L threads, or as compute.microbatch_threads says
 *   microbatch  m(k) = s + (m1 - s) / k (Amdahl's law). m1: one thread, measured with one core at
 * work and with all; in between by the share of the node's cores that work. s: from what all cores
 * together need for one. On as many threads as were measured: as measured. compute     c = ceil(n /
 * L) m(k) max(1, R T / C) + (n - 1) 3 B / w   (adding moves three slabs) loader      c' = max(c,
 * (min(R T, C) c + d) / C) d: seconds of one core in which a node decodes its images of a step.
 * Cores that are free decode beside the computing; else both share the cores. idle        1 - V /
 * (n P): of all ranks' time, what they wait for the one that has most
 *
 * The sum: scatter (sums go to the owners of ranges), then gather (the total goes to all)
 *   P = 2^p     leaving a node       R (1 - 1/N) B each, in log2 N messages one after the other
 *               between its ranks    (R - 1) B / N each, in log2 R messages
 *   other P     leaving a node       S R B (P - R) / P, then R B (P - R) / P
 *               between its ranks    S R B (R - 1) / P, then R B (R - 1) / P
 *               in P - 1 messages each that are all on their way at one time
 *               S: whole subtrees in a rank's part of the tree, of the rank that has most
 *               comm.dtype: bf16: half of what leaves a node, but for a sharded optimizer's weights
 *   seconds     latencies, of each of ceil(B / b) buckets one after the other
 *               + leaving / bandwidth + (7 scattered + 4 gathered between ranks) / W
 *               7: into shared memory and out of it, 2 each, and the addition, 3
 *   exposed     max(seconds - backward, seconds b / B): buckets of b bytes leave during backward of
 *               the last microbatch. With train.shard_optimizer only the scatter does: the gather,
 *               of weights, comes after the update, and all of it is exposed.
 *
 * The update of F weights with M moments
 *   4 F (4 + 2 M + 3 A) / w: the gradient's norm and the gradient, weights and moments read and
 *   written, the average (A = 1 with train.ema, else 0). With train.shard_optimizer 1 / P of it.
 *
 * A step takes c' + exposed + update. A checkpoint is written beside the steps: what it takes
 * longer than those until the next one is waited for, and the last one is waited for whole. */
#ifndef DHO_PLAN_PLAN_MODEL_H
#define DHO_PLAN_PLAN_MODEL_H

#include <stdbool.h>

/* Measured with `copies` microbatches side by side, each on `threads` threads: seconds of one
 * microbatch, and of its backward; bytes a second that the update of one copy moves. */
typedef struct plan_speed {
    int copies, threads;
    double microbatch, backward, memory;
} plan_speed;

/* What one machine does. */
typedef struct plan_rates {
    int cores;
    plan_speed alone;   /* one copy on one thread */
    plan_speed full;    /* as many copies of one thread as there are cores (or fit into memory) */
    plan_speed whole;   /* one copy on as many threads as there are cores */
    bool drawn;         /* decoded pictures that were drawn for it, not those of the run */
    double decode;      /* seconds of one core an image: read, decode, crop, finish */
    double image_bytes; /* of a file, on average */
    double write;       /* bytes a second that reach the disk of checkpoints; 0: not known */
} plan_rates;

/* What a run has to do. */
typedef struct plan_job {
    int shards;              /* V */
    int rows;                /* images of a microbatch */
    int moments;             /* M */
    bool average;            /* train.ema */
    double weights;          /* W: parameters */
    double slab_bytes;       /* B */
    bool packed;             /* comm.dtype: bf16: half of it is sent */
    double record_bytes;     /* that the teacher's cache has for an image and view; 0: no teacher */
    double steps;            /* of the run */
    double checkpoints;      /* of the run */
    double checkpoint_steps; /* from one to the next; 0: only at the end */
    double checkpoint_bytes;
} plan_job;

/* The nodes and what lies between them. */
typedef struct plan_place {
    int nodes, ranks_per_node, threads, cores; /* threads: of a rank; cores: of a node */
    double latency;                            /* seconds, between nodes */
    double bandwidth;                          /* bytes a second of a node, each direction */
} plan_place;

/* How the trainer divides the work among so many ranks and threads. */
typedef struct plan_share {
    int most;              /* n: microbatches of the rank that has most */
    int lanes;             /* L: microbatches that it computes side by side */
    int lane_threads;      /* k */
    int sums;              /* S: partial sums of a rank, most; 1 where P is a power of two */
    double bucket_bytes;   /* b */
    bool shards_optimizer; /* each rank updates its own part of the weights */
} plan_share;

typedef struct plan_step {
    int ranks;         /* P */
    double compute;    /* c: seconds of all microbatches and their adding */
    double loader;     /* c' - c */
    double sum;        /* seconds of the sum, hidden or not */
    double exposed;    /* of them, those that a rank waits */
    double update;     /* seconds */
    double seconds;    /* of the step */
    double idle;       /* 0 .. 1 */
    double images;     /* a second that a node has to read */
    double read_bytes; /* a second of a node: files and the teacher's records */
    double decode_cores;
    double checkpoint; /* seconds of one; 0: not known */
    double run_seconds;
} plan_step;

plan_step plan_step_of(const plan_job *job, const plan_rates *rates, const plan_place *place,
                       const plan_share *share);

#endif

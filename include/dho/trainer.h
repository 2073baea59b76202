/* Training. Collective: every rank calls with the same configuration. */
#ifndef DHO_TRAINER_H
#define DHO_TRAINER_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Trains as the configuration says, in the folder config->out: checkpoints/, metrics.jsonl,
 * config.yaml, sessions.jsonl (what it ran on). resume: "auto" (from the newest whole checkpoint of
 * the run, if there is one), "never" (an error if the run has checkpoints), or a checkpoint's path.
 * SIGUSR1 or SIGTERM on any rank ends the run at the next step boundary with a checkpoint.
 * Errors (the same on all ranks): DHO_PREEMPTED after such a signal; DHO_ERR_CONFIG for anything
 * that cannot be started; DHO_ERR_IO, DHO_ERR_FORMAT, DHO_ERR_NUMERIC while it runs. */
dho_status dho_train(const dho_config *config, dho_comm *comm, const char *resume);

/* What a run takes, of rank 0 where ranks differ. Sizes are in bytes. */
typedef struct dho_dry_run {
    char length[256]; /* steps, epochs and passes, as the start's line says them */
    int64_t first_step, total_steps;
    int64_t parameters;
    int classes;
    int64_t images, heap;          /* with a class, without one */
    int64_t labelled, held_out;    /* draws of a pass; images that are not trained on */
    int ranks, threads;            /* threads: of a rank */
    int64_t weights, gradients;    /* of a rank: parameters and running statistics; partial sums */
    int64_t optimizer;             /* of a rank: moments */
    int64_t activations;           /* of a rank: the planned arena */
    int64_t average;               /* of a rank: train.ema; 0 without */
    int64_t evaluation;            /* of rank 0: what an evaluation needs; 0: there is none */
    int64_t copies;                /* of rank 0: of the state, for checkpoints being written */
    int64_t rank_bytes, all_bytes; /* the most that rank 0, all ranks together had allocated */
    int64_t memory_left;           /* that rank 0 could have beyond; INT64_MAX: not known */
    int64_t warm_up, timed;        /* steps that were run: before the clock started, and timed */
    double step_seconds;           /* mean of the timed ones; 0: there was no step to run */
    int64_t evaluations;           /* that are left (train.eval_every), without an early end */
    double evaluation_seconds;     /* of one, by a part of its images; 0: there is none left */
    int64_t checkpoint_bytes;      /* of one */
    int64_t checkpoints;           /* that lie on the disk at one time, at most */
    int64_t metrics_bytes;         /* of metrics.jsonl in the end, about */
    int64_t disk_left;             /* INT64_MAX: not known */
} dho_dry_run;

/* Opens the run as dho_train does, with all its checks, goes on from its checkpoint, if there is
 * one, runs a few steps on the real images and forgets them: no file is written, made or removed.
 * The timed steps are at most 20, and end after 10 seconds; an evaluation is timed on two batches
 * of each rank. Collective. Errors: those of dho_train.
 */
dho_status dho_train_dry_run(const dho_config *config, dho_comm *comm, const char *resume,
                             dho_dry_run *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

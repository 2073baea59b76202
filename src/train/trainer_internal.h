/* The trainer's insides, shared by its set-up, its step and its loop. Private to src/train. */
#ifndef DHO_TRAIN_TRAINER_INTERNAL_H
#define DHO_TRAIN_TRAINER_INTERNAL_H

#include "dho/bucket_sum.h"
#include "dho/checkpoint.h"
#include "dho/comm.h"
#include "dho/config.h"
#include "dho/dataset.h"
#include "dho/distill.h"
#include "dho/loader.h"
#include "dho/optim.h"
#include "dho/student.h"
#include "dho/teacher_cache.h"
#include "dho/tuning.h"
#include "eval/set_evaluator.h"
#include "train/checkpoint_writer.h"
#include "train/chunk_sum.h"
#include "train/lanes.h"
#include "train/local_failure.h"
#include "train/owned.h"
#include "train/progress.h"
#include "train/run_length.h"
#include "train/share.h"
#include "train/step_conflict.h"
#include "train/teacher_score.h"

/* The tail of a gradient slab: what is summed over microbatches beside gradients and batch
 * statistics, so that one collective a step carries everything. Metrics first, by their index. */
enum {
    TAIL_STOP = DHO_METRIC_COUNT, /* > 0: a rank got a signal */
    TAIL_FAILURE,                 /* > 0: a rank's local work failed */
    TAIL_TEACHER,                 /* counts of dho_teacher_score: seen, right */
    TAIL_TEACHER_RIGHT,
    TAIL_USED,
    TAIL_FLOATS = (TAIL_USED + DHO_SLAB_LANES - 1) / DHO_SLAB_LANES * DHO_SLAB_LANES
};

typedef struct dho_trainer {
    const dho_config *config; /* borrowed */
    dho_comm *comm;           /* borrowed */
    int rank, ranks;

    dho_dataset dataset;
    dho_id_list labelled, excluded; /* excluded: no unlabelled ones */
    int64_t held_out;               /* labelled images that are not trained on */
    dho_sampler *sampler;
    dho_loader *loader;
    dho_cache *cache;             /* NULL for method ce */
    dho_teacher_head own_head;    /* owned: teacher.head's; all zero without */
    const dho_teacher_head *head; /* own_head or the cache's */
    dho_compute *compute;         /* all threads of the rank; a lane's kernels have fewer */
    dho_tuning *tuning;           /* owned: which kernels the lanes have; NULL: the rule chooses */
    dho_student student;
    dho_lanes lanes;
    dho_class_balance balance;
    dho_transport transport; /* distill.divergence: wkd; all zero without */
    dho_objective objective;
    dho_schedule schedule;

    int shards;                      /* V */
    dho_share share;                 /* which of them this rank computes */
    int micro_labelled, micro_batch; /* rows of a microbatch, at most: labelled, all */
    int passes;                      /* of a microbatch through the student */

    dho_parameter_groups groups; /* what is trained, and how */
    dho_owned owned;             /* what this rank updates of it */
    int gradient_sets;           /* of a slab: 1, or 2 with distill.gradients: pcgrad */
    /* Slabs. parameters: parameter_floats. moment1, moment2: owned.floats. buffers: buffer_floats.
     * partials: share.slots slabs of slab_floats = [tail | batch statistics | gradients], the
     * statistics being those of each pass, [passes][buffer_floats]. Backward ends with the first
     * gradients, so that what is summed last is at the front. Of two sets of gradients the first is
     * the cross-entropy's, the second the teacher's and, once they are joined, the step's. */
    size_t parameter_floats, buffer_floats, slab_floats;
    float *parameters, *buffers, *moment1, *moment2, *partials;
    float *
        *sums; /* owned, [share.sum_count]: the slabs with this rank's sums; the total is in [0] */
    dho_bucket_sum *sum;
    dho_rounding rounding_now;    /* comm.dtype: bf16: this step's */
    const dho_rounding *rounding; /* it, or NULL: gradients are added up in fp32 */
    double *norm_chunks;          /* [parameter_floats / DHO_NORM_CHUNK + 1] */

    dho_step_conflict conflict;
    float *ema_parameters, *ema_buffers; /* train.ema: averages of both; NULL without */

    dho_set_evaluator *evaluator; /* train.eval_every; NULL without */
    dho_model evaluated;          /* what it runs: borrowed parts of the trainer */
    dho_standing standing;        /* its set is the configuration's */

    int64_t step;
    dho_run_length length;
    char *settings;     /* owned: what a continued run must share, as YAML */
    char *teacher;      /* owned: the cache's word about its teacher, and its head; "" without */
    int lock;           /* descriptor of OUT/.lock on rank 0; -1: none */
    bool dry;           /* nothing may be written */
    int skips_in_a_row; /* steps without an update because they were not finite */
    dho_progress progress;
    dho_teacher_score teacher_score;
    dho_checkpoint_writer *writer; /* rank 0 */
} dho_trainer;

/* Where a slab's first set of gradients begins, and the step's own. */
static inline size_t dho_trainer_gradients_begin(const dho_trainer *trainer)
{
    return trainer->slab_floats - (size_t)trainer->gradient_sets * trainer->parameter_floats;
}
static inline size_t dho_trainer_gradient_offset(const dho_trainer *trainer)
{
    return trainer->slab_floats - trainer->parameter_floats;
}

/* Opens everything that the run needs and agrees on it; resume: as dho_train's. Collective. */
dho_status dho_trainer_open(dho_trainer *trainer, const dho_config *config, dho_comm *comm,
                            const char *resume);
void dho_trainer_close(dho_trainer *trainer);
/* The cache and the head that config->teacher names, and the word about them; nothing for method
 * ce. Local. */
dho_status dho_trainer_open_teacher(dho_trainer *trainer);
/* Starts the loader at trainer->step. Collective (agrees). */
dho_status dho_trainer_start_loader(dho_trainer *trainer);

/* Errors: DHO_ERR_CONFIG naming the layer that has one value a channel, and the keys. Local. */
dho_status dho_trainer_check_passes(const dho_trainer *trainer);
dho_status dho_trainer_prepare_passes(const dho_trainer *trainer, dho_executor *executor);

/* The student's parts that each lane has of its own. Local. */
dho_status dho_trainer_open_lanes(dho_trainer *trainer);
/* Of all lanes. */
size_t dho_trainer_activation_bytes(const dho_trainer *trainer);
/* What is worth saying of ranks, threads and microbatches that do not go together. */
void dho_trainer_announce_lanes(const dho_trainer *trainer);

/* Opens what evaluates while training, if anything does. Collective. */
dho_status dho_trainer_open_evaluation(dho_trainer *trainer);
/* Evaluates where an evaluation is due at this step; *inout_stop, that a signal has come, puts it
 * off until the run goes on, and comes out true where one came meanwhile. *inout_log as in
 * dho_trainer_step. *out_best: this step's weights are the best so far. Collective. */
dho_status dho_trainer_evaluate(dho_trainer *trainer, bool *inout_stop,
                                dho_local_failure *inout_log, bool *out_best);
/* Has train.patience run out? */
bool dho_trainer_gives_up(const dho_trainer *trainer);
/* Is nothing left to do: neither a step nor an evaluation that was put off? */
bool dho_trainer_is_over(const dho_trainer *trainer);
/* Continues what a checkpoint says of the evaluations before it, where they were by the same metric
 * on the same set. Takes over `found`. */
void dho_trainer_take_standing(dho_trainer *trainer, dho_standing *found);

/* Takes the lock of the run's folder, until the process ends; a dry run only looks at it. Rank 0.
 * Errors: DHO_ERR_CONFIG when another run has it, DHO_ERR_IO. */
dho_status dho_trainer_lock(dho_trainer *trainer);
/* Bytes of a checkpoint. */
int64_t dho_trainer_checkpoint_bytes(const dho_trainer *trainer);
/* Could the folder be made, and written to? *out_left: bytes that are free there. Local. Errors:
 * DHO_ERR_IO naming what is in the way. */
dho_status dho_trainer_look_at_place(const char *folder, int64_t *out_left);
/* Begins to write: log.txt, sessions.jsonl, config.yaml, metrics.jsonl. Does nothing on other ranks
 * than 0. Local. */
dho_status dho_trainer_open_folder(dho_trainer *trainer);

/* Goes on from what `resume` says (dho/trainer.h), or starts at step 0. Collective. */
dho_status dho_trainer_resume(dho_trainer *trainer, const char *resume);
/* Rank 0: starts the thread that writes checkpoints. Local. Errors: DHO_ERR_MEMORY. */
dho_status dho_trainer_open_writer(dho_trainer *trainer);
/* Rank 0: says what checkpoints could not be written. *inout_log: that there are too many of them,
 * or that one can never be written. Local. */
void dho_trainer_look_at_writer(dho_trainer *trainer, dho_local_failure *inout_log);
/* Saves a checkpoint: hands a copy to the writer; last: waits until it is written. log: how the log
 * of the step before went. Collective. */
dho_status dho_trainer_save(dho_trainer *trainer, const dho_local_failure *log, bool last);

/* Adds the lanes' sums up to the rank's, for floats begin .. end - 1 of the slabs
 * (dho/bucket_sum.h). */
void dho_step_merge_lanes(void *trainer, size_t begin, size_t end);

/* One global step: all microbatches, the tree sum, the update, the log. *out_stop: a rank was
 * signalled. *inout_log: how this rank's log went, in the step before (which fails this one on all
 * ranks) and in this one (for the caller's next collective). Collective. */
dho_status dho_trainer_step(dho_trainer *trainer, dho_local_failure *inout_log, bool *out_stop);

#endif

/* Checkpoints: folders RUN/checkpoints/step-00000500 with model.safetensors (weights and running
 * statistics under published names), optimizer.safetensors, with train.ema also ema.safetensors
 * (the average of what is in the first), and state.json (step, what the model is, size and CRC-32
 * of the other files). A folder appears whole (temporary folder, fsync, rename, fsync) or not at
 * all; docs/checkpoint.md. Local: rank 0 writes and reads. */
#ifndef DHO_CHECKPOINT_H
#define DHO_CHECKPOINT_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/status.h"
#include "dho/student.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* What the evaluations of a run have said so far (train.eval_every); all zero before the first. */
typedef struct dho_standing {
    bool due;             /* the evaluation at the checkpoint's step is still to be made */
    dho_keep_best metric; /* by which the best is chosen; NONE: nothing below counts */
    char *set;            /* owned: on which; NULL with NONE */
    int64_t best_step;    /* 0: none yet */
    double best;          /* its value of the metric */
    double reference;     /* train.patience: what the next value must be better than */
    int64_t waited;       /* evaluations since the last that was */
} dho_standing;

/* What state.json says: enough to rebuild the model and to refuse a run that would not continue
 * this one. Strings are owned; dho_checkpoint_info_free. */
typedef struct dho_checkpoint_info {
    int64_t step, total_steps; /* optimiser steps done, and planned */
    dho_method method;
    char model[32];
    int width, layers, image_size, classes; /* layers: of a transformer; 0 for the others */
    dho_head_form head_forms[2];
    double head_scale;
    int head_hidden[2];  /* channels of the heads' hidden layers; 0: none */
    bool outer_bias;     /* read only: of version 1, cosine heads are s W f/|f| + b there */
    bool lacks_dtype;    /* read only: of version 1 or 2, whose settings do not say compute.dtype */
    char **class_names;  /* [classes] */
    char **class_titles; /* [classes]: what people call them (data.class_names); NULL: not told */
    double mean[3], std[3];
    uint64_t dataset_fingerprint;
    uint32_t labelled_crc; /* of the labelled ids */
    char *teacher;         /* the cache's word about its teacher; "" without one */
    char *settings;        /* the keys that decide numbers, as YAML (dho_config_format_keys) */
    dho_standing standing;
    int64_t spike_step; /* at which the loss has jumped, the last time; 0: never */
    bool has_ema;       /* read only: there is an average of the weights, too (train.ema) */
    bool is_ema;        /* read only, by dho_checkpoint_open_model: the average is what was read */
} dho_checkpoint_info;

void dho_checkpoint_info_free(dho_checkpoint_info *info);

/* The numbers of a run: slabs of the student's graph; ema: the average of the first two. NULL:
 * there are none, or they are not wanted. */
typedef struct dho_checkpoint_slabs {
    float *parameters, *buffers, *moment1, *moment2, *ema_parameters, *ema_buffers;
} dho_checkpoint_slabs;

/* Which checkpoints stay when a newer one is written, beside the best and the last one from before
 * info->spike_step. */
typedef struct dho_checkpoint_keep {
    int64_t newest; /* so many, >= 1 */
    int64_t every;  /* and each whose step is a multiple of it; 0: none */
} dho_checkpoint_keep;

/* Writes RUN/checkpoints/step-N, lets RUN/checkpoints/best point at that of info->standing, and
 * then removes the older ones that are not to be kept (a removal that fails is only a warning). The
 * folder is read back before it gets its name. Errors: DHO_ERR_IO (full disk ...), DHO_ERR_NUMERIC
 * for a value that is not finite, DHO_ERR_CONFIG or DHO_ERR_FORMAT for what no resume could read:
 * no folder step-N appears then and older ones stay. */
dho_status dho_checkpoint_save(const char *run_folder, const dho_checkpoint_info *info,
                               const dho_student *student, const dho_checkpoint_slabs *slabs,
                               const dho_checkpoint_keep *keep);

/* Ends what a kill has left half done while a save replaced a checkpoint of the same step: a
 * "step-N.replaced" gets its name step-N again, or goes where the new step-N is there. Only for the
 * program that has the run's lock. Errors: DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_checkpoint_take_back(const char *run_folder);

/* The newest whole checkpoint of a run: sizes and CRCs are checked, damaged ones are passed over
 * with a warning. *out NULL when the run has none at all (DHO_OK). Owned by the caller.
 * Errors: DHO_ERR_FORMAT when there are some and none is whole; whatever keeps one from being read
 * (DHO_ERR_IO, DHO_ERR_MEMORY): never taken for "none". */
dho_status dho_checkpoint_find_newest(const char *run_folder, char **out);

/* Lets RUN/checkpoints/best, a symbolic link, point at step-N; 0: there is no best, the link goes.
 * Only warns where it cannot, or that checkpoint is not there. */
void dho_checkpoint_mark_best(const char *run_folder, int64_t step);

/* The step of a run's best checkpoint, by that link; -1 where there is none. */
int64_t dho_checkpoint_best_step(const char *run_folder);

/* How far a run is by its newest checkpoint, whose tensors are not looked at: the steps it has, and
 * those that were planned; -1 where there is none. Errors: DHO_ERR_IO, DHO_ERR_FORMAT,
 * DHO_ERR_MEMORY. */
dho_status dho_checkpoint_find_steps(const char *run_folder, int64_t *out_step, int64_t *out_total);

/* Which weights of a checkpoint. */
typedef enum dho_checkpoint_weights {
    DHO_CHECKPOINT_AUTO, /* the average where the run keeps one (train.ema), else the last step's */
    DHO_CHECKPOINT_EMA,
    DHO_CHECKPOINT_LAST
} dho_checkpoint_weights;

/* What a user names: RUN [--best] [--weights ema|last]. */
typedef struct dho_checkpoint_choice {
    const char *path; /* borrowed: a checkpoint, or the folder of a run */
    bool best;        /* of a run: its best checkpoint (train.keep_best), not its newest */
    dho_checkpoint_weights weights;
} dho_checkpoint_choice;

/* The checkpoint of a choice: `path` itself or, when it is a run's folder, the newest whole one of
 * that run, or its best; which is said. Owned by the caller.
 * Errors: DHO_ERR_CONFIG when there is none, and all of dho_checkpoint_find_newest's. */
dho_status dho_checkpoint_resolve(const dho_checkpoint_choice *choice, char **out);

/* The same by rank 0 alone: ranks that look while a run saves could differ. Collective. */
dho_status dho_checkpoint_agree(dho_comm *comm, const dho_checkpoint_choice *choice, char **out);

/* The folder of the run that a checkpoint lies in: "RUN" of "RUN/checkpoints/step-N",
 * "RUN/checkpoints/step-N/../.." where the text does not say. Owned by the caller. Errors:
 * DHO_ERR_MEMORY. */
dho_status dho_checkpoint_run(const char *checkpoint, char **out);

/* Renames the checkpoints of a run that are newer than `step` to "step-N.set-aside": those of a run
 * that goes on from `step` are written in their place. */
dho_status dho_checkpoint_set_aside(const char *run_folder, int64_t step);

/* Reads and checks state.json, and the other files' sizes and CRCs.
 * Errors: DHO_ERR_CONFIG (no such folder), DHO_ERR_FORMAT ("file: ..., truncated or damaged"). */
dho_status dho_checkpoint_read_info(const char *path, dho_checkpoint_info *out);
/* The same without the other files: they may be damaged, or not there. */
dho_status dho_checkpoint_read_state(const char *path, dho_checkpoint_info *out);

/* Fills those slabs that are not NULL from a checkpoint of exactly this student, whose state.json
 * said `info`. Of version 1 a cosine head's bias b becomes b/s, and its moments, those of a
 * gradient that is s times as large now, m s and v s^2. */
dho_status dho_checkpoint_load(const char *path, const dho_checkpoint_info *info,
                               const dho_student *student, const dho_checkpoint_slabs *slabs);

/* Rebuilds the model of a chosen checkpoint with its weights and running
 * statistics, to be run, not trained; with expose_features the pooled features can be read, too.
 * *out_info (may be NULL) has everything but the class names, which the model owns. Owned:
 * dho_model_destroy, dho_checkpoint_info_free. Every rank reads; all must find the same numbers
 * (DHO_ERR_CONFIG). A checkpoint that is not whole, or has no average where one is asked for, is
 * DHO_ERR_CONFIG, too: the user has named it. Collective. */
dho_status dho_checkpoint_open_model(dho_comm *comm, const dho_checkpoint_choice *choice,
                                     bool expose_features, dho_model *out,
                                     dho_checkpoint_info *out_info);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

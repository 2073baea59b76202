/* The run that is planned: its images, its student, its sizes, by the functions that the trainer
 * uses. Private to tools/plan. */
#ifndef DHO_PLAN_PLAN_RUN_H
#define DHO_PLAN_PLAN_RUN_H

#include "dho/dataset.h"
#include "dho/student.h"
#include "dho/teacher_cache.h"
#include "dho/tuning.h"
#include "plan/plan.h"
#include "plan/plan_model.h"
#include "train/run_length.h"
#include "train/run_sizes.h"

typedef struct plan_run {
    const dho_config *config; /* borrowed */
    dho_dataset dataset;      /* owned; empty when the images were only told */
    int64_t images;
    int classes;
    dho_run_length length;
    bool has_teacher, cache_is_there; /* no cache there: the spec is one that could be built */
    dho_cache_spec cache;
    dho_student student; /* owned */
    dho_micro_rows rows;
    int passes;          /* of a microbatch through the student */
    int largest;         /* rows of the largest pass */
    int64_t arena_bytes; /* of an executor, with all that it has allocated */
    int64_t input_bytes; /* of an image, as the executor reads it */
    char backend[16];    /* whose kernels compute */
    dho_tuning *tuning;  /* owned: compute.tuning; NULL: the rule chooses */
} plan_run;

/* *out is owned (plan_run_free), also on error. Local. Errors: DHO_ERR_CONFIG for images that are
 * neither there nor told; those of opening data and student. */
dho_status plan_run_open(plan_run *out, const dho_config *config, const dho_plan_data *told);
void plan_run_free(plan_run *run);

plan_job plan_run_job(const plan_run *run);

/* How the trainer would divide the work; *out_slabs: partial sums that a rank has room for, most.
 * P <= V. Errors: DHO_ERR_MEMORY. */
dho_status plan_run_share(const plan_run *run, const plan_place *place, plan_share *out,
                          int *out_slabs);

/* Bytes of rank 0, which has copies for checkpoints beside what every rank has. */
double plan_run_rank_bytes(const plan_run *run, const plan_share *share, int slabs, int ranks);

/* Bytes of the whole cache; 0 without a teacher. */
double plan_run_cache_bytes(const plan_run *run);

/* Both are owned, also on error. */
dho_status plan_run_create_executor(const plan_run *run, int threads, dho_compute **out_compute,
                                    dho_executor **out_executor);

#endif

/* Looking at a run's data before a job is queued. */
#ifndef DHO_DATA_CHECK_H
#define DHO_DATA_CHECK_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/status.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dho_data_check_options {
    bool decode;  /* decode every image; else open it and look at its first bytes */
    bool classes; /* print the count of each class */
} dho_data_check_options;

typedef struct dho_data_check_result {
    int64_t problems;     /* the same on all ranks, as all here */
    int64_t count;        /* images of the training set; 0: it cannot be opened, or there is none */
    uint64_t fingerprint; /* of the training set */
} dho_data_check_result;

/* Looks at the training set and every set of eval.sets: opens it, compares its classes with
 * class_file and with the training set's, reads every image (rank r those with id mod P == r),
 * draws the labelled subset. Rank 0 prints a report to standard output. A broken set is a problem,
 * not an error. Collective. Errors: DHO_ERR_MEMORY, DHO_ERR_COMM. */
dho_status dho_data_check(const dho_config *config, dho_comm *comm,
                          const dho_data_check_options *options, dho_data_check_result *out);

#ifdef __cplusplus
}
#endif

#endif

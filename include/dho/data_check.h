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
#pragma GCC visibility push(default)

typedef struct dho_data_check_options {
    bool decode;  /* decode every image; else open it and look at its first bytes */
    bool classes; /* count the images of each class */
} dho_data_check_options;

typedef enum dho_finding_kind {
    DHO_FINDING_SET,     /* the findings of a set begin: its name, place and counts */
    DHO_FINDING_NOTE,    /* of the set */
    DHO_FINDING_PROBLEM, /* of the set */
    DHO_FINDING_EXAMPLE  /* of the finding before: a file, a class */
} dho_finding_kind;

typedef struct dho_finding {
    dho_finding_kind kind;
    char *text; /* owned */
} dho_finding;

typedef struct dho_data_findings {
    dho_finding *list;    /* owned, [listed], in the order of the sets; rank 0's, elsewhere NULL */
    size_t listed, room;  /* room: of the list */
    int64_t problems;     /* the same on all ranks, as all below */
    int64_t count;        /* training images; 0: they cannot be opened, or there are none */
    uint64_t fingerprint; /* of the training set */
} dho_data_findings;

/* Looks at the training set and every set of eval.sets: opens it, compares its classes with
 * class_file and with the training set's, reads every image (rank r those with id mod P == r),
 * draws the labelled subset. A broken set is a problem, not an error. Free the findings also on
 * failure. Collective. Errors: DHO_ERR_MEMORY, DHO_ERR_COMM. */
dho_status dho_data_check(const dho_config *config, dho_comm *comm,
                          const dho_data_check_options *options, dho_data_findings *out);
void dho_data_findings_free(dho_data_findings *findings);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

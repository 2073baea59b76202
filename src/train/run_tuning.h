/* Which table of kernels a run follows. Its first session takes the one that compute.tuning names
 * and writes it into the run's folder; every later session takes that one, so that the run's bits
 * stay. Private to src/train. */
#ifndef DHO_TRAIN_RUN_TUNING_H
#define DHO_TRAIN_RUN_TUNING_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/tuning.h"

/* Rank 0 reads, all get the same. resume: as dho_train's. *out is owned; NULL: the rule chooses.
 * Collective. Errors: DHO_ERR_CONFIG for a table that cannot be read. */
dho_status dho_run_tuning_open(dho_tuning **out, const dho_config *config, const char *resume,
                               dho_comm *comm);
/* Writes it into the run's folder, or removes an older one there (tuning NULL). Rank 0. */
dho_status dho_run_tuning_write(const dho_tuning *tuning, const char *folder);
/* Says which kernels a run has; nothing where the rule chooses. */
void dho_run_tuning_announce(const dho_tuning *tuning, int threads);

#endif

/* Training. Collective: every rank calls with the same configuration. */
#ifndef DHO_TRAINER_H
#define DHO_TRAINER_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/status.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Trains as the configuration says, in the folder config->out: checkpoints/, metrics.jsonl,
 * config.yaml, sessions.jsonl (what it ran on). resume: "auto" (from the newest whole checkpoint of the run, if there is one),
 * "never" (an error if the run has checkpoints), or a checkpoint's path.
 * SIGUSR1 or SIGTERM on any rank ends the run at the next step boundary with a checkpoint.
 * Errors (the same on all ranks): DHO_PREEMPTED after such a signal; DHO_ERR_CONFIG for anything
 * that cannot be started; DHO_ERR_IO, DHO_ERR_FORMAT, DHO_ERR_NUMERIC while it runs. */
dho_status dho_train(const dho_config *config, dho_comm *comm, const char *resume);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

/* The checkpoints of a run: which there are, and which are removed. Private to src/checkpoint. */
#ifndef DHO_CHECKPOINT_CHECKPOINT_STEPS_H
#define DHO_CHECKPOINT_CHECKPOINT_STEPS_H

#include "dho/checkpoint.h"
#include "dho/file.h"

/* N of "step-N" with nothing behind it, else -1. */
int64_t dho_checkpoint_step_of(const char *name);
/* Names "step-N" of a run, oldest first; other names (temporary, damaged) are left out. */
dho_status dho_checkpoint_list_steps(const char *checkpoints, dho_name_list *out);
/* Removes the older ones that `keep` does not keep; never the best. Failing here loses nothing: a
 * warning. */
void dho_checkpoint_remove_old(const char *run_folder, const char *checkpoints,
                               const dho_checkpoint_info *info, const dho_checkpoint_keep *keep);
/* Lets `best` point at the best one. That of an earlier step may not be there, because it could not
 * be written: then the link stays. */
void dho_checkpoint_link_best(const char *run_folder, const dho_checkpoint_info *info);

#endif

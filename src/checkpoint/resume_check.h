/* May a run go on from a checkpoint? Private to src. */
#ifndef DHO_CHECKPOINT_RESUME_CHECK_H
#define DHO_CHECKPOINT_RESUME_CHECK_H

#include "dho/checkpoint.h"

/* *out (false: nothing differs): what keeps the run `own`, whose configuration is `config`, from
 * going on from a checkpoint: the first key that decides numbers and differs, as "a, now b", the
 * teacher, the images or the labels. A key that the checkpoint does not know, being older, is as
 * its default.
 * Errors: DHO_ERR_CONFIG (settings of a newer version), DHO_ERR_MEMORY. Local. */
dho_status dho_resume_differs(const dho_checkpoint_info *found, const dho_checkpoint_info *own,
                              const dho_config *config, bool *out, char *what, size_t bytes);

#endif

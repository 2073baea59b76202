/* TensorBoard's curves of a run: what metrics.jsonl gets, in an event file a session. A curve is no
 * reason to end a run: what cannot be written is said once, and tried again (line_file.h). Rank 0.
 * Private to src/train. */
#ifndef DHO_TRAIN_TENSORBOARD_H
#define DHO_TRAIN_TENSORBOARD_H

#include "base/json.h"
#include "base/line_file.h"
#include "base/text.h"

#include <stdint.h>

/* All zero: nothing is written. */
typedef struct dho_tensorboard {
    dho_line_file file;
    char *path;       /* owned */
    dho_text records; /* owned: of one line */
} dho_tensorboard;

/* Begins RUN/events.out.tfevents.TIME.HOST; what older ones have of steps after `step` no longer
 * counts. */
void dho_tensorboard_open(dho_tensorboard *board, const char *run_folder, int64_t step);
/* Each number of a line of metrics.jsonl, under the names of the objects that it is in. */
void dho_tensorboard_line(dho_tensorboard *board, const json_t *line);
void dho_tensorboard_close(dho_tensorboard *board);

#endif

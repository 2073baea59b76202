/* TensorBoard's event files: records of protocol buffers (event_file.proto). A function appends one
 * record to a growing text, whose status says in the end whether all is well. Private to src. */
#ifndef DHO_BASE_EVENT_FILE_H
#define DHO_BASE_EVENT_FILE_H

#include "base/text.h"

#include <stdint.h>

/* The first record of each file. */
void dho_event_add_version(dho_text *file);
/* What files whose names come before this one's have of `step` and later is not valid. */
void dho_event_add_start(dho_text *file, int64_t step);
/* One number of a curve; tag: "group/name". */
void dho_event_add_scalar(dho_text *file, int64_t step, const char *tag, double value);

#endif

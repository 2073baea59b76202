/* The classes that an export is for. Private to src/eval. */
#ifndef DHO_EVAL_EXPORT_MASK_H
#define DHO_EVAL_EXPORT_MASK_H

#include "dho/student.h"

#include <stdbool.h>

/* out[student.classes]: is the class named in the file, one name a line (blank lines and lines that
 * start with # are passed over)? Owned by the caller. Errors: DHO_ERR_CONFIG (no such file, a name
 * that is no class, no name), DHO_ERR_IO, DHO_ERR_MEMORY. */
dho_status dho_export_read_mask(const char *path, const dho_model *model, bool **out);

#endif

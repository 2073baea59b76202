/* Is a student of the size that others have, too? Private to src/eval. */
#ifndef DHO_EVAL_EXPORT_SIZE_H
#define DHO_EVAL_EXPORT_SIZE_H

#include "dho/student.h"

/* Has the student the published width and depth? Errors: DHO_ERR_MEMORY. */
dho_status dho_export_is_published(const dho_student *student, bool *out);

/* Warns where it has not: who can load `path`, a safetensors file. Errors: DHO_ERR_MEMORY. */
dho_status dho_export_tell_size(const char *path, const dho_student *student);

#endif

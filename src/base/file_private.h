/* Private to src/base. What file.c, file_read.c and atomic_file.c share. */
#ifndef DHO_BASE_FILE_PRIVATE_H
#define DHO_BASE_FILE_PRIVATE_H

#include "dho/status.h"

#include <errno.h>
#include <string.h>

/* "PATH: cannot ACTION: " and errno's text. */
static inline dho_status dho_io_error(const char *path, const char *action)
{
    return dho_fail(DHO_ERR_IO, "%s: cannot %s: %s", path, action, strerror(errno));
}

/* dho_sync_folder of the folder that a path is in. */
dho_status dho_sync_parent(const char *path);

#endif

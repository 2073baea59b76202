/* A file that grows by whole lines, and whose faults end no run. Private to src. */
#ifndef DHO_BASE_LINE_FILE_H
#define DHO_BASE_LINE_FILE_H

#include "base/text.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines that cannot be written wait in memory, up to 1 MiB, and go before the next one; further
 * ones are lost, and counted. After a failed write the file ends with its last whole line. */
typedef struct dho_line_file {
    bool open;       /* all zero: there is no file */
    int descriptor;  /* owned */
    bool torn;       /* the file that was opened ends within a line */
    bool broken;     /* the last write failed */
    int error;       /* then: errno's number */
    dho_text wait;   /* lines that are still to be written */
    int64_t waiting; /* of them */
    int64_t lost;    /* lines that were dropped in this outage */
} dho_line_file;

/* What an addition changed, for dho_line_file_tell. */
typedef enum dho_line_change { DHO_LINE_SAME, DHO_LINE_BROKEN, DHO_LINE_MENDED } dho_line_change;

/* Opens for appending; made when it is not there. Errors: DHO_ERR_IO (then there is no file). */
dho_status dho_line_file_open(dho_line_file *out, const char *path);
/* Adds a line, its end included (or a record of a binary file). 0 bytes: only tries what waits. */
dho_line_change dho_line_file_add(dho_line_file *file, const void *line, size_t bytes);
/* Says it on the log, where something has changed. */
void dho_line_file_tell(const dho_line_file *file, dho_line_change change, const char *path);
/* Tries once more what waits. Returns how many lines are lost. May be called twice. */
int64_t dho_line_file_close(dho_line_file *file);

#endif

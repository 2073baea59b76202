/* What lies at a path, for messages. Private to src/base. */
#ifndef DHO_BASE_FILE_KIND_H
#define DHO_BASE_FILE_KIND_H

#include <sys/stat.h>

/* "a folder", "a pipe (FIFO)", ... */
const char *dho_file_kind(mode_t mode);

#endif

/* What a file is that is no weights. Private to src/weights. */
#ifndef DHO_WEIGHTS_FILE_KIND_H
#define DHO_WEIGHTS_FILE_KIND_H

#include <stddef.h>
#include <stdint.h>

/* "is a git LFS pointer, not the file itself: run git lfs pull"; NULL: nothing is known about a file
 * that begins so. */
const char *dho_file_kind(const uint8_t *bytes, size_t size);

#endif

/* What a file is that is no weights. Private to src/weights. */
#ifndef DHO_WEIGHTS_WRONG_FILE_H
#define DHO_WEIGHTS_WRONG_FILE_H

#include <stddef.h>
#include <stdint.h>

/* "is a git LFS pointer, not the file itself: run git lfs pull"; NULL: nothing is known about a
 * file that begins so. */
const char *dho_weights_look_wrong(const uint8_t *bytes, size_t size);

#endif

/* The zip archive of a PyTorch checkpoint, over memory. Private to src/weights. */
#ifndef DHO_WEIGHTS_TORCH_PT_ARCHIVE_H
#define DHO_WEIGHTS_TORCH_PT_ARCHIVE_H

#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pt_entry {
    char *name;          /* owned; behind the archive's folder: "data.pkl", "data/0" */
    const uint8_t *data; /* borrowed from the file */
    size_t size;
    uint32_t crc;
    bool compressed; /* cannot be had; data is NULL */
    bool checked;    /* the CRC was found right */
} pt_entry;

typedef struct pt_archive {
    const char *file;  /* borrowed, for messages */
    pt_entry *entries; /* owned, by name */
    size_t count, capacity;
} pt_archive;

/* Lists the entries. They lie inside the file, and their sizes add up to no more than it has.
 * Errors: DHO_ERR_FORMAT naming the entry. */
dho_status pt_archive_open(pt_archive *out, const uint8_t *bytes, size_t size, const char *file);
void pt_archive_close(pt_archive *archive);

/* Finds an entry and checks its CRC-32 the first time. *out NULL when there is none.
 * Errors: DHO_ERR_FORMAT for a wrong CRC, or when it is compressed. */
dho_status pt_archive_find(pt_archive *archive, const char *name, const pt_entry **out);

#endif

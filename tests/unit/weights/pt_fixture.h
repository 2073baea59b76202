/* A zip archive in memory, of stored entries in the folder "a/": for tests that need pickles no
 * PyTorch would write, and for the fuzzer. */
#ifndef DHO_TESTS_PT_FIXTURE_H
#define DHO_TESTS_PT_FIXTURE_H

#include "dho/file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct pt_zip {
    uint8_t *bytes; /* malloc-ed, for the sanitizers to see its end */
    size_t size, directory_size;
    uint8_t directory[4096];
    unsigned entries;
} pt_zip;

static inline uint8_t *pt_zip_put(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

/* What a local header and the directory have in common: version needed ... name length. */
static inline uint8_t *pt_zip_common(uint8_t *at, const void *data, size_t size, size_t name_bytes)
{
    at = pt_zip_put(at, 20, 2);
    at = pt_zip_put(at, 0, 2 + 2 + 2 + 2); /* flags, stored, time, date */
    at = pt_zip_put(at, dho_crc32(0, data, size), 4);
    at = pt_zip_put(at, size, 4);
    at = pt_zip_put(at, size, 4);
    at = pt_zip_put(at, name_bytes, 2);
    return pt_zip_put(at, 0, 2); /* extra */
}

static inline void pt_zip_add(pt_zip *zip, const char *name, const void *data, size_t size)
{
    char full[64] = "a/";
    strncat(full, name, sizeof full - 3);
    const size_t length = strlen(full), offset = zip->size;
    zip->bytes = realloc(zip->bytes, zip->size + 30 + length + size);
    uint8_t *at = pt_zip_put(zip->bytes + zip->size, 0x04034b50, 4);
    at = pt_zip_common(at, data, size, length);
    memcpy(at, full, length);
    if (size > 0) memcpy(at + length, data, size);
    zip->size += 30 + length + size;

    at = pt_zip_put(zip->directory + zip->directory_size, 0x02014b50, 4);
    at = pt_zip_put(at, 20, 2);
    at = pt_zip_common(at, data, size, length);
    at = pt_zip_put(at, 0, 2 + 2 + 2);
    at = pt_zip_put(at, 0, 4);
    at = pt_zip_put(at, offset, 4);
    memcpy(at, full, length);
    zip->directory_size += 46 + length;
    zip->entries++;
}

static inline void pt_zip_finish(pt_zip *zip)
{
    zip->bytes = realloc(zip->bytes, zip->size + zip->directory_size + 22);
    memcpy(zip->bytes + zip->size, zip->directory, zip->directory_size);
    uint8_t *at = pt_zip_put(zip->bytes + zip->size + zip->directory_size, 0x06054b50, 4);
    at = pt_zip_put(at, 0, 4);
    at = pt_zip_put(at, zip->entries, 2);
    at = pt_zip_put(at, zip->entries, 2);
    at = pt_zip_put(at, zip->directory_size, 4);
    at = pt_zip_put(at, zip->size, 4);
    pt_zip_put(at, 0, 2);
    zip->size += zip->directory_size + 22;
}

#endif

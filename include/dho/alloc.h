/* The one allocator: 64-byte aligned, overflow-checked, counted, with fault injection for tests.
 *
 * Every function is thread-safe. Blocks from here are released with dho_free only. */
#ifndef DHO_ALLOC_H
#define DHO_ALLOC_H

#include "dho/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Allocates count * size bytes, uninitialised, into *out. count or size 0 gives a valid block.
 * Errors: DHO_ERR_MEMORY, naming `what` and the size ("activations: cannot allocate 12 GiB");
 * *out is then NULL. */
dho_status dho_alloc(void *out, size_t count, size_t size, const char *what);

/* The same, filled with zero bytes. */
dho_status dho_alloc_zero(void *out, size_t count, size_t size, const char *what);

/* Grows or shrinks *inout (NULL allowed) keeping the content; on failure *inout is untouched. */
dho_status dho_realloc(void *inout, size_t count, size_t size, const char *what);

/* Room for one more element in *inout, an array of `count` elements (NULL: none yet) that has room
 * for *inout_capacity: it doubles when it is full, and begins with 64. */
dho_status dho_grow(void *inout, size_t count, size_t *inout_capacity, size_t size,
                    const char *what);

/* A copy of a string (NULL gives NULL) or of its first `length` bytes, NUL-terminated. */
dho_status dho_strdup(char **out, const char *text);
dho_status dho_strndup(char **out, const char *text, size_t length);

/* "format" into a fresh string. */
dho_status dho_asprintf(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Releases a block; NULL does nothing. */
void dho_free(void *block);

typedef struct dho_alloc_stats {
    int64_t live_blocks; /* allocated and not yet freed */
    int64_t live_bytes;
    int64_t peak_bytes; /* the most that was live at one time */
    int64_t calls;      /* allocations asked for so far */
} dho_alloc_stats;

dho_alloc_stats dho_alloc_get_stats(void);

/* Tests only: the n-th allocation from now (1 = the next) fails, once; 0 switches it off. */
void dho_alloc_fail_at(int64_t n);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

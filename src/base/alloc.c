#define _GNU_SOURCE
#include "dho/alloc.h"

#include "base/machine.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A header of one alignment unit in front of each block keeps its size. */
enum { ALIGNMENT = 64 };

static atomic_int_fast64_t live_blocks, live_bytes, peak_bytes, calls, fail_countdown;

enum { HUGE_BYTES = 4 << 20, CHECKED_BYTES = 64 << 20 };

/* Large blocks on huge pages, where the system has them on request: kernels that walk through many
 * rows at once would miss in the TLB. */
static void advise(void *base, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)base + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)base + bytes) / page * page;
    if (end > begin)
        (void)madvise((char *)base + (begin - (uintptr_t)base), end - begin, MADV_HUGEPAGE);
}

static void *raw_allocate(size_t bytes)
{
    atomic_fetch_add(&calls, 1);
    if (atomic_load(&fail_countdown) > 0 && atomic_fetch_sub(&fail_countdown, 1) == 1) return NULL;
    if (bytes > SIZE_MAX / 2) return NULL;
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *base = aligned_alloc(ALIGNMENT, rounded + ALIGNMENT);
    if (base == NULL) return NULL;
    if (bytes >= HUGE_BYTES) advise(base, rounded + ALIGNMENT);
    memcpy(base, &bytes, sizeof bytes);
    atomic_fetch_add(&live_blocks, 1);
    const int64_t now = atomic_fetch_add(&live_bytes, (int64_t)bytes) + (int64_t)bytes;
    int_fast64_t peak = atomic_load(&peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, now)) {
    }
    return base + ALIGNMENT;
}

static size_t block_size(const void *block)
{
    size_t bytes;
    memcpy(&bytes, (const char *)block - ALIGNMENT, sizeof bytes);
    return bytes;
}

static dho_status out_of_memory(const char *what, size_t count, size_t size)
{
    const double bytes = (double)count * (double)size;
    if (bytes < 0x1p20)
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot allocate %.0f bytes", what, bytes);
    return dho_fail(DHO_ERR_MEMORY, "%s: cannot allocate %.1f %s", what,
                    bytes / (bytes < 0x1p30 ? 0x1p20 : 0x1p30), bytes < 0x1p30 ? "MiB" : "GiB");
}

/* The system would give the addresses, and kill a process when they are used. */
static dho_status check_left(size_t bytes, const char *what)
{
    if (bytes < CHECKED_BYTES || bytes > INT64_MAX) return DHO_OK;
    const int64_t left = dho_machine_memory("");
    if ((int64_t)bytes <= left) return DHO_OK;
    return dho_fail(DHO_ERR_MEMORY, "%s: cannot allocate %.1f GiB: this process can have %.1f GiB",
                    what, (double)bytes / 0x1p30, (double)left / 0x1p30);
}

dho_status dho_alloc(void *out, size_t count, size_t size, const char *what)
{
    size_t bytes;
    void *block = NULL;
    memcpy(out, &block, sizeof block);
    if (!__builtin_mul_overflow(count, size, &bytes)) {
        DHO_TRY(check_left(bytes, what));
        block = raw_allocate(bytes);
    }
    memcpy(out, &block, sizeof block);
    return block != NULL ? DHO_OK : out_of_memory(what, count, size);
}

dho_status dho_alloc_zero(void *out, size_t count, size_t size, const char *what)
{
    DHO_TRY(dho_alloc(out, count, size, what));
    void *block;
    memcpy(&block, out, sizeof block);
    memset(block, 0, count * size);
    return DHO_OK;
}

dho_status dho_realloc(void *inout, size_t count, size_t size, const char *what)
{
    void *old, *fresh;
    memcpy(&old, inout, sizeof old);
    DHO_TRY(dho_alloc(&fresh, count, size, what));
    if (old != NULL) {
        const size_t before = block_size(old), after = count * size;
        memcpy(fresh, old, before < after ? before : after);
        dho_free(old);
    }
    memcpy(inout, &fresh, sizeof fresh);
    return DHO_OK;
}

dho_status dho_grow(void *inout, size_t count, size_t *inout_capacity, size_t size,
                    const char *what)
{
    if (count < *inout_capacity) return DHO_OK;
    const size_t capacity = count == 0 ? 64 : 2 * count;
    DHO_TRY(dho_realloc(inout, capacity, size, what));
    *inout_capacity = capacity;
    return DHO_OK;
}

dho_status dho_strndup(char **out, const char *text, size_t length)
{
    DHO_TRY(dho_alloc(out, length + 1, 1, "string"));
    memcpy(*out, text, length);
    (*out)[length] = '\0';
    return DHO_OK;
}

dho_status dho_strdup(char **out, const char *text)
{
    *out = NULL;
    return text != NULL ? dho_strndup(out, text, strlen(text)) : DHO_OK;
}

dho_status dho_asprintf(char **out, const char *format, ...)
{
    *out = NULL;
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) return dho_fail(DHO_ERR_INTERNAL, "cannot format a string");
    DHO_TRY(dho_alloc(out, (size_t)length + 1, 1, "string"));
    va_start(arguments, format);
    vsnprintf(*out, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return DHO_OK;
}

void dho_free(void *block)
{
    if (block == NULL) return;
    atomic_fetch_sub(&live_blocks, 1);
    atomic_fetch_sub(&live_bytes, (int64_t)block_size(block));
    free((char *)block - ALIGNMENT);
}

dho_alloc_stats dho_alloc_get_stats(void)
{
    return (dho_alloc_stats){.live_blocks = atomic_load(&live_blocks),
                             .live_bytes = atomic_load(&live_bytes),
                             .peak_bytes = atomic_load(&peak_bytes),
                             .calls = atomic_load(&calls)};
}

void dho_alloc_fail_at(int64_t n)
{
    atomic_store(&fail_countdown, n);
}

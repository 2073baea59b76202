/* Reading: the one way to open a user's file, whole files, texts, mappings. */
#define _GNU_SOURCE
#include "base/activity.h"
#include "base/file_kind.h"
#include "base/file_private.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const char *dho_file_kind(mode_t mode)
{
    return S_ISREG(mode)    ? "a regular file"
           : S_ISDIR(mode)  ? "a folder"
           : S_ISFIFO(mode) ? "a pipe (FIFO)"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

static dho_status not_regular(const char *path, mode_t mode)
{
    return dho_fail(DHO_ERR_IO, "%s: is %s, not a regular file", path, dho_file_kind(mode));
}

/* Without O_NONBLOCK, open() of a FIFO waits for a writer, for ever. */
static dho_status open_file(int *out, const char *path, uint64_t *out_size)
{
    struct stat info;
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    *out = -1;
    *out_size = 0;
    if (file < 0) {
        const int error = errno; /* of a socket: ENXIO, "No such device or address" */
        if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
            return not_regular(path, info.st_mode);
        errno = error;
        return dho_io_error(path, "open");
    }
    dho_status status = DHO_OK;
    if (fstat(file, &info) != 0)
        status = dho_io_error(path, "stat");
    else if (!S_ISREG(info.st_mode))
        status = not_regular(path, info.st_mode);
    if (status != DHO_OK) {
        close(file);
        return status;
    }
    *out = file;
    *out_size = (uint64_t)info.st_size;
    return DHO_OK;
}

dho_status dho_file_open(int *out, const char *path, uint64_t *out_size)
{
    dho_activity_begin("opens", path, true);
    const dho_status status = open_file(out, path, out_size);
    dho_activity_end();
    return status;
}

dho_status dho_file_append(int *out, const char *path)
{
    struct stat info;
    const int file =
        open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    *out = -1;
    if (file < 0) {
        const int error = errno;
        if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
            return not_regular(path, info.st_mode);
        errno = error;
        return dho_io_error(path, "open");
    }
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(file);
        return not_regular(path, info.st_mode);
    }
    *out = file;
    return DHO_OK;
}

static dho_status read_file(const char *path, size_t max_bytes, uint8_t **inout_data,
                            size_t *inout_capacity, size_t *out_size)
{
    int file;
    uint64_t bytes;
    dho_status status;
    *out_size = 0;
    DHO_TRY(dho_file_open(&file, path, &bytes));
    const size_t expected = (size_t)bytes;
    if (expected > max_bytes) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: %zu bytes, more than the %zu allowed", path,
                          expected, max_bytes);
        goto fail;
    }
    if (*inout_capacity < expected + 1) {
        dho_free(*inout_data);
        *inout_data = NULL;
        *inout_capacity = 0;
        DHO_TRY_GOTO(dho_alloc(inout_data, expected + 1, 1, path));
        *inout_capacity = expected + 1;
    }
    size_t used = 0;
    status = DHO_OK;
    while (used < expected) {
        const ssize_t got = read(file, *inout_data + used, expected - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            status = dho_io_error(path, "read");
            goto fail;
        }
        if (got == 0) break;
        used += (size_t)got;
    }
    (*inout_data)[used] = 0;
    *out_size = used;
fail:
    close(file);
    return status;
}

dho_status dho_file_read(const char *path, size_t max_bytes, uint8_t **inout_data,
                         size_t *inout_capacity, size_t *out_size)
{
    dho_activity_begin("reads", path, true);
    const dho_status status = read_file(path, max_bytes, inout_data, inout_capacity, out_size);
    dho_activity_end();
    return status;
}

size_t dho_text_mark(const void *text, size_t size)
{
    return size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

dho_status dho_file_read_text(const char *path, size_t max_bytes, uint8_t **inout_data,
                              size_t *inout_capacity, size_t *out_size)
{
    DHO_TRY(dho_file_read(path, max_bytes, inout_data, inout_capacity, out_size));
    uint8_t *text = *inout_data;
    if (*out_size >= 2 &&
        ((text[0] == 0xff && text[1] == 0xfe) || (text[0] == 0xfe && text[1] == 0xff)))
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: is UTF-16 text: save it as UTF-8 (iconv -f UTF-16 -t UTF-8)", path);
    const size_t mark = dho_text_mark(text, *out_size);
    *out_size -= mark;
    if (mark > 0) memmove(text, text + mark, *out_size + 1);
    return DHO_OK;
}

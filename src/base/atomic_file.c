#define _GNU_SOURCE
#include "dho/file.h"

#include "base/activity.h"
#include "base/file_kind.h"
#include "base/file_private.h"
#include "base/text.h"
#include "dho/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Direct writes want blocks of a device: in memory, in the file and in length. A buffer that is one
 * huge page is one piece for the device, and not 512 that the system has to find first. */
enum { BUFFER_BYTES = 2 << 20 };

struct dho_atomic_file {
    char *path;
    char *temporary;
    int descriptor;
    dho_status status; /* the first failure; later writes do nothing */
    char message[512];
    uint64_t size;
    uint32_t crc;
    bool direct; /* writes pass by the system's page cache */
    size_t buffered;
    uint8_t *memory; /* owned */
    uint8_t *buffer; /* in memory, [BUFFER_BYTES], at a huge page */
};

/* Where the file system can do it. A copy of 1 GB into the page cache takes a processor that also
 * trains 3 s here, and a direct write 0.3 s; nobody reads these files again soon. */
static void write_directly(dho_atomic_file *file, bool direct)
{
    const int flags = fcntl(file->descriptor, F_GETFL);
    const int wanted = direct ? flags | O_DIRECT : flags & ~O_DIRECT;
    file->direct = fcntl(file->descriptor, F_SETFL, wanted) == 0 && direct;
}

dho_status dho_atomic_file_create(dho_atomic_file **out, const char *path)
{
    dho_status status;
    dho_atomic_file *file;
    struct stat info;
    *out = NULL;
    /* The rename would put a file in the place of /dev/null. */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return dho_fail(DHO_ERR_IO, "%s: cannot write: is %s, not a regular file", path,
                        dho_file_kind(info.st_mode));
    DHO_TRY(dho_alloc_zero(&file, 1, sizeof *file, "atomic file"));
    file->descriptor = -1;
    DHO_TRY_GOTO(dho_strdup(&file->path, path));
    DHO_TRY_GOTO(dho_asprintf(&file->temporary, "%s.tmp.%ld", path, (long)getpid()));
    DHO_TRY_GOTO(dho_alloc(&file->memory, 2 * BUFFER_BYTES, 1, "write buffer"));
    file->buffer = file->memory + (BUFFER_BYTES - (uintptr_t)file->memory % BUFFER_BYTES);
    file->descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file->descriptor < 0) {
        status = dho_io_error(path, "create");
        goto fail;
    }
    write_directly(file, true);
    *out = file;
    return DHO_OK;
fail:
    dho_atomic_file_discard(&file);
    return status;
}

static dho_status write_bytes(dho_atomic_file *file, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t put = write(file->descriptor, data, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EINVAL && file->direct) {
            write_directly(file, false);
            continue;
        }
        if (put < 0) return dho_io_error(file->path, "write");
        data += put;
        bytes -= (size_t)put;
    }
    return DHO_OK;
}

static dho_status write_buffer(dho_atomic_file *file)
{
    dho_activity_begin("writes", file->path, true);
    const dho_status status = write_bytes(file, file->buffer, file->buffered);
    dho_activity_end();
    file->buffered = 0;
    return status;
}

static dho_status keep_failure(dho_atomic_file *file, dho_status status)
{
    if (status != DHO_OK && file->status == DHO_OK) {
        file->status = status;
        snprintf(file->message, sizeof file->message, "%s", dho_error_message());
    }
    return status;
}

dho_status dho_atomic_file_write(dho_atomic_file *file, const void *data, size_t bytes)
{
    if (file->status != DHO_OK) return dho_fail(file->status, "%s", file->message);
    file->size += bytes;
    for (const uint8_t *from = data; bytes > 0;) {
        const size_t room = BUFFER_BYTES - file->buffered, part = bytes < room ? bytes : room;
        memcpy(file->buffer + file->buffered, from, part);
        file->crc = dho_crc32(file->crc, from, part);
        file->buffered += part;
        from += part;
        bytes -= part;
        if (file->buffered < BUFFER_BYTES) continue;
        DHO_TRY(keep_failure(file, write_buffer(file)));
    }
    return DHO_OK;
}

uint64_t dho_atomic_file_size(const dho_atomic_file *file)
{
    return file->size;
}

uint32_t dho_atomic_file_crc(const dho_atomic_file *file)
{
    return file->crc;
}

static dho_status commit(dho_atomic_file **inout)
{
    dho_atomic_file *file = *inout;
    dho_status status;
    if (file->status != DHO_OK) {
        status = dho_fail(file->status, "%s", file->message);
        goto fail;
    }
    write_directly(file, false); /* the end is no whole block */
    DHO_TRY_GOTO(write_buffer(file));
    if (fsync(file->descriptor) != 0) {
        status = dho_io_error(file->path, "fsync");
        goto fail;
    }
    const int closed = close(file->descriptor);
    file->descriptor = -1;
    if (closed != 0) {
        status = dho_io_error(file->path, "close");
        goto fail;
    }
    if (rename(file->temporary, file->path) != 0) {
        status = dho_io_error(file->path, "rename to");
        goto fail;
    }
    dho_free(file->temporary); /* it exists no more: nothing to remove */
    file->temporary = NULL;
    DHO_TRY_GOTO(dho_sync_parent(file->path));
fail:
    dho_atomic_file_discard(inout);
    return status;
}

dho_status dho_atomic_file_commit(dho_atomic_file **inout)
{
    dho_activity_begin("writes", (*inout)->path, true);
    const dho_status status = commit(inout);
    dho_activity_end();
    return status;
}

void dho_atomic_file_discard(dho_atomic_file **inout)
{
    dho_atomic_file *file = *inout;
    if (file == NULL) return;
    if (file->descriptor >= 0) close(file->descriptor);
    if (file->temporary != NULL) unlink(file->temporary);
    dho_free(file->memory);
    dho_free(file->temporary);
    dho_free(file->path);
    dho_free(file);
    *inout = NULL;
}

/* Is it "NAME.tmp." and digits? */
static bool is_left(const char *entry, const char *name)
{
    const char *rest = dho_after(entry, name);
    rest = rest != NULL ? dho_after(rest, ".tmp.") : NULL;
    return rest != NULL && *rest != '\0' && rest[strspn(rest, "0123456789")] == '\0';
}

void dho_atomic_file_remove_left(const char *path)
{
    const char *name = dho_base_name(path);
    char folder[PATH_MAX], *left;
    dho_name_list list;
    snprintf(folder, sizeof folder, "%.*s", (int)(name - path), path);
    if (dho_list_folder(&list, name > path ? folder : ".") != DHO_OK) return;
    for (size_t i = 0; i < list.count; i++) {
        if (!is_left(list.names[i], name) || dho_path_join(&left, folder, list.names[i]) != DHO_OK)
            continue;
        unlink(left);
        dho_free(left);
    }
    dho_name_list_free(&list);
}

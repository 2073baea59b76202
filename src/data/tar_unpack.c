/* Compressed tars: libarchive unpacks them. An image is found by its place in the tar, so the whole
 * tar is unpacked once, by each rank that reads from it, into a file without a name. */
#define _GNU_SOURCE
#include "data/tar_index.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 16 };

/* Not those that would start another program. */
void dho_tar_support_filters(struct archive *archive)
{
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_bzip2(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_filter_lz4(archive);
}

static const char *temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder != NULL && folder[0] != '\0' ? folder : "/tmp";
}

static dho_status create_nameless(int *out, const char *name)
{
    char path[4096];
    const char *folder = temporary_folder();
    *out = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*out >= 0) return DHO_OK;
    snprintf(path, sizeof path, "%s/dho-XXXXXX", folder);
    *out = mkostemp(path, O_CLOEXEC);
    if (*out < 0)
        return dho_fail(DHO_ERR_IO, "%s: cannot be unpacked into %s (TMPDIR): %s", name, folder,
                        strerror(errno));
    unlink(path);
    return DHO_OK;
}

static dho_status copy_unpacked(struct archive *archive, int to, const char *name)
{
    for (;;) {
        const void *block;
        size_t size;
        la_int64_t at;
        const int code = archive_read_data_block(archive, &block, &size, &at);
        if (code == ARCHIVE_EOF) return DHO_OK;
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
            return dho_fail(DHO_ERR_FORMAT, "%s: cannot be unpacked: %s", name,
                            archive_error_string(archive));
        for (size_t done = 0; done < size;) {
            const ssize_t put =
                pwrite(to, (const char *)block + done, size - done, (off_t)at + (off_t)done);
            if (put < 0 && errno == EINTR) continue;
            if (put < 0)
                return dho_fail(DHO_ERR_IO, "%s: cannot be unpacked into %s (TMPDIR): %s", name,
                                temporary_folder(), strerror(errno));
            done += (size_t)put;
        }
    }
}

dho_status dho_tar_unpack(int *out, int from, const char *name)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    int file;
    dho_status status;
    if (archive == NULL) return dho_fail(DHO_ERR_MEMORY, "%s: cannot start to read", name);
    dho_tar_support_filters(archive);
    archive_read_support_format_raw(archive);
    if (archive_read_open_fd(archive, from, READ_BYTES) != ARCHIVE_OK ||
        archive_read_next_header(archive, &entry) != ARCHIVE_OK) {
        status = dho_fail(DHO_ERR_FORMAT, "%s: cannot be unpacked: %s", name,
                          archive_error_string(archive));
        goto fail;
    }
    DHO_TRY_GOTO(create_nameless(&file, name));
    status = copy_unpacked(archive, file, name);
    if (status == DHO_OK)
        *out = file;
    else
        close(file);
fail:
    archive_read_free(archive);
    return status;
}

#define _GNU_SOURCE
#include "base/line_file.h"

#include "dho/file.h"
#include "dho/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { MOST_WAITING = 1 << 20 }; /* bytes */

/* Does it end within a line, of a program that was killed? */
static bool is_torn(int descriptor, off_t size)
{
    char last;
    return size > 0 && pread(descriptor, &last, 1, size - 1) == 1 && last != '\n';
}

dho_status dho_line_file_open(dho_line_file *out, const char *path)
{
    *out = (dho_line_file){0};
    DHO_TRY(dho_file_append(&out->descriptor, path));
    out->open = true;
    out->torn = is_torn(out->descriptor, lseek(out->descriptor, 0, SEEK_END));
    return DHO_OK;
}

/* False after an error: then nothing of it is in the file, or, where that cannot be taken back, the
 * *out_written bytes that were. */
static bool write_whole(dho_line_file *file, const char *bytes, size_t count, size_t *out_written)
{
    const off_t before = lseek(file->descriptor, 0, SEEK_END);
    size_t done = 0;
    *out_written = 0;
    while (done < count) {
        const ssize_t put = write(file->descriptor, bytes + done, count - done);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) break;
        done += (size_t)put;
    }
    *out_written = done;
    if (done == count) return true;
    file->error = errno;
    if (done > 0 && before >= 0 && ftruncate(file->descriptor, before) == 0) *out_written = 0;
    return false;
}

static bool write_waiting(dho_line_file *file)
{
    dho_text *wait = &file->wait;
    size_t written;
    if (wait->used == 0) return true;
    const bool whole = write_whole(file, wait->data, wait->used, &written);
    memmove(wait->data, wait->data + written, wait->used - written);
    wait->used -= written;
    if (whole) file->waiting = 0;
    return whole;
}

static void keep(dho_line_file *file, const char *line, size_t bytes)
{
    file->wait.status = DHO_OK; /* there may be memory again */
    if (bytes <= MOST_WAITING - file->wait.used)
        dho_text_append(&file->wait, line, bytes);
    else
        file->wait.status = DHO_ERR_MEMORY;
    if (file->wait.status == DHO_OK)
        file->waiting++;
    else
        file->lost++;
}

dho_line_change dho_line_file_add(dho_line_file *file, const void *line, size_t bytes)
{
    const bool was_broken = file->broken;
    size_t written = 0;
    if (!file->open) return DHO_LINE_SAME;
    if (file->torn) dho_text_append(&file->wait, "\n", 1);
    file->torn = false;
    if (!file->broken) file->lost = 0; /* those of the outage before are told */
    bool whole = write_waiting(file);
    if (whole) whole = write_whole(file, line, bytes, &written);
    if (!whole && written < bytes) keep(file, (const char *)line + written, bytes - written);
    file->broken = !whole;
    if (file->broken == was_broken) return DHO_LINE_SAME;
    return file->broken ? DHO_LINE_BROKEN : DHO_LINE_MENDED;
}

void dho_line_file_tell(const dho_line_file *file, dho_line_change change, const char *path)
{
    if (change == DHO_LINE_BROKEN)
        dho_warn("%s: cannot write: %s; the run goes on, and tries it again at each line", path,
                 strerror(file->error));
    else if (change == DHO_LINE_MENDED && file->lost > 0)
        dho_warn("%s: is written again; %lld lines are lost", path, (long long)file->lost);
    else if (change == DHO_LINE_MENDED)
        dho_info("%s: is written again; no line is lost", path);
}

int64_t dho_line_file_close(dho_line_file *file)
{
    if (!file->open) return 0;
    if (file->broken) dho_line_file_add(file, "", 0);
    close(file->descriptor);
    const int64_t lost = file->lost + file->waiting;
    dho_text_free(&file->wait);
    *file = (dho_line_file){0};
    return lost;
}

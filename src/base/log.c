#define _GNU_SOURCE
#include "dho/log.h"

#include "base/line_file.h"
#include "base/log_file.h"
#include "base/utf8.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, EARLIER_BYTES = 16384 };

/* Set once before any thread starts; read-only after that. */
static int log_rank = 0;
static int log_ranks = 1;

/* The file that gets the lines as well. `guard` is for what the threads write; the descriptor (-1:
 * none) is also read by a signal handler. */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static dho_line_file file;
static _Atomic int descriptor = -1;
static char earlier[EARLIER_BYTES]; /* lines while there is no file, as many as fit */
static size_t earlier_used;

void dho_log_set_rank(int rank, int ranks)
{
    log_rank = rank;
    log_ranks = ranks;
}

static void write_to_console(const char *line, size_t bytes)
{
    const ssize_t written = write(STDERR_FILENO, line, bytes);
    (void)written; /* nowhere left to report to */
}

static void keep(const char *line, size_t bytes)
{
    if (log_rank != 0) return;
    pthread_mutex_lock(&guard);
    if (atomic_load(&descriptor) < 0 && bytes <= sizeof earlier - earlier_used) {
        memcpy(earlier + earlier_used, line, bytes);
        earlier_used += bytes;
    }
    const dho_line_change change = dho_line_file_add(&file, line, bytes);
    const dho_line_file now = file;
    pthread_mutex_unlock(&guard);
    dho_line_file_tell(&now, change, "log.txt");
}

/* Whatever bytes a file's name has, it writes no control characters to a terminal. */
static size_t format_line(char line[LINE_BYTES], const char *prefix, const char *format,
                          va_list arguments)
{
    char text[LINE_BYTES];
    size_t used = (size_t)snprintf(line, LINE_BYTES, "%s", prefix);
    if (log_ranks > 1 && log_rank > 0)
        used += (size_t)snprintf(line + used, LINE_BYTES - used, "rank %d: ", log_rank);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    dho_utf8_print(text, line + used, LINE_BYTES - used - 1);
    used = strlen(line);
    line[used++] = '\n';
    return used;
}

static void write_line(const char *prefix, const char *format, va_list arguments)
{
    char line[LINE_BYTES];
    const size_t bytes = format_line(line, prefix, format, arguments);
    write_to_console(line, bytes);
    keep(line, bytes);
}

void dho_info(const char *format, ...)
{
    if (log_rank != 0) return;
    va_list arguments;
    va_start(arguments, format);
    write_line("", format, arguments);
    va_end(arguments);
}

void dho_warn_once(const char *format, ...)
{
    if (log_rank != 0) return;
    va_list arguments;
    va_start(arguments, format);
    write_line("dho: warning: ", format, arguments);
    va_end(arguments);
}

void dho_warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line("dho: warning: ", format, arguments);
    va_end(arguments);
}

/* --- the file -----------------------------------------------------------------------------------
 */

void dho_log_file_open(const char *path)
{
    char begin[64];
    struct tm utc;
    dho_line_file opened;
    const time_t now = time(NULL);
    if (log_rank != 0) return;
    dho_log_file_close();
    if (dho_line_file_open(&opened, path) != DHO_OK) {
        dho_warn("%s; the log is not kept", dho_error_message());
        return;
    }
    gmtime_r(&now, &utc);
    const size_t used = strftime(begin, sizeof begin, "--- %Y-%m-%dT%H:%M:%SZ\n", &utc);
    pthread_mutex_lock(&guard);
    file = opened;
    atomic_store(&descriptor, file.descriptor);
    const dho_line_change first = dho_line_file_add(&file, begin, used);
    const dho_line_change then = dho_line_file_add(&file, earlier, earlier_used);
    const dho_line_file after = file;
    earlier_used = 0;
    pthread_mutex_unlock(&guard);
    if (after.broken) dho_line_file_tell(&after, first != DHO_LINE_SAME ? first : then, path);
}

void dho_log_file_close(void)
{
    pthread_mutex_lock(&guard);
    atomic_store(&descriptor, -1);
    const int64_t lost = dho_line_file_close(&file);
    pthread_mutex_unlock(&guard);
    if (lost > 0) dho_warn("log.txt: %lld lines are lost", (long long)lost);
}

void dho_log_file_line(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    keep(line, format_line(line, "", format, arguments));
    va_end(arguments);
}

void dho_log_from_handler(const char *line)
{
    write_to_console(line, strlen(line));
    const int to = atomic_load(&descriptor);
    const ssize_t written = to < 0 ? 0 : write(to, line, strlen(line));
    (void)written;
}

#include "dho/log.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Set once before any thread starts; read-only after that. */
static int log_rank = 0;
static int log_ranks = 1;

void dho_log_set_rank(int rank, int ranks)
{
    log_rank = rank;
    log_ranks = ranks;
}

/* Whatever bytes a file's name has, it writes no control characters to a terminal. */
static void write_line(const char *prefix, const char *format, va_list arguments)
{
    char text[2048], line[2048];
    size_t used = (size_t)snprintf(line, sizeof line, "%s", prefix);
    if (log_ranks > 1 && log_rank > 0)
        used += (size_t)snprintf(line + used, sizeof line - used, "rank %d: ", log_rank);
    if (vsnprintf(text, sizeof text, format, arguments) < 0) text[0] = '\0';
    dho_utf8_print(text, line + used, sizeof line - used - 1);
    used = strlen(line);
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written; /* nowhere left to report to */
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

#include "dho/status.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char thread_message[MESSAGE_BYTES];

dho_status dho_fail(dho_status status, const char *format, ...)
{
    /* Formatted apart first: an argument may be the current message itself. One line, whatever
     * bytes a file's name has. */
    char text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    dho_utf8_print(text, thread_message, sizeof thread_message);
    return status;
}

dho_status dho_fail_prefix(dho_status status, const char *format, ...)
{
    char text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    const int used = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (used >= 0 && used < MESSAGE_BYTES)
        snprintf(text + used, sizeof text - (size_t)used, "%s", thread_message);
    dho_utf8_print(text, thread_message, sizeof thread_message);
    return status;
}

const char *dho_error_message(void)
{
    return thread_message;
}

dho_status dho_input_status(dho_status status)
{
    return status == DHO_ERR_IO || status == DHO_ERR_FORMAT ? DHO_ERR_CONFIG : status;
}

int dho_exit_code(dho_status status)
{
    switch (status) {
    case DHO_OK:
        return 0;
    case DHO_ERR_CONFIG:
        return 2;
    case DHO_PREEMPTED:
        return 75;
    default:
        return 1;
    }
}

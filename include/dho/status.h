/* Status codes and the thread-local error message.
 *
 * Everything that can fail returns a dho_status; the text that says what and where is kept per
 * thread. A message is one line without a trailing newline, and names the file and the offset or
 * the key that is at fault. The library never exits and never prints an error by itself. */
#ifndef DHO_STATUS_H
#define DHO_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef enum dho_status {
    DHO_OK = 0,
    DHO_ERR_CONFIG,   /* the user asked for something that cannot be: exit code 2 */
    DHO_ERR_IO,       /* the operating system refused: open, read, write, rename ...; exit code 1 */
    DHO_ERR_FORMAT,   /* a file's content is not what it claims to be; exit code 1 */
    DHO_ERR_MEMORY,   /* an allocation failed; exit code 1 */
    DHO_ERR_COMM,     /* MPI reported a failure; exit code 1 */
    DHO_ERR_NUMERIC,  /* a loss or a gradient is not finite; exit code 1 */
    DHO_ERR_INTERNAL, /* a bug in dho or an unexpected answer of a library; exit code 1 */
    DHO_PREEMPTED     /* a signal asked to stop and the state is saved; exit code 75 */
} dho_status;

/* Sets the calling thread's message (truncated at 1023 bytes) and returns `status`,
 * so that `return dho_fail(DHO_ERR_IO, "%s: %s", path, strerror(errno));` is one line. */
dho_status dho_fail(dho_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "prefix" in front of the calling thread's message; returns `status` unchanged. */
dho_status dho_fail_prefix(dho_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The calling thread's last message; never NULL. Valid until the thread's next failure. */
const char *dho_error_message(void);

/* For what is opened before the work begins: a file that the user named and that cannot be opened,
 * or is not what it should be, is wrong input. DHO_ERR_IO and DHO_ERR_FORMAT become
 * DHO_ERR_CONFIG, the message stays; other statuses are returned unchanged. */
dho_status dho_input_status(dho_status status);

/* Process exit code for a status: 0, 1, 2 or 75 (EX_TEMPFAIL: run again to go on). */
int dho_exit_code(dho_status status);

/* Forwards a failure to the caller. */
#define DHO_TRY(expression)                                    \
    do {                                                       \
        const dho_status dho_try_status_ = (expression);       \
        if (dho_try_status_ != DHO_OK) return dho_try_status_; \
    } while (0)

/* Forwards a failure to the function's single clean-up label `fail`; needs `dho_status status`. */
#define DHO_TRY_GOTO(expression)         \
    do {                                 \
        status = (expression);           \
        if (status != DHO_OK) goto fail; \
    } while (0)

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

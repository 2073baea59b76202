/* The clock that durations are measured with, and their words. Private to src and tools. */
#ifndef DHO_BASE_CLOCK_H
#define DHO_BASE_CLOCK_H

#include <stddef.h>

/* Seconds since some fixed moment; never goes back. */
double dho_seconds_now(void);

/* The same without what a stop of the process took (SIGSTOP, a job that the batch system suspends):
 * for limits on what may hang. While somebody calls dho_awake_tick, of the time since its last call
 * at most `slack` seconds count; INFINITY: nobody does so from here on, and all time counts.
 * Thread-safe. */
double dho_seconds_awake(void);
void dho_awake_tick(double slack);

/* "3:12", and from an hour on "1:02:03". */
void dho_format_duration(double seconds, char *out, size_t bytes);

#endif

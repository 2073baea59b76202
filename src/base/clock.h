/* The clock that durations are measured with, and their words. Private to src and tools. */
#ifndef DHO_BASE_CLOCK_H
#define DHO_BASE_CLOCK_H

#include <stddef.h>

/* Seconds since some fixed moment; never goes back. */
double dho_seconds_now(void);

/* "3:12", and from an hour on "1:02:03". */
void dho_format_duration(double seconds, char *out, size_t bytes);

#endif

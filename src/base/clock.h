/* The clock that durations are measured with. Private to src and tools. */
#ifndef DHO_BASE_CLOCK_H
#define DHO_BASE_CLOCK_H

/* Seconds since some fixed moment; never goes back. */
double dho_seconds_now(void);

#endif

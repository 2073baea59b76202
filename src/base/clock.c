#define _GNU_SOURCE
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

double dho_seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void dho_format_duration(double seconds, char *out, size_t bytes)
{
    const long long total = llround(seconds);
    if (total >= 3600)
        snprintf(out, bytes, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
    else
        snprintf(out, bytes, "%lld:%02lld", total / 60, total % 60);
}

#define _GNU_SOURCE
#include "base/clock.h"

#include "base/compare.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

double dho_seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static struct {
    pthread_mutex_t lock;
    double tick, awake; /* the last tick's moment on either clock */
    double slack;
} awake_clock = {.lock = PTHREAD_MUTEX_INITIALIZER, .slack = INFINITY};

/* The lock is held. */
static double awake_at(double now)
{
    return awake_clock.awake + dho_smaller(now - awake_clock.tick, awake_clock.slack);
}

double dho_seconds_awake(void)
{
    pthread_mutex_lock(&awake_clock.lock);
    const double awake = awake_at(dho_seconds_now());
    pthread_mutex_unlock(&awake_clock.lock);
    return awake;
}

void dho_awake_tick(double slack)
{
    pthread_mutex_lock(&awake_clock.lock);
    const double now = dho_seconds_now();
    awake_clock.awake = awake_at(now);
    awake_clock.tick = now;
    awake_clock.slack = slack;
    pthread_mutex_unlock(&awake_clock.lock);
}

void dho_format_duration(double seconds, char *out, size_t bytes)
{
    const long long total = llround(seconds);
    if (total >= 3600)
        snprintf(out, bytes, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
    else
        snprintf(out, bytes, "%lld:%02lld", total / 60, total % 60);
}

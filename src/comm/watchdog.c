/* The watchdog's thread: a read that never ends holds its own rank up, and through it all others.
 * The waits for other ranks are comm_watch.c's. */
#define _GNU_SOURCE
#include "comm/comm_private.h"

#include "base/activity.h"
#include "base/clock.h"
#include "base/log_file.h"
#include "base/thread.h"
#include "dho/alloc.h"
#include "dho/log.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double longest_grace = 10;
/* So many pauses late, the thread was not just kept waiting: the process was stopped. */
static const double late_pauses = 4;

typedef struct comm_watchdog {
    pthread_t thread;
    double limit; /* seconds */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool end; /* under the lock */
} comm_watchdog;

double comm_watchdog_grace(double limit)
{
    return limit / 4 < longest_grace ? limit / 4 : longest_grace;
}

/* The process may hang in a call that nothing can end: it leaves without any cleaning up. The
 * launcher ends the other ranks. */
static void end_process(const dho_comm *comm, const char *text, double seconds)
{
    char line[1024];
    snprintf(line, sizeof line,
             "dho: error: rank %d (%s): %.511s, for %.0f s now (train.watchdog)\n", comm->rank,
             comm->host, text, seconds);
    dho_log_from_handler(line);
    _exit(dho_exit_code(DHO_ERR_IO));
}

/* *inout_said: whether it has been said that this rank stands still. */
static void look(const dho_comm *comm, double limit, bool *inout_said)
{
    char text[512];
    double seconds;
    dho_activity_longest(text, sizeof text, &seconds);
    /* Others that wait for this rank name it first. */
    const double last = comm->size == 1 ? limit : limit + 3 * comm_watchdog_grace(limit);
    if (seconds > last) end_process(comm, text, seconds);
    if (seconds <= limit && atomic_load(&comm->waiting) == 0)
        dho_activity_main(text, sizeof text, &seconds);
    const bool still = seconds > limit;
    if (still && !*inout_said) dho_warn("%s: %s, for %.0f s now", comm->host, text, seconds);
    *inout_said = still;
}

static void *watch(void *argument)
{
    dho_comm *comm = argument;
    comm_watchdog *dog = comm->watchdog;
    const double pause = dog->limit / 20 < 1 ? dog->limit / 20 : 1;
    bool said = false;
    pthread_mutex_lock(&dog->lock);
    dho_awake_tick(late_pauses * pause);
    while (!dog->end) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += (long)(1e9 * pause);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&dog->ended, &dog->lock, &until);
        dho_awake_tick(dog->end ? INFINITY : late_pauses * pause);
        if (!dog->end) look(comm, dog->limit, &said);
    }
    pthread_mutex_unlock(&dog->lock);
    return NULL;
}

static void release(comm_watchdog *dog)
{
    pthread_mutex_destroy(&dog->lock);
    pthread_cond_destroy(&dog->ended);
    dho_free(dog);
}

static void stop(dho_comm *comm)
{
    comm_watchdog *dog = comm->watchdog;
    if (dog == NULL) return;
    pthread_mutex_lock(&dog->lock);
    dog->end = true;
    pthread_cond_signal(&dog->ended);
    pthread_mutex_unlock(&dog->lock);
    pthread_join(dog->thread, NULL);
    release(dog);
    comm->watchdog = NULL;
}

dho_status comm_watchdog_set(dho_comm *comm, double seconds)
{
    comm_watchdog *dog;
    stop(comm);
    if (seconds == 0) return DHO_OK;
    DHO_TRY(dho_alloc_zero(&dog, 1, sizeof *dog, "watchdog"));
    dog->limit = seconds;
    pthread_mutex_init(&dog->lock, NULL);
    pthread_cond_init(&dog->ended, NULL);
    comm->watchdog = dog;
    const int error = dho_thread_start(&dog->thread, watch, comm);
    if (error == 0) return DHO_OK;
    comm->watchdog = NULL;
    release(dog);
    return dho_fail(DHO_ERR_MEMORY, "the watchdog's thread: %s", strerror(error));
}

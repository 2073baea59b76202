#define _GNU_SOURCE
#include "bench/team.h"

#include "base/thread.h"
#include "dho/alloc.h"

#include <stdbool.h>
#include <string.h>

/* It opens when it is known whether all are there. */
typedef struct gate {
    pthread_mutex_t mutex;
    bool complete;
    void (*run)(void *member);
} gate;

typedef struct seat {
    gate *gate;
    void *member;
} seat;

static void *wait_and_run(void *context)
{
    const seat *s = context;
    pthread_mutex_lock(&s->gate->mutex);
    const bool complete = s->gate->complete;
    pthread_mutex_unlock(&s->gate->mutex);
    if (complete) s->gate->run(s->member);
    return NULL;
}

static dho_status start_and_join(dho_team *team, gate *g, pthread_t *threads, seat *seats)
{
    int started = 1, error = 0;
    pthread_mutex_lock(&g->mutex);
    while (started < team->count && error == 0) {
        error = dho_thread_start(&threads[started], wait_and_run, &seats[started]);
        started += error == 0;
    }
    g->complete = error == 0;
    pthread_mutex_unlock(&g->mutex);
    (void)wait_and_run(&seats[0]);
    for (int i = 1; i < started; i++) pthread_join(threads[i], NULL);
    return error == 0 ? DHO_OK
                      : dho_fail(DHO_ERR_MEMORY, "cannot start thread %d of %d: %s", started,
                                 team->count, strerror(error));
}

dho_status dho_team_run(dho_team *team, int count, void (*run)(void *member), void *members,
                        size_t bytes)
{
    gate g = {.mutex = PTHREAD_MUTEX_INITIALIZER, .run = run};
    pthread_t *threads = NULL;
    seat *seats = NULL;
    dho_status status;
    team->count = count;
    DHO_TRY_GOTO(dho_alloc(&threads, (size_t)count, sizeof *threads, "threads"));
    DHO_TRY_GOTO(dho_alloc(&seats, (size_t)count, sizeof *seats, "threads"));
    for (int i = 0; i < count; i++) seats[i] = (seat){&g, (char *)members + (size_t)i * bytes};
    pthread_barrier_init(&team->barrier, NULL, (unsigned)count);
    status = start_and_join(team, &g, threads, seats);
    pthread_barrier_destroy(&team->barrier);
fail:
    dho_free(threads);
    dho_free(seats);
    return status;
}

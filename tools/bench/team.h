/* Threads that measure together. Private to tools/bench. */
#ifndef DHO_BENCH_TEAM_H
#define DHO_BENCH_TEAM_H

#include "dho/status.h"

#include <pthread.h>
#include <stddef.h>

typedef struct dho_team {
    pthread_barrier_t barrier; /* of all members, while they run */
    int count;
} dho_team;

/* Runs `run` for each of `count` members, one a thread, the first in this one, and waits for all.
 * They begin when all threads are there: where one cannot start, none runs. members: [count] of
 * `bytes` each. Errors: DHO_ERR_MEMORY. */
dho_status dho_team_run(dho_team *team, int count, void (*run)(void *member), void *members,
                        size_t bytes);

#endif

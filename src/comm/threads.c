/* Threads of ranks that share a machine. */
#define _GNU_SOURCE
#include "base/machine.h"
#include "comm/comm_private.h"
#include "comm/placement.h"
#include "dho/alloc.h"
#include "dho/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No run gains by more threads on a CPU than this; fewer than LEAST_MOST are always allowed, so that
 * the bits of a large machine can be had on a small one. */
enum { MOST_PER_CPU = 8, LEAST_MOST = 64 };

/* What a rank tells rank 0. */
typedef struct facts {
    comm_place place; /* its threads are rank 0's to fill in */
    int32_t asked;  /* threads; 0: a share of the CPUs */
    int32_t online; /* CPUs of the machine */
} facts;

/* What rank 0 answers: the threads, and the pool that they are in. */
typedef struct answer {
    int32_t threads;
    int32_t cpus, ranks, total; /* of the pool; total: all threads */
    int32_t online;
    bool limited; /* by a container's quota */
    char host[64];
} answer;

static facts look(const dho_comm *comm, int asked, bool warn)
{
    facts mine = {.asked = asked, .online = (int32_t)sysconf(_SC_NPROCESSORS_ONLN)};
    dho_machine_look(&mine.place.machine, "");
    if (warn) dho_topology_look(&mine.place.topology, "", mine.place.machine.cpus);
    snprintf(mine.place.host, sizeof mine.place.host, "%.63s", comm->host);
    return mine;
}

/* Answers all ranks of the pool of rank `first`, which is its lowest. */
static void answer_pool(const facts *all, answer *out, int ranks, int first)
{
    uint64_t together[DHO_MACHINE_MASK_WORDS] = {0};
    const uint64_t pool = all[first].place.machine.pool;
    answer a = {.online = all[first].online};
    int own_sum = 0;
    memcpy(a.host, all[first].place.host, sizeof a.host);
    for (int r = first; r < ranks; r++) {
        if (all[r].place.machine.pool != pool) continue;
        a.ranks++;
        own_sum += dho_machine_count_cpus(all[r].place.machine.cpus);
        for (int i = 0; i < DHO_MACHINE_MASK_WORDS; i++)
            together[i] |= all[r].place.machine.cpus[i];
    }
    const double quota = all[first].place.machine.quota;
    a.cpus = dho_machine_count_cpus(together);
    a.limited = quota > 0 && quota < a.cpus;
    if (a.limited) a.cpus = (int32_t)quota + (quota > (double)(int32_t)quota);
    const int share = a.cpus > a.ranks ? a.cpus / a.ranks : 1;
    for (int r = first; r < ranks; r++) {
        if (all[r].place.machine.pool != pool) continue;
        const int own = dho_machine_count_cpus(all[r].place.machine.cpus);
        out[r] = a;
        out[r].threads = all[r].asked > 0 ? all[r].asked
                         : own_sum > a.cpus && own > share ? share
                                                           : own;
        a.total = out[r].threads < INT32_MAX - a.total ? a.total + out[r].threads : INT32_MAX;
    }
    for (int r = first; r < ranks; r++)
        if (all[r].place.machine.pool == pool) out[r].total = a.total;
}

/* The line about the fullest pool, if its CPUs are too few: true then. One thread a rank loses
 * little where MPI has been told to yield, as launch/mpirun.sh does. */
static bool warn_of_fullest(const answer *answers, int ranks, const char *what)
{
    const answer *worst = &answers[0];
    for (int r = 1; r < ranks; r++)
        if ((double)answers[r].total * worst->cpus > (double)worst->total * answers[r].cpus)
            worst = &answers[r];
    if (worst->total <= worst->cpus) return false;
    if (worst->total == worst->ranks && getenv("OMPI_MCA_mpi_yield_when_idle") != NULL) return true;
    char cure[160];
    if (worst->ranks > 1 && !worst->limited && worst->online > worst->cpus && worst->online >= worst->total)
        snprintf(cure, sizeof cure,
                 "the launcher bound them; mpirun --map-by slot:PE=%d gives each rank its CPUs",
                 worst->total / worst->ranks);
    else if (worst->ranks <= worst->cpus)
        snprintf(cure, sizeof cure, "set %s to %d", what,
                 worst->cpus / worst->ranks);
    else
        snprintf(cure, sizeof cure, "start at most %d rank%s of one thread there", worst->cpus,
                 worst->cpus == 1 ? "" : "s");
    dho_warn("%s: %d rank%s with %d thread%s share%s %d CPU%s%s, which can be many times slower: %s",
             worst->host, worst->ranks, worst->ranks == 1 ? "" : "s", worst->total,
             worst->total == 1 ? "" : "s", worst->ranks == 1 ? "s" : "", worst->cpus,
             worst->cpus == 1 ? "" : "s", worst->limited ? " (the container's limit)" : "", cure);
    return true;
}

/* What is wrong with the machines and the ranks' places there, each once. A pool that is too full
 * as a whole says all there is to say of its CPUs. */
static void warn_of_places(const facts *all, const answer *answers, int ranks, const char *what)
{
    comm_place *places;
    char text[320];
    if (dho_alloc(&places, (size_t)ranks, sizeof *places, "places of ranks") != DHO_OK) return;
    for (int r = 0; r < ranks; r++) {
        places[r] = all[r].place;
        places[r].threads = answers[r].threads;
    }
    if (!warn_of_fullest(answers, ranks, what) && comm_find_crowd(places, ranks, text, sizeof text))
        dho_warn("%s", text);
    if (comm_find_idle_socket(places, ranks, text, sizeof text)) dho_warn("%s", text);
    if (comm_find_small_pages(places, ranks, text, sizeof text)) dho_warn("%s", text);
    dho_free(places);
}

static dho_status check_asked(const answer *mine, int asked, const char *what)
{
    const int most = mine->cpus > LEAST_MOST / MOST_PER_CPU ? MOST_PER_CPU * mine->cpus : LEAST_MOST;
    if (asked <= most) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: %d threads for each rank on %d CPU%s, at most %d make sense",
                    what, asked, mine->cpus, mine->cpus == 1 ? "" : "s", most);
}

dho_status dho_comm_plan_threads(dho_comm *comm, int asked, const char *what, bool warn,
                                 int *out_threads)
{
    const facts mine = look(comm, asked, warn);
    const size_t ranks = (size_t)comm->size;
    facts *all = NULL;
    answer *answers = NULL;
    dho_status status = dho_alloc_zero(&answers, ranks, sizeof *answers, "threads");
    DHO_TRY_GOTO(dho_comm_agree(comm, status));
    DHO_TRY_GOTO(dho_comm_gather(comm, &mine, sizeof mine, (void **)&all, NULL));
    for (int r = 0; r < comm->size && comm->rank == 0; r++)
        if (answers[r].ranks == 0) answer_pool(all, answers, comm->size, r);
    DHO_TRY_GOTO(dho_comm_broadcast(comm, answers, ranks * sizeof *answers, 0));
    DHO_TRY_GOTO(dho_comm_agree(comm, check_asked(&answers[comm->rank], asked, what)));
    if (warn && comm->rank == 0) warn_of_places(all, answers, comm->size, what);
    *out_threads = answers[comm->rank].threads;
fail:
    dho_free(all);
    dho_free(answers);
    return status;
}

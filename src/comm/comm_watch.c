/* A collective that does not end: for whom do all wait? A rank that waits looks at the clock and,
 * on a communicator of its own, for questions. Rank 0 asks; the others tell. A rank that is not in
 * a collective, or not alive, tells nothing: the others wait for that one. */
#define _GNU_SOURCE
#include "comm/comm_watch.h"

#include "base/activity.h"
#include "base/clock.h"
#include "dho/alloc.h"
#include "dho/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TAG_ASK = 1, TAG_TELL = 2 };
enum { SPINS = 256, MOST_NAMED = 4 };
static const double quiet_seconds = 0.1, turn_seconds = 2;
/* While the main thread computes on this core: 1 GB/s is 100 kB in a short nap, 100 MB/s as much in
 * a long one. A piece that takes longer than SHORT_NAPS waits for a slower rank or a slow network,
 * and each look costs the main thread its caches. */
static const struct timespec short_nap = {.tv_nsec = 100000}, long_nap = {.tv_nsec = 1000000};
enum { SHORT_NAPS = 100 };

dho_status comm_mpi_failed(const dho_comm *comm, const char *function, int code)
{
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int length = 0;
    MPI_Error_string(code, text, &length);
    return dho_fail(DHO_ERR_COMM, "%s failed on rank %d (%s): %s", function, comm->rank, comm->host,
                    text);
}

void comm_watch_init(comm_watch *watch, dho_comm *base, MPI_Comm handle)
{
    *watch = (comm_watch){.base = base, .handle = handle, .sent = MPI_REQUEST_NULL};
}

void comm_watch_release(comm_watch *watch)
{
    if (watch->sent != MPI_REQUEST_NULL) MPI_Request_free(&watch->sent);
    if (watch->handle != MPI_COMM_NULL) MPI_Comm_free(&watch->handle);
    dho_free(watch->hosts);
    dho_free(watch->heard);
}

dho_status comm_watch_limit(comm_watch *watch, double seconds)
{
    dho_comm *base = watch->base;
    void *hosts = NULL;
    dho_status status = DHO_OK;
    watch->limit = 0;
    if (seconds == 0) return DHO_OK;
    if (base->rank == 0 && watch->heard == NULL)
        status =
            dho_alloc_zero(&watch->heard, (size_t)base->size, sizeof *watch->heard, "watchdog");
    DHO_TRY(dho_comm_agree(base, status));
    DHO_TRY(dho_comm_gather(base, base->host, DHO_COMM_HOST_BYTES, &hosts, NULL));
    dho_free(watch->hosts);
    watch->hosts = hosts;
    watch->limit = seconds;
    return DHO_OK;
}

void comm_watch_enter(comm_watch *watch, const char *what)
{
    watch->turn++;
    watch->told = false;
    watch->shown = !atomic_load(&watch->base->calm);
    if (!watch->shown) return; /* the rank computes, and that is what it shows */
    atomic_fetch_add(&watch->base->waiting, 1);
    dho_activity_begin(what, NULL, false);
}

void comm_watch_leave(comm_watch *watch)
{
    if (!watch->shown) return;
    dho_activity_end();
    atomic_fetch_sub(&watch->base->waiting, 1);
}

/* Once a wait. */
static void say_own(comm_watch *watch)
{
    char text[512];
    double seconds;
    if (watch->told) return;
    watch->told = true;
    dho_activity_main(text, sizeof text, &seconds);
    dho_warn("%s: waits for the other ranks: %s, for %.0f s now", watch->base->host, text, seconds);
}

/* --- the others
 * ---------------------------------------------------------------------------------*/

static void tell(comm_watch *watch, bool asked)
{
    int sent;
    say_own(watch);
    MPI_Test(&watch->sent, &sent, MPI_STATUS_IGNORE);
    if (!sent) return; /* rank 0 does not take even the last one */
    watch->own = (comm_word){.turn = watch->turn, .asked = asked};
    MPI_Isend(&watch->own, sizeof watch->own, MPI_BYTE, 0, TAG_TELL, watch->handle, &watch->sent);
}

static dho_status look_as_other(comm_watch *watch, double waited)
{
    int there = 0;
    MPI_Iprobe(0, TAG_ASK, watch->handle, &there, MPI_STATUS_IGNORE);
    if (there) {
        int64_t turn;
        MPI_Recv(&turn, 1, MPI_INT64_T, 0, TAG_ASK, watch->handle, MPI_STATUS_IGNORE);
        tell(watch, true);
    } else if (waited > watch->limit - comm_watchdog_grace(watch->limit) && !watch->told) {
        tell(watch, false);
    }
    /* Rank 0 ends the job when the limit is over. Where it does not, the lowest rank does, before
     * the next ones would say the same. */
    const int before = watch->base->rank < 10 ? watch->base->rank - 1 : 9;
    const double end = watch->limit + comm_watchdog_grace(watch->limit) + before * turn_seconds;
    if (waited < end) return DHO_OK;
    return dho_fail(DHO_ERR_COMM,
                    "rank %d (%s) waits for rank 0, which has not come or answered for %.0f s "
                    "(train.watchdog): it is stopped, cut off, or at work that never ends",
                    watch->base->rank, watch->base->host, waited);
}

/* --- rank 0
 * -------------------------------------------------------------------------------------*/

/* Takes what the others tell; *out_due: the time of one is up in this very collective. */
static void listen(comm_watch *watch, bool *out_due)
{
    int there = 1;
    *out_due = false;
    while (there) {
        MPI_Status from;
        comm_word told;
        MPI_Iprobe(MPI_ANY_SOURCE, TAG_TELL, watch->handle, &there, &from);
        if (!there) break;
        MPI_Recv(&told, sizeof told, MPI_BYTE, from.MPI_SOURCE, TAG_TELL, watch->handle,
                 MPI_STATUS_IGNORE);
        if (told.turn < watch->turn) continue; /* of a wait that has ended */
        watch->heard[from.MPI_SOURCE] = true;
        *out_due = *out_due || (!told.asked && told.turn == watch->turn);
    }
}

static const char *host_of(const comm_watch *watch, int rank)
{
    return watch->hosts + (size_t)rank * DHO_COMM_HOST_BYTES;
}

static dho_status name_missing(comm_watch *watch, double waited)
{
    char names[512] = "", text[256];
    double seconds;
    int missing = 0;
    size_t used = 0;
    for (int r = 1; r < watch->base->size; r++) {
        if (watch->heard[r]) continue;
        missing++;
        if (missing <= MOST_NAMED && used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%srank %d (%s)",
                                     missing > 1 ? ", " : "", r, host_of(watch, r));
    }
    if (missing > MOST_NAMED && used < sizeof names)
        snprintf(names + used, sizeof names - used, " and %d more", missing - MOST_NAMED);
    dho_activity_main(text, sizeof text, &seconds);
    if (missing == 0)
        return dho_fail(DHO_ERR_COMM,
                        "all ranks have waited for each other for %.0f s (train.watchdog) in %s: a "
                        "message between them is lost",
                        waited, text);
    return dho_fail(DHO_ERR_COMM,
                    "%s %s not answer: the others have waited for %.0f s (train.watchdog) in %s. "
                    "Such a rank is stopped, dead or cut off; one that is busy says so in a line "
                    "of its own",
                    names, missing == 1 ? "does" : "do", waited, text);
}

/* Asks all, and waits a little for the answers; DHO_OK: the requests are done after all. */
static dho_status inquire(comm_watch *watch, int count, MPI_Request *requests, double start)
{
    const double end = dho_seconds_awake() + comm_watchdog_grace(watch->limit);
    const int64_t turn = watch->turn;
    say_own(watch);
    memset(watch->heard, 0, (size_t)watch->base->size * sizeof *watch->heard);
    for (int r = 1; r < watch->base->size; r++) {
        MPI_Request sent;
        if (MPI_Isend(&turn, 1, MPI_INT64_T, r, TAG_ASK, watch->handle, &sent) == MPI_SUCCESS)
            MPI_Request_free(&sent); /* so short a message leaves at once */
    }
    while (dho_seconds_awake() < end) {
        int done = 0;
        bool due;
        const int code = MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE);
        if (code != MPI_SUCCESS) return comm_mpi_failed(watch->base, "MPI_Testall", code);
        if (done) {
            dho_warn("%s: the ranks go on after %.0f s", watch->base->host,
                     dho_seconds_awake() - start);
            return DHO_OK;
        }
        listen(watch, &due);
    }
    return name_missing(watch, dho_seconds_awake() - start);
}

/* Is it time to ask? */
static bool is_due(comm_watch *watch, double waited)
{
    bool due;
    listen(watch, &due);
    return due || waited > watch->limit - comm_watchdog_grace(watch->limit);
}

/* --- the wait
 * -----------------------------------------------------------------------------------*/

dho_status comm_watch_wait(comm_watch *watch, int count, MPI_Request *requests)
{
    double start = 0;
    int naps = 0;
    for (int spins = 0;; spins++) {
        int done = 0;
        const int code = MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE);
        if (code != MPI_SUCCESS) return comm_mpi_failed(watch->base, "MPI_Testall", code);
        if (done) return DHO_OK;
        if (spins % SPINS != 0) continue;
        if (atomic_load(&watch->base->calm)) {
            nanosleep(naps < SHORT_NAPS ? &short_nap : &long_nap, NULL);
            if (naps < SHORT_NAPS) naps++;
            spins = -1; /* the next look is followed by a nap at once, or by none any more */
            start = 0;
            continue;
        }
        const double now = dho_seconds_awake();
        if (start == 0) start = now;
        /* No nap: MPI moves a long message only while it is called. */
        if (watch->limit == 0 || now - start < quiet_seconds) continue;
        if (watch->base->rank == 0) {
            if (is_due(watch, now - start)) return inquire(watch, count, requests, start);
        } else {
            DHO_TRY(look_as_other(watch, now - start));
        }
    }
}

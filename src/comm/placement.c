#include "comm/placement.h"

#include <stdio.h>

/* Is every CPU of `inner` one of `outer`? */
static bool is_within(const comm_place *inner, const comm_place *outer)
{
    if (inner->machine.pool != outer->machine.pool) return false;
    for (int i = 0; i < DHO_MACHINE_MASK_WORDS; i++)
        if (inner->machine.cpus[i] & ~outer->machine.cpus[i]) return false;
    return true;
}

bool comm_find_crowd(const comm_place *places, int ranks, char *out, size_t bytes)
{
    double worst = 1;
    for (int r = 0; r < ranks; r++) {
        const comm_place *place = &places[r];
        const int cpus = dho_machine_count_cpus(place->machine.cpus);
        int64_t threads = 0;
        int together = 0;
        for (int other = 0; other < ranks; other++) {
            if (!is_within(&places[other], place)) continue;
            threads += places[other].threads;
            together++;
        }
        if (cpus == 0 || (double)threads / cpus <= worst) continue;
        worst = (double)threads / cpus;
        snprintf(out, bytes,
                 "%s: %d rank%s with %lld threads %s bound to %d CPU%s, which can be many times "
                 "slower: mpirun --map-by slot:PE=%d --bind-to core gives each rank its CPUs",
                 place->host, together, together == 1 ? "" : "s", (long long)threads,
                 together == 1 ? "is" : "are", cpus, cpus == 1 ? "" : "s", place->threads);
    }
    return worst > 1;
}

bool comm_find_idle_socket(const comm_place *places, int ranks, char *out, size_t bytes)
{
    for (int r = 0; r < ranks; r++) {
        const comm_place *first = &places[r];
        const uint64_t allowed = first->topology.allowed_sockets;
        const int sockets = __builtin_popcountll(allowed);
        uint64_t used = 0;
        int64_t threads = 0;
        for (int other = 0; other < ranks; other++) {
            if (places[other].machine.pool != first->machine.pool) continue;
            used |= places[other].topology.used_sockets & allowed;
            threads += places[other].threads;
        }
        const int busy = __builtin_popcountll(used);
        if (busy == 0 || busy == sockets) continue;
        if (2 * threads * sockets < (int64_t)busy * first->topology.allowed_cpus) continue;
        snprintf(out, bytes,
                 "%s: no rank is on %d of the %d sockets, whose cores and memory lie idle: mpirun "
                 "--map-by ppr:N:socket:PE=%d --bind-to core puts N ranks on each",
                 first->host, sockets - busy, sockets, first->threads);
        return true;
    }
    return false;
}

bool comm_find_small_pages(const comm_place *places, int ranks, char *out, size_t bytes)
{
    for (int r = 0; r < ranks; r++) {
        if (!places[r].topology.huge_pages_off) continue;
        snprintf(out, bytes,
                 "%s: transparent huge pages are off, which makes steps slower: as root, echo "
                 "madvise > /sys/kernel/mm/transparent_hugepage/enabled",
                 places[r].host);
        return true;
    }
    return false;
}

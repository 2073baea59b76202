/* MPI's start. Where it fails it ends the process: with words of its own, or without any where the
 * launcher is quiet. */
#define _GNU_SOURCE
#include "comm/comm_private.h"
#include "dho/log.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char SHARED_MEMORY[] = "/dev/shm";
enum { SHARED_MIB_PER_RANK = OMPI_MAJOR_VERSION > 4 ? 16 : 4 }; /* Open MPI's segment of a rank */

/* Said before it is tried: afterwards there may be nobody left to say it. */
static void check_shared_memory(void)
{
    const char *rank = getenv("OMPI_COMM_WORLD_LOCAL_RANK");
    const char *ranks = getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
    struct statvfs space;
    if (rank == NULL || ranks == NULL || strcmp(rank, "0") != 0) return;
    if (strcmp(ranks, "1") == 0 || statvfs(SHARED_MEMORY, &space) != 0) return;
    const double free_mib = (double)space.f_bavail * (double)space.f_frsize / 0x1p20;
    if (free_mib >= SHARED_MIB_PER_RANK * strtod(ranks, NULL)) return;
    dho_warn("%s has %.1f MiB free, Open MPI wants %d MiB for each of %s ranks and may not start or "
             "be slow: make it larger (docker run --shm-size=1g; mount -o remount,size=1g %s)",
             SHARED_MEMORY, free_mib, SHARED_MIB_PER_RANK, ranks, SHARED_MEMORY);
}

/* MPI_Init ends with a barrier: rank 0 is through it when all ranks have come. launch/open_mpi.sh waits for
 * this line, and shows it to nobody. */
static void tell_launcher(void)
{
    static const char started[] = "\x1estarted\n";
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank != 0 || getenv("DHO_LAUNCHER_LISTENS") == NULL) return;
    const ssize_t written = write(STDERR_FILENO, started, sizeof started - 1);
    (void)written; /* then nobody listens */
}

/* Over TCP, Open MPI asks the receiver for each part of a long message where it emulates remote writes
 * ("put"). With traffic in both directions a request waits behind data, and the sum reached 60 % of
 * 1 Gbit/s, by plain sends 95 % (tests/bench/allreduce.sh). What the user has set stays. */
static void prefer_sends(void)
{
    setenv("OMPI_MCA_btl_tcp_flags", "1", 0); /* MCA_BTL_FLAGS_SEND */
}

dho_status comm_start_mpi(int *argc, char ***argv, bool *out_started)
{
    int initialised = 0, finalised = 0, provided = 0;
    *out_started = false;
    MPI_Finalized(&finalised);
    if (finalised) return dho_fail(DHO_ERR_COMM, "MPI was finalised and cannot start again");
    MPI_Initialized(&initialised);
    if (initialised) {
        MPI_Query_thread(&provided);
    } else {
        check_shared_memory();
        prefer_sends();
        /* Serialised: a thread other than main's may do the communication, one at a time. */
        const int code = MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &provided);
        if (code != MPI_SUCCESS)
            return dho_fail(DHO_ERR_COMM, "MPI_Init_thread failed with code %d", code);
        *out_started = true;
        tell_launcher();
    }
    if (provided >= MPI_THREAD_FUNNELED) return DHO_OK;
    return dho_fail(DHO_ERR_COMM, "MPI was started without support for threads "
                                  "(MPI_THREAD_FUNNELED or more is needed)");
}

/* The main of an MPI test: every rank runs the suite in one process, rank 0 prints the report. */
#ifndef DHO_TESTS_MPI_MAIN_H
#define DHO_TESTS_MPI_MAIN_H

#include "check_main.h"
#include "dho/comm.h"

#include <inttypes.h>
#include <stdlib.h>

/* Sets *comm, runs make()'s suite, and returns main's exit status. */
static inline int mpi_main(int argc, char **argv, dho_comm **comm, Suite *(*make)(void))
{
    if (dho_comm_create_mpi(comm, &argc, &argv) != DHO_OK) {
        fprintf(stderr, "%s\n", dho_error_message());
        return EXIT_FAILURE;
    }
    /* Started wrongly, every process would be a rank 0 of 1 and the tests would pass for nothing.
     */
    const char *wanted = getenv("OMPI_COMM_WORLD_SIZE");
    if (wanted != NULL && atoi(wanted) != dho_comm_size(*comm)) dho_comm_abort(*comm, EXIT_FAILURE);
    SRunner *runner = srunner_create(make());
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, dho_comm_rank(*comm) == 0 ? CK_NORMAL : CK_SILENT);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    dho_comm_destroy(comm);
    if (dho_alloc_get_stats().live_blocks != 0) {
        fprintf(stderr, "%" PRId64 " blocks still live\n", dho_alloc_get_stats().live_blocks);
        return EXIT_FAILURE;
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif

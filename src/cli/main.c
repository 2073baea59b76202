/* The program `dho`: picks the subcommand, and turns its status into one line and an exit code. */
#include "base/machine.h"
#include "base/mapped_files.h"
#include "cli/cli.h"
#include "dho/log.h"
#include "dho/processor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* The help that the arguments ask for, wherever "--help" stands among those of a command. */
static bool print_help(int argc, char **argv, bool *failed)
{
    bool asked = argc > 1 && strcmp(argv[1], "help") == 0;
    const int first = asked ? 2 : 1;
    for (int i = 1; i < argc; i++) asked = asked || asks_for_help(argv[i]);
    if (!asked) return false;
    if (argc <= first || asks_for_help(argv[first]))
        dho_help_print_all(stdout);
    else if (strcmp(argv[first], "--markdown") == 0)
        dho_help_print_markdown(stdout);
    else if (strcmp(argv[first], "--man") == 0 && argc > first + 1)
        *failed = !dho_help_write_man(argv[first + 1]);
    else
        return dho_help_print(stdout, argv[first], argc > first + 1 ? argv[first + 1] : NULL);
    return true;
}

/* What all ranks say, while there is no communicator: one line a machine, not one a rank. */
static void print_early(const char *why)
{
    const char *rank = getenv("OMPI_COMM_WORLD_LOCAL_RANK");
    if (rank == NULL) rank = getenv("SLURM_LOCALID");
    if (rank == NULL || strcmp(rank, "0") == 0) fprintf(stderr, "dho: error: %s\n", why);
}

int main(int argc, char **argv)
{
    char why[512];
    if (!dho_processor_suits(why, sizeof why)) { /* first: this file is compiled for all of them */
        print_early(why);
        return 1;
    }
    if (argc < 2) {
        dho_help_print_all(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0)
        return dho_version_print(argc - 2, argv + 2);
    bool failed = false;
    if (print_help(argc, argv, &failed)) return failed ? 1 : 0;
    dho_comm *comm;
    dho_status status = dho_comm_create_world(&comm, &argc, &argv);
    if (status != DHO_OK) {
        if (status == DHO_ERR_COMM) /* this rank's own */
            fprintf(stderr, "dho: error: %s\n", dho_error_message());
        else
            print_early(dho_error_message());
        return dho_exit_code(status);
    }
    const int rank = dho_comm_rank(comm);
    dho_log_set_rank(rank, dho_comm_size(comm));
    dho_machine_prepare_files();
    snprintf(why, sizeof why, "rank %d (%s): ", rank, dho_comm_host(comm));
    dho_mapped_files_guard(dho_comm_size(comm) > 1 ? why : "");
    status = dho_cli_start_threads(comm);
    if (status == DHO_OK) status = dho_command_run(argc - 1, argv + 1, comm);
    if (status == DHO_PREEMPTED && rank == 0) fprintf(stderr, "dho: %s\n", dho_error_message());
    if (status != DHO_OK && status != DHO_PREEMPTED && (rank == 0 || status == DHO_ERR_COMM))
        fprintf(stderr, "dho: error: %s\n", dho_error_message());
    /* After a failure of MPI itself the others may wait for this rank for ever. */
    if (status == DHO_ERR_COMM) dho_comm_abort(comm, dho_exit_code(status));
    dho_comm_destroy(&comm);
    return dho_exit_code(status);
}

/* The program `dho`: picks the subcommand, and turns its status into one line and an exit code. */
#include "cli/cli.h"
#include "cli/help.h"
#include "dho/alloc.h"
#include "dho/compute.h"
#include "dho/log.h"

#include <jansson.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>

static void print_version(void)
{
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(library, &length);
    library[strcspn(library, ",\n")] = '\0';
    char compute[128];
    dho_compute_versions(compute, sizeof compute);
    printf("dho %s (%s, %s, Jansson %s)\n", DHO_VERSION, library, compute, JANSSON_VERSION);
}

void dho_cli_announce(const dho_comm *comm)
{
    char library[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    if (dho_comm_rank(comm) != 0) return;
    MPI_Get_library_version(library, &length);
    library[strcspn(library, ",\n")] = '\0';
    char compute[128];
    dho_compute_versions(compute, sizeof compute);
    dho_info("dho %s, %s, %s; rank 0 of %d on %s", DHO_VERSION, library, compute,
             dho_comm_size(comm), dho_comm_host(comm));
    if (strcmp(dho_compute_backends()[0], "onednn") != 0)
        dho_info("built without oneDNN: training takes about twice as long, and there is no bf16 "
                 "(apt-get install libdnnl-dev, then configure and build again)");
}

static dho_status run_command(const char *name, const dho_arguments *arguments, dho_comm *comm)
{
    if (strcmp(name, "train") == 0) return dho_command_train(arguments, comm);
    if (strcmp(name, "eval") == 0) return dho_command_eval(arguments, comm);
    if (strcmp(name, "cache") == 0) return dho_command_cache(arguments, comm);
    if (strcmp(name, "synth") == 0) return dho_command_synth(arguments, comm);
    if (strcmp(name, "compare") == 0) return dho_command_compare(arguments, comm);
    if (strcmp(name, "table") == 0) return dho_command_table(arguments, comm);
    if (strcmp(name, "report") == 0) return dho_command_report(arguments, comm);
    if (strcmp(name, "weights") == 0) return dho_command_weights(arguments, comm);
    if (strcmp(name, "bench") == 0) return dho_command_bench(arguments, comm);
    if (strcmp(name, "pack") == 0) return dho_command_pack(arguments, comm);
    if (strcmp(name, "data") == 0) return dho_command_data(arguments, comm);
    if (strcmp(name, "teacher") == 0) return dho_command_teacher(arguments, comm);
    if (strcmp(name, "export") == 0) return dho_command_export(arguments, comm);
    return dho_fail(
        DHO_ERR_CONFIG,
        "unknown command \"%s\" (known: synth train eval compare table report cache teacher "
        "data pack weights export bench version)",
        name);
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* The help that the arguments ask for, wherever "--help" stands among those of a command. */
static bool print_help(int argc, char **argv)
{
    bool asked = argc > 1 && strcmp(argv[1], "help") == 0;
    const int first = asked ? 2 : 1;
    for (int i = 1; i < argc; i++) asked = asked || asks_for_help(argv[i]);
    if (!asked) return false;
    if (argc <= first || asks_for_help(argv[first]))
        dho_help_print_all(stdout);
    else
        return dho_help_print(stdout, argv[first], argc > first + 1 ? argv[first + 1] : NULL);
    return true;
}

static dho_status run(const char *name, int argc, char **argv, dho_comm *comm)
{
    dho_arguments arguments;
    DHO_TRY(dho_cli_split(argc, argv, &arguments));
    const dho_status status = run_command(name, &arguments, comm);
    dho_free(arguments.values);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        dho_help_print_all(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        print_version();
        return 0;
    }
    if (print_help(argc, argv)) return 0;
    dho_comm *comm;
    dho_status status = dho_comm_create_mpi(&comm, &argc, &argv);
    if (status != DHO_OK) {
        fprintf(stderr, "dho: error: %s\n", dho_error_message());
        return dho_exit_code(status);
    }
    const int rank = dho_comm_rank(comm);
    dho_log_set_rank(rank, dho_comm_size(comm));
    status = run(name, argc - 2, argv + 2, comm);
    if (status == DHO_PREEMPTED && rank == 0) fprintf(stderr, "dho: %s\n", dho_error_message());
    if (status != DHO_OK && status != DHO_PREEMPTED && (rank == 0 || status == DHO_ERR_COMM))
        fprintf(stderr, "dho: error: %s\n", dho_error_message());
    /* After a failure of MPI itself the others may wait for this rank for ever. */
    if (status == DHO_ERR_COMM) dho_comm_abort(comm, dho_exit_code(status));
    dho_comm_destroy(&comm);
    return dho_exit_code(status);
}

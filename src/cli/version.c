/* What this program is made of: `dho version`, and the line that a run begins with. */
#include "dho/version.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/commit.h" /* made by cmake/commit.cmake */
#include "dho/compute.h"
#include "dho/log.h"
#include "dho/processor.h"

#include <jansson.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>

enum { PARTS_BYTES = MPI_MAX_LIBRARY_VERSION_STRING + 160 };

/* "Open MPI v4.1.4, BLIS 0.9.0, oneDNN 2.6.3" */
static void write_parts(char out[PARTS_BYTES])
{
    char library[MPI_MAX_LIBRARY_VERSION_STRING], compute[128];
    int length;
    MPI_Get_library_version(library, &length);
    library[strcspn(library, ",\n")] = '\0';
    dho_compute_versions(compute, sizeof compute);
    snprintf(out, PARTS_BYTES, "%s, %s", library, compute);
}

void dho_cli_announce(const dho_comm *comm)
{
    char parts[PARTS_BYTES];
    if (dho_comm_rank(comm) != 0) return;
    write_parts(parts);
    dho_info("dho %s, %s; rank 0 of %d on %s", DHO_VERSION, parts, dho_comm_size(comm),
             dho_comm_host(comm));
    if (strcmp(dho_compute_backends()[0], "onednn") != 0)
        dho_info("built without oneDNN: training takes about twice as long, and there is no bf16 "
                 "(apt-get install libdnnl-dev, then configure and build again)");
}

static void print_verbose(void)
{
    char built[512], found[512];
    dho_processor_describe(built, found, sizeof built);
    printf("commit      %s\n", DHO_COMMIT);
    printf("build       %s, %s\n", DHO_BUILD_TYPE, DHO_COMPILER);
    printf("backends    ");
    for (const char *const *name = dho_compute_backends(); *name != NULL; name++)
        printf("%s%s", name == dho_compute_backends() ? "" : ", ", *name);
    printf("\nMPI         built with the interface of MPI %d.%d\n", MPI_VERSION, MPI_SUBVERSION);
    printf("built for   %s\n", built[0] != '\0' ? built : "any processor of the architecture");
    printf("found here  %s\n", found);
}

int dho_version_print(int count, char **words)
{
    const bool verbose = count > 0 && strcmp(words[0], "--verbose") == 0;
    if (count > (verbose ? 1 : 0)) {
        fprintf(stderr, "dho: error: usage: dho version [--verbose]\n");
        return 2;
    }
    char parts[PARTS_BYTES];
    write_parts(parts);
    printf("dho %s (%s, Jansson %s)\n", DHO_VERSION, parts, JANSSON_VERSION);
    if (verbose) print_verbose();
    return 0;
}

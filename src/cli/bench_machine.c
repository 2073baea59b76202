/* dho bench machine */
#include "bench/bench.h"
#include "cli/cli.h"

#define AT(member) offsetof(dho_bench_machine_options, member)

static const dho_option options[] = {
    DHO_OPTION("--threads", "N", AT(threads), "at a time; 0: as OMP_NUM_THREADS says",
               DHO_OPTION_INT, 0, 1024, "0"),
    DHO_OPTION("--seconds", "S", AT(seconds), "of all measurements together", DHO_OPTION_NUMBER, 0,
               3600, "3"),
    DHO_OPTION("--json", NULL, AT(json), "as JSON"),
};

static dho_status machine(void *arguments, dho_comm *comm)
{
    (void)comm;
    return dho_bench_machine(arguments);
}

const dho_command dho_command_bench_machine = {
    .name = "bench machine",
    .line = "what this processor can do at most: arithmetic, caches, memory (docs/performance.md)",
    DHO_OPTIONS(options),
    .size = sizeof(dho_bench_machine_options),
    .ranks = DHO_RANK_0,
    .run = machine,
};

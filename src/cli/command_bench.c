/* dho bench PART: how fast the parts of training are on this machine. */
#include "cli/cli.h"

#include <string.h>

dho_status dho_command_bench(const dho_arguments *arguments, dho_comm *comm)
{
    const char *part = arguments->count > 0 ? arguments->values[0] : "";
    const dho_arguments rest = {.count = arguments->count - 1, .values = arguments->values + 1};
    if (strcmp(part, "step") == 0) return dho_bench_step(&rest);
    if (strcmp(part, "allreduce") == 0) return dho_bench_allreduce(&rest, comm);
    if (strcmp(part, "data") == 0) return dho_bench_data(&rest, comm);
    return dho_fail(DHO_ERR_CONFIG, "bench: unknown part \"%s\" (known: step allreduce data)",
                    part);
}

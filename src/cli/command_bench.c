/* dho bench PART: how fast the parts of training are on this machine. */
#include "cli/cli.h"

dho_status dho_command_bench(const dho_arguments *arguments, dho_comm *comm)
{
    static const dho_action parts[] = {
        {"step", dho_bench_step}, {"allreduce", dho_bench_allreduce}, {"data", dho_bench_data}};
    return dho_cli_run_action("bench", parts, sizeof parts / sizeof *parts, arguments, comm);
}

/* dho bench allreduce */
#include "bench/bench.h"
#include "cli/cli.h"

typedef struct allreduce_arguments {
    int64_t floats;
    int times;
    bool packed;
} allreduce_arguments;

#define AT(member) offsetof(allreduce_arguments, member)

static const dho_option options[] = {
    /* ResNet-50's parameters */
    DHO_OPTION("--floats", "N", AT(floats), "the largest sum", DHO_OPTION_INT64, 1, 1LL << 33,
               "25600000"),
    DHO_OPTION("--steps", "N", AT(times), "times each", DHO_OPTION_INT, 1, 100000, "5"),
    DHO_OPTION("--bf16", NULL, AT(packed), "comm.dtype: bf16"),
};

static dho_status allreduce(void *given, dho_comm *comm)
{
    const allreduce_arguments *arguments = given;
    return dho_bench_allreduce(comm, arguments->floats, arguments->times, arguments->packed);
}

const dho_command dho_command_bench_allreduce = {
    .name = "bench allreduce",
    .line = "the sum of gradients over the ranks",
    DHO_OPTIONS(options),
    .size = sizeof(allreduce_arguments),
    .run = allreduce,
};

/* dho bench data */
#include "bench/bench.h"
#include "cli/cli.h"

typedef struct data_arguments {
    dho_config_arguments from;
    int seconds;
} data_arguments;

#define AT(member) offsetof(data_arguments, member)

static const dho_option options[] = {
    DHO_OPTIONS_CONFIG(AT(from), "", ""),
    DHO_OPTION("--seconds", "S", AT(seconds), "how long", DHO_OPTION_INT, 1, 86400, "10"),
    DHO_OPTION_SET(AT(from)),
};

static dho_status data(void *given, dho_comm *comm)
{
    data_arguments *arguments = given;
    dho_config config;
    DHO_TRY(dho_cli_load_config(&arguments->from, comm, &config));
    const dho_status status = dho_bench_data(&config, (double)arguments->seconds);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_bench_data = {
    .name = "bench data",
    .line = "images a second of the loader",
    DHO_OPTIONS(options),
    .size = sizeof(data_arguments),
    .run = data,
};

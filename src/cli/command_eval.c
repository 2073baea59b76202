#include "cli/cli.h"
#include "dho/evaluate.h"

dho_status dho_command_eval(const dho_arguments *arguments, dho_comm *comm)
{
    dho_config_arguments from = {0};
    const char *checkpoint = NULL;
    bool stored = false;
    const dho_option options[] = {
        {.name = "--config", .short_name = "-c", .value = &from.path},
        {.name = "--out", .value = &from.out},
        {.name = "--checkpoint", .value = &checkpoint},
        {.name = "--stored", .flag = &stored},
        {.name = "--set",
         .list = from.overrides,
         .list_count = &from.override_count,
         .list_capacity = DHO_CLI_MAX_OVERRIDES},
    };
    dho_config config;
    DHO_TRY(dho_cli_parse(arguments, options, sizeof options / sizeof *options));
    DHO_TRY(dho_cli_load_config(&from, comm, &config));
    const dho_status status = dho_evaluate(&config, comm, checkpoint, stored);
    dho_config_free(&config);
    return status;
}

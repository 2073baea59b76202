#include "cli/cli.h"
#include "dho/evaluate.h"

dho_status dho_command_eval(const dho_arguments *arguments, dho_comm *comm)
{
    dho_config_arguments from = {0};
    const char *checkpoint = NULL;
    bool stored = false;
    const dho_option options[] = {
        {.name = "RUN", .value = &from.word},
        {.name = "--out", .value = &from.out},
        {.name = "--checkpoint", .value = &checkpoint},
        {.name = "--stored", .flag = &stored},
    };
    dho_config config;
    DHO_TRY(dho_cli_parse(arguments, &from, options, sizeof options / sizeof *options));
    DHO_TRY(dho_cli_load_config(&from, comm, &config));
    const bool is_run = from.run_folder[0] != '\0';
    dho_status status = DHO_OK;
    if (is_run && checkpoint != NULL)
        status =
            dho_fail(DHO_ERR_CONFIG, "%s and --checkpoint %s: both say what is evaluated, give one",
                     from.word, checkpoint);
    if (status == DHO_OK) {
        dho_cli_announce(comm);
        if (is_run) checkpoint = from.is_checkpoint ? from.word : from.run_folder;
        status = dho_evaluate(&config, comm, checkpoint, stored);
    }
    dho_config_free(&config);
    return status;
}

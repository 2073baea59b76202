#include "cli/cli.h"
#include "dho/alloc.h"
#include "dho/trainer.h"

#include <stdio.h>

static dho_status print_config(const dho_config *config, const dho_comm *comm)
{
    char *text;
    if (dho_comm_rank(comm) != 0) return DHO_OK;
    DHO_TRY(dho_config_format(config, true, &text));
    fputs(text, stdout);
    dho_free(text);
    return fflush(stdout) == 0 ? DHO_OK : dho_fail(DHO_ERR_IO, "standard output: cannot write");
}

dho_status dho_command_train(const dho_arguments *arguments, dho_comm *comm)
{
    dho_config_arguments from = {0};
    const char *resume = "auto";
    bool print = false;
    const dho_option options[] = {
        {.name = "CONFIG", .value = &from.word},
        {.name = "--out", .value = &from.out},
        {.name = "--resume", .value = &resume},
        {.name = "--print-config", .flag = &print},
    };
    dho_config config;
    DHO_TRY(dho_cli_parse(arguments, &from, options, sizeof options / sizeof *options));
    DHO_TRY(dho_cli_load_config(&from, comm, &config));
    dho_status status;
    if (from.is_checkpoint) {
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: is a checkpoint: dho train %s --resume %s goes on from it",
                          from.word, from.run_folder, from.word);
    } else if (print) {
        status = dho_comm_agree(comm, print_config(&config, comm));
    } else {
        dho_cli_announce(comm);
        status = dho_comm_agree(comm, dho_config_check_train(&config, from.path));
        if (status == DHO_OK) status = dho_train(&config, comm, resume);
    }
    dho_config_free(&config);
    return status;
}

#include "cli/cli.h"
#include "dho/dataset.h"
#include "dho/run_setup.h"
#include "dho/shards.h"

#include <string.h>

enum { DEFAULT_SHARDS = 64, MAX_SHARDS = 65536 };

static dho_status open_source(const dho_config *config, const char *set, dho_dataset *out)
{
    if (set == NULL) return dho_setup_dataset(config, out);
    for (size_t i = 0; i < config->eval.set_count; i++)
        if (strcmp(config->eval.sets[i].name, set) == 0)
            return dho_setup_set(&config->eval.sets[i], NULL, out);
    return dho_fail(DHO_ERR_CONFIG, "--eval: \"%s\" is no set of eval.sets", set);
}

static dho_status run_pack(const dho_config *config, dho_comm *comm, const char *set,
                           const char *out, int shards)
{
    dho_dataset dataset = {0};
    dho_status status = dho_comm_agree(comm, open_source(config, set, &dataset));
    if (status == DHO_OK)
        status = dho_comm_check_equal(comm, &dataset.fingerprint, sizeof dataset.fingerprint,
                                      "the list of images");
    if (status == DHO_OK)
        status = dho_pack(&dataset, comm, out, shards, config->data.on_error == DHO_POLICY_SKIP);
    dho_dataset_free(&dataset);
    return status;
}

dho_status dho_command_pack(const dho_arguments *arguments, dho_comm *comm)
{
    dho_config_arguments from = {0};
    const char *out = NULL, *set = NULL, *shards = NULL, *index = NULL;
    long long count = DEFAULT_SHARDS;
    const dho_option options[] = {
        {.name = "--out", .value = &out},
        {.name = "--eval", .value = &set},
        {.name = "--shards", .value = &shards},
        {.name = "--index", .value = &index},
    };
    dho_config config;
    DHO_TRY(dho_cli_parse(arguments, &from, options, sizeof options / sizeof *options));
    if (index != NULL && (out != NULL || set != NULL || shards != NULL || from.path != NULL ||
                          from.override_count > 0))
        return dho_fail(DHO_ERR_CONFIG, "--index: stands alone: the tars are all it needs");
    if (index != NULL)
        return dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? dho_shards_index(index) : DHO_OK);
    if (out == NULL) return dho_fail(DHO_ERR_CONFIG, "--out: is missing");
    if (shards != NULL) DHO_TRY(dho_cli_integer("--shards", shards, 1, MAX_SHARDS, &count));
    DHO_TRY(dho_cli_load_config(&from, comm, &config));
    dho_cli_announce(comm);
    const dho_status status = run_pack(&config, comm, set, out, (int)count);
    dho_config_free(&config);
    return status;
}

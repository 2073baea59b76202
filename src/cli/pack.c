/* dho pack */
#include "cli/cli.h"
#include "dho/dataset.h"
#include "dho/run_setup.h"
#include "dho/tar.h"
#include "dho/teacher_cache.h"

#include <string.h>

typedef struct pack_arguments {
    dho_config_arguments from;
    const char *out, *set, *index;
    int shards;
    bool unlabelled;
} pack_arguments;

#define AT(member) offsetof(pack_arguments, member)

static const dho_option options[] = {
    DHO_OPTIONS_CONFIG(AT(from), "(", ""),
    DHO_OPTION("--out", "DIR", AT(out), "where to", .before = ""),
    DHO_OPTION("--eval", "SET", AT(set), "a set of eval.sets, instead of the training images",
               .needs = "--out"),
    DHO_OPTION("--unlabelled", NULL, AT(unlabelled),
               "the images of data.unlabelled, instead; with --index: of tars without labels"),
    DHO_OPTION_SHARDS(AT(shards), "tars", .needs = "--out"),
    DHO_OPTION_SET(AT(from)),
    DHO_OPTION("--index", "DIR", AT(index), "writes the index of tars that have none",
               .before = "| ", .after = ")"),
};

static dho_status open_source(const dho_config *config, const pack_arguments *arguments,
                              dho_dataset *out)
{
    const char *set = arguments->set;
    if (arguments->unlabelled) return dho_setup_heap(config, out);
    if (set == NULL) return dho_setup_classed(config, out);
    for (size_t i = 0; i < config->eval.set_count; i++)
        if (strcmp(config->eval.sets[i].name, set) == 0)
            return dho_setup_set(&config->eval.sets[i], NULL, out);
    return dho_fail(DHO_ERR_CONFIG, "--eval: \"%s\" is no set of eval.sets", set);
}

static dho_status run_pack(const dho_config *config, dho_comm *comm,
                           const pack_arguments *arguments)
{
    dho_dataset dataset = {0};
    dho_status status = dho_comm_agree(comm, open_source(config, arguments, &dataset));
    if (status == DHO_OK)
        status = dho_comm_check_equal(comm, &dataset.fingerprint, sizeof dataset.fingerprint,
                                      "the list of images");
    if (status == DHO_OK)
        status = dho_pack(&dataset, comm, arguments->out, arguments->shards,
                          config->data.on_error == DHO_POLICY_SKIP);
    dho_dataset_free(&dataset);
    return status;
}

static dho_status pack(void *given, dho_comm *comm)
{
    pack_arguments *arguments = given;
    dho_config_arguments *from = &arguments->from;
    dho_config config;
    if (arguments->index != NULL) {
        if (arguments->out != NULL || dho_cli_has_config(from) || from->override_count > 0)
            return dho_fail(DHO_ERR_CONFIG, "--index: stands alone: the tars are all it needs");
        return dho_comm_agree(comm, dho_comm_rank(comm) == 0
                                        ? dho_pack_index(arguments->index, arguments->unlabelled)
                                        : DHO_OK);
    }
    if (arguments->out == NULL) return dho_fail(DHO_ERR_CONFIG, "--out: is missing");
    if (arguments->unlabelled && arguments->set != NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "--eval and --unlabelled: both say what is packed, give one");
    DHO_TRY(dho_cli_load_config(from, comm, &config));
    dho_cli_announce(comm);
    const dho_status status = run_pack(&config, comm, arguments);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_pack = {
    .name = "pack",
    .line = "images into indexed tar shards that WebDataset reads, too (docs/shards.md)",
    DHO_OPTIONS(options),
    .size = sizeof(pack_arguments),
    .run = pack,
};

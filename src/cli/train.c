/* dho train */
#include "cli/cli.h"
#include "dho/alloc.h"
#include "dho/trainer.h"

typedef struct train_arguments {
    dho_config_arguments from;
    const char *resume;
    bool print_config, dry_run;
} train_arguments;

#define AT(member) offsetof(train_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("CONFIG", NULL, AT(from.word),
               "the configuration; or the folder of a run, which goes on", .before = "(",
               .after = " |"),
    DHO_OPTION_CONFIG(AT(from), .before = "", .after = ")"),
    DHO_OPTION_SET(AT(from)),
    DHO_OPTION("--out", "DIR", AT(from.out),
               "the run's folder, instead of the configuration's out"),
    DHO_OPTION("--resume", "auto|never|PATH", AT(resume),
               "auto goes on from the newest whole checkpoint of the folder; never fails when "
               "there is one; "
               "PATH is a checkpoint or the folder of a run",
               .fallback = "auto"),
    DHO_OPTION(
        "--dry-run", NULL, AT(dry_run),
        "checks all that a start checks, runs a few steps, says how long the run is and what "
        "memory, time and disk it takes, and ends; writes nothing"),
    DHO_OPTION("--print-config", NULL, AT(print_config),
               "prints every key with its value and meaning, and ends"),
};

static dho_status print(const dho_config *config)
{
    char *text;
    DHO_TRY(dho_config_format(config, true, &text));
    fputs(text, stdout);
    dho_free(text);
    return fflush(stdout) == 0 ? DHO_OK : dho_fail(DHO_ERR_IO, "standard output: cannot write");
}

static dho_status dry_run(const dho_config *config, dho_comm *comm, const char *resume)
{
    dho_dry_run found;
    DHO_TRY(dho_train_dry_run(config, comm, resume, &found));
    if (dho_comm_rank(comm) == 0) dho_cli_print_dry_run(&found, config);
    return DHO_OK;
}

static dho_status train(void *given, dho_comm *comm)
{
    train_arguments *arguments = given;
    dho_config_arguments *from = &arguments->from;
    dho_config config;
    DHO_TRY(dho_cli_load_config(from, comm, &config));
    dho_status status;
    if (from->is_checkpoint) {
        status = dho_fail(DHO_ERR_CONFIG,
                          "%s: is a checkpoint: dho train %s --resume %s goes on from it",
                          from->word, from->run_folder, from->word);
    } else if (arguments->print_config) {
        status = dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? print(&config) : DHO_OK);
    } else {
        dho_cli_announce(comm);
        status = dho_comm_agree(comm, dho_config_check_train(&config, from->path));
        if (status == DHO_OK)
            status = arguments->dry_run ? dry_run(&config, comm, arguments->resume)
                                        : dho_train(&config, comm, arguments->resume);
    }
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_train = {
    .name = "train",
    .line =
        "trains a student; checkpoints, metrics and the resolved configuration go to its folder",
    DHO_OPTIONS(options),
    .size = sizeof(train_arguments),
    .run = train,
};

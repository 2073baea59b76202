/* dho select */
#include "dho/select.h"

#include "cli/cli.h"
#include "dho/file.h"
#include "dho/log.h"

typedef struct select_arguments {
    dho_config_arguments from;
    int64_t budget;
    int by;
    const char *out;
} select_arguments;

#define AT(member) offsetof(select_arguments, member)
#define WAYS "pcoreset|entropy|margin|coreset|random"
enum { MAX_BUDGET = 1 << 30 };

static const dho_option options[] = {
    DHO_OPTION("RUN", NULL, AT(from.word),
               "the folder of a run (its newest checkpoint), or one of its checkpoints",
               .required = true),
    DHO_OPTION("--budget", "N", AT(budget), "how many images", DHO_OPTION_INT64, 1, MAX_BUDGET,
               .required = true),
    DHO_OPTION("--by", WAYS, AT(by),
               "pcoreset: the image whose prediction is farthest from those of all labelled and "
               "chosen ones; coreset: the same of the features; entropy: least certain; margin: "
               "smallest lead of the first class over the second; random: by the configuration's "
               "seed",
               DHO_OPTION_CHOICE, .fallback = "pcoreset"),
    DHO_OPTION("--out", "FILE", AT(out),
               "a label list for data.label_file: the labelled images and, behind them, the chosen "
               "ones"),
    DHO_OPTION_SET(AT(from)),
};

/* A checkpoint in a run's folder has that run's configuration: the word must be one of both. */
static dho_status check_word(const dho_config_arguments *from)
{
    if (from->run_folder[0] != '\0') return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG, "%s: is no folder of a run", from->word);
}

/* Before the work. A list that is there may have classes that somebody has written. */
static dho_status check_out(const char *path)
{
    if (path == NULL) return DHO_OK;
    if (dho_path_exists(path))
        return dho_fail(DHO_ERR_CONFIG, "--out %s: is there already, give another name", path);
    return dho_file_check_place(path);
}

static dho_status print(const select_arguments *arguments, dho_selection *chosen)
{
    const dho_choice *list = chosen->chosen;
    if (arguments->out != NULL) DHO_TRY(dho_selection_save(chosen, arguments->out));
    for (int64_t i = 0; i < chosen->count; i++) puts(chosen->dataset.samples[list[i].id].path);
    if (fflush(stdout) != 0) return dho_fail(DHO_ERR_IO, "standard output: cannot write");
    static const char *const what[] = {"distance", "entropy", "margin", "distance", "number"};
    dho_info("%lld of %lld images without a label; %s of the first %.4g, of the last %.4g",
             (long long)chosen->count, (long long)(chosen->dataset.count - chosen->labelled.count),
             what[arguments->by - 1], list[0].value, list[chosen->count - 1].value);
    return DHO_OK;
}

static dho_status run_select(void *given, dho_comm *comm)
{
    select_arguments *arguments = given;
    dho_config_arguments *from = &arguments->from;
    dho_config config;
    dho_selection chosen;
    DHO_TRY(dho_cli_load_config(from, comm, &config));
    const bool first = dho_comm_rank(comm) == 0;
    const dho_select_options what = {.checkpoint =
                                         from->is_checkpoint ? from->word : from->run_folder,
                                     .by = (dho_select_by)(arguments->by - 1),
                                     .budget = arguments->budget};
    dho_status status = dho_comm_agree(comm, check_word(from));
    if (status == DHO_OK) status = dho_comm_agree(comm, first ? check_out(arguments->out) : DHO_OK);
    if (status == DHO_OK) status = dho_select(&config, comm, &what, &chosen);
    if (status == DHO_OK) {
        status = dho_comm_agree(comm, first ? print(arguments, &chosen) : DHO_OK);
        dho_selection_free(&chosen);
    }
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_select = {
    .name = "select",
    .line = "which images to label next, by all ranks (docs/select.md)",
    .help = "Prints the paths of unlabelled training images, the best first. Predictions are those "
            "of both heads combined, with the alpha and beta of the checkpoint's evaluation.",
    DHO_OPTIONS(options),
    .size = sizeof(select_arguments),
    .run = run_select,
};

/* dho eval */
#include "dho/evaluate.h"

#include "cli/cli.h"

#include <string.h>

typedef struct eval_arguments {
    dho_config_arguments from;
    dho_checkpoint_choice choice;
    const char *weights; /* ema, last, or a file */
    bool stored;
} eval_arguments;

#define AT(member) offsetof(eval_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("RUN", NULL, AT(from.word),
               "the folder of a run (its newest checkpoint), or one of its checkpoints; its own "
               "configuration "
               "says the rest",
               .before = "(", .after = " |"),
    DHO_OPTION_CONFIG(AT(from), .before = ""),
    DHO_OPTION("--checkpoint", "PATH", AT(choice.path),
               "a checkpoint or the folder of a run (default: the newest one of --out)",
               .before = "[", .after = "])"),
    DHO_OPTION_BEST(AT(choice)),
    DHO_OPTION("--weights", "ema|last|FILE", AT(weights),
               "of a run with train.ema: the average over the steps, or the last step's (default: "
               "ema where there is one); a file of weights instead of a run, with -c and a folder "
               "for what is written (docs/weights.md)"),
    DHO_OPTION_SET(AT(from)),
    DHO_OPTION("--out", "DIR", AT(from.out),
               "the run's folder, instead of the configuration's out"),
    DHO_OPTION("--stored", NULL, AT(stored),
               "takes the head outputs of an earlier evaluation: no student, no images"),
};

/* What --weights says: which of a run's, or *out_file. */
static dho_status read_weights(eval_arguments *arguments, const char **out_file)
{
    const char *text = arguments->weights;
    dho_checkpoint_choice *choice = &arguments->choice;
    *out_file = NULL;
    if (text == NULL) return DHO_OK;
    if (strcmp(text, "ema") == 0) choice->weights = DHO_CHECKPOINT_EMA;
    if (strcmp(text, "last") == 0) choice->weights = DHO_CHECKPOINT_LAST;
    if (choice->weights != DHO_CHECKPOINT_AUTO) return DHO_OK;
    if (arguments->from.run_folder[0] != '\0' || choice->path != NULL || choice->best)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s and --weights %s: both say what is evaluated, give one (--weights FILE "
                        "with -c CONFIG, else ema or last)",
                        choice->path != NULL ? choice->path
                        : choice->best       ? "--best"
                                             : arguments->from.run_folder,
                        text);
    *out_file = text;
    return DHO_OK;
}

static dho_status eval(void *given, dho_comm *comm)
{
    eval_arguments *arguments = given;
    dho_config_arguments *from = &arguments->from;
    dho_checkpoint_choice *choice = &arguments->choice;
    dho_config config;
    DHO_TRY(dho_cli_load_config(from, comm, &config));
    const bool is_run = from->run_folder[0] != '\0';
    const char *file;
    dho_status status = read_weights(arguments, &file);
    if (status == DHO_OK && is_run && choice->path != NULL)
        status =
            dho_fail(DHO_ERR_CONFIG, "%s and --checkpoint %s: both say what is evaluated, give one",
                     from->word, choice->path);
    if (status == DHO_OK && arguments->stored && (choice->best || arguments->weights != NULL))
        status = dho_fail(DHO_ERR_CONFIG, "--best, --weights: have no effect with --stored, which "
                                          "takes what was evaluated");
    if (status == DHO_OK) {
        dho_cli_announce(comm);
        if (is_run) choice->path = from->is_checkpoint ? from->word : from->run_folder;
        status = file != NULL ? dho_evaluate_weights(&config, comm, file)
                              : dho_evaluate(&config, comm, choice, arguments->stored);
    }
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_eval = {
    .name = "eval",
    .line = "top-1 and top-5 of every set of eval.sets, by all ranks",
    .help =
        "Chooses alpha and beta on eval.select_on, by a grid. Accuracies are those of the "
        "combined prediction and of each head, with 95 % intervals (Wilson). Below: how true the "
        "probabilities are (ECE, NLL, Brier), and at the temperature that suits them best.",
    DHO_OPTIONS(options),
    .size = sizeof(eval_arguments),
    .run = eval,
};

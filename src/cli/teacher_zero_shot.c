/* dho teacher zero-shot */
#include "cli/cli.h"
#include "dho/zero_shot.h"

typedef struct zero_shot_arguments {
    dho_config_arguments from;
    dho_zero_shot_files files;
} zero_shot_arguments;

#define AT(member) offsetof(zero_shot_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("--model", "MODEL", AT(files.source.model), DHO_CLI_CLIP_MODELS, .required = true),
    DHO_OPTION("--weights", "FILE", AT(files.source.path), "its weights, safetensors or PyTorch",
               .required = true),
    DHO_OPTION("--key", "KEY", AT(files.source.key), "where in a PyTorch file they lie"),
    DHO_OPTION(
        "--merges", "FILE|DIR", AT(files.merges),
        "its vocabulary: bpe_simple_vocab_16e6.txt.gz, or the folder of vocab.json and merges.txt",
        .required = true),
    DHO_OPTION("--templates", "FILE", AT(files.templates), "a prompt a line, with {} for the class",
               .required = true),
    DHO_OPTION("--out", "FILE", AT(files.out), "the head, safetensors", .required = true),
    DHO_OPTION("--classes", "FILE", AT(files.classes), "the class names, instead of the dataset's",
               .before = "(", .after = " |"),
    DHO_OPTIONS_CONFIG(AT(from), "", ")"),
    DHO_OPTION("--scale", "X", AT(files.scale), "of the logits, instead of the model's",
               DHO_OPTION_POSITIVE, .high = 1000000),
    DHO_OPTION("--keep-mean-norms", NULL, AT(files.keep_mean_norms),
               "does not normalise the mean of a class's prompts"),
    DHO_OPTION("--batch", "N", AT(files.batch), "texts at a time", DHO_OPTION_INT, 1, 4096, "64"),
    DHO_OPTION_SET(AT(from)),
};

static dho_status zero_shot(void *given, dho_comm *comm)
{
    zero_shot_arguments *arguments = given;
    const bool dataset = dho_cli_has_config(&arguments->from);
    dho_config config;
    if (arguments->files.classes == NULL && !dataset)
        return dho_fail(DHO_ERR_CONFIG, "--classes: is missing, and there is no -c CONFIG whose "
                                        "dataset names the classes");
    DHO_TRY(dho_cli_load_config_or_defaults(&arguments->from, comm, &config));
    dho_cli_announce(comm);
    const dho_status status = dho_zero_shot_make(&config, dataset, comm, &arguments->files);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_teacher_zero_shot = {
    .name = "teacher zero-shot",
    .line = "class names in prompts become a head, by CLIP's text tower (docs/teachers.md)",
    DHO_OPTIONS(options),
    .size = sizeof(zero_shot_arguments),
    .run = zero_shot,
};

/* dho init */
#include "init/init.h"
#include "cli/cli.h"

typedef struct init_arguments {
    dho_arguments folders;
    dho_init_options init;
} init_arguments;

#define AT(member) offsetof(init_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("FOLDER", NULL, AT(folders),
               "the class folders first, or the folder that train and val lie in; then the "
               "unlabelled images (a folder or a list) and test sets",
               DHO_OPTION_WORDS, .high = DHO_INIT_MAX_FOLDERS, .required = true),
    DHO_OPTION("--out", "FILE.yaml", AT(init.out),
               "the configuration (default: the first folder's name)"),
    DHO_OPTION("--run", "DIR", AT(init.run), "the run's folder (default: runs/NAME)"),
    DHO_OPTION("--clip", "MODEL", AT(init.clip), "the teacher: " DHO_CLI_CLIP_MODELS,
               .needs = "--weights"),
    DHO_OPTION("--weights", "FILE", AT(init.weights), "its weights, safetensors or PyTorch",
               .needs = "--clip"),
    DHO_OPTION(
        "--merges", "FILE|DIR", AT(init.merges),
        "its vocabulary: bpe_simple_vocab_16e6.txt.gz, or the folder of vocab.json and merges.txt",
        .needs = "--clip"),
};

static dho_status init(void *given, dho_comm *comm)
{
    init_arguments *arguments = given;
    (void)comm;
    arguments->init.folders = (const char *const *)arguments->folders.values;
    arguments->init.count = arguments->folders.count;
    return dho_init_folders(&arguments->init);
}

const dho_command dho_command_init = {
    .name = "init",
    .line = "looks at folders of images, writes a configuration for them and says what to do next",
    .help =
        "Replaces no file. Without --clip the teacher is a network that is trained here. Where the "
        "run's teacher cache is there already, says what the teacher scores; and, where the labels "
        "alone (RUN/ce) are evaluated, whether one head or two.",
    DHO_OPTIONS(options),
    .size = sizeof(init_arguments),
    .ranks = DHO_RANK_0,
    .run = init,
};

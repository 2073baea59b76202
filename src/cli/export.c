/* dho export */
#include "dho/export.h"

#include "cli/cli.h"

typedef struct export_arguments {
    const char *word, *out, *names;
    dho_checkpoint_choice choice;
    int head;
} export_arguments;

#define AT(member) offsetof(export_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("RUN", NULL, AT(word),
               "the folder of a run (its newest checkpoint), or one of its checkpoints",
               .before = "(", .after = " |"),
    DHO_OPTION("--checkpoint", "PATH", AT(choice.path), "the same; needs --out", .before = "",
               .after = ")"),
    DHO_OPTIONS_CHOICE(AT(choice)),
    DHO_OPTION("--out", "FILE.safetensors", AT(out),
               "default: student.safetensors in the run's folder"),
    DHO_OPTION("--head", "ce|kd|both|none", AT(head), "of a student with two heads (default: kd)",
               DHO_OPTION_CHOICE),
    DHO_OPTION("--names", "openai|bare|huggingface|timm", AT(names),
               "whose names the tensors get (default: torchvision's, of a CLIP student OpenAI's)"),
};

static dho_status export(void *given, dho_comm *comm)
{
    const export_arguments *from = given;
    const dho_export_options what = {.head = (dho_export_head)from->head, .names = from->names};
    dho_checkpoint_choice choice = from->choice;
    const char *path = from->out;
    char run[DHO_CLI_PATH_BYTES], beside[DHO_CLI_PATH_BYTES];
    bool is_checkpoint;
    if (from->word != NULL && choice.path != NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s and --checkpoint %s: both say what is exported, give one", from->word,
                        choice.path);
    if (from->word != NULL) {
        DHO_TRY(dho_comm_agree(comm, dho_cli_find_run(from->word, run, &is_checkpoint)));
        snprintf(beside, sizeof beside, "%.*s/student.safetensors", DHO_CLI_PATH_BYTES - 32, run);
        choice.path = is_checkpoint ? from->word : run;
        if (path == NULL) path = beside;
    }
    if (choice.path == NULL || path == NULL) return dho_fail_usage(&dho_command_export);
    return dho_export(comm, &choice, path, &what);
}

const dho_command dho_command_export = {
    .name = "export",
    .line = "a trained student under the names that torchvision and CLIP's tools load",
    DHO_OPTIONS(options),
    .size = sizeof(export_arguments),
    .run = export,
};

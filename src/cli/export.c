/* dho export */
#include "dho/export.h"

#include "cli/cli.h"

typedef struct export_arguments {
    dho_config_arguments config;
    dho_checkpoint_choice choice;
    const char *out, *names, *classes;
    int64_t images;
    int head;
    float temperature;
    bool int8;
} export_arguments;

#define AT(member) offsetof(export_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("RUN", NULL, AT(config.word),
               "the folder of a run (its newest checkpoint), or one of its checkpoints",
               .before = "(", .after = " |"),
    DHO_OPTION("--checkpoint", "PATH", AT(choice.path), "the same; needs --out", .before = "",
               .after = ")"),
    DHO_OPTIONS_CHOICE(AT(choice)),
    DHO_OPTION("--out", "NAME", AT(out),
               "FILE.safetensors, FILE.onnx, or a folder for timm and Hugging Face (default: "
               "student.safetensors in the run's folder)"),
    DHO_OPTION("--head", "ce|kd|both|none", AT(head),
               "of a student with two heads, into safetensors (default: kd)", DHO_OPTION_CHOICE),
    DHO_OPTION("--names", "openai|bare|huggingface|timm", AT(names),
               "whose names the tensors get (default: torchvision's, of a CLIP student OpenAI's)"),
    DHO_OPTION_TEMPERATURE(AT(temperature)),
    DHO_OPTION("--classes", "FILE", AT(classes),
               "ONNX: a list of the classes that take part; the others get probability 0"),
    DHO_OPTION("--int8", NULL, AT(int8),
               "ONNX: weights and values in 8 bits; prints what that costs on eval.sets"),
    DHO_OPTION("--images", "N", AT(images), "training images that say how the values are rounded",
               DHO_OPTION_INT64, 1, 1000000, "512", .needs = "--int8"),
    DHO_OPTION_CONFIG(AT(config), .needs = "--int8"),
    DHO_OPTION_SET(AT(config)),
};

static dho_status run(export_arguments *from, dho_comm *comm, const dho_checkpoint_choice *choice,
                      const char *path)
{
    dho_export_options what = {.head = (dho_export_head)from->head,
                               .temperature = (double)from->temperature,
                               .names = from->names,
                               .classes = from->classes,
                               .int8 = from->int8,
                               .images = from->images};
    dho_config config;
    if (!from->int8) return dho_export(comm, choice, path, &what);
    DHO_TRY(dho_cli_load_config(&from->config, comm, &config));
    what.config = &config;
    const dho_status status = dho_export(comm, choice, path, &what);
    dho_config_free(&config);
    return status;
}

static dho_status export(void *given, dho_comm *comm)
{
    export_arguments *from = given;
    const char *word = from->config.word, *path = from->out;
    dho_checkpoint_choice choice = from->choice;
    char folder[DHO_CLI_PATH_BYTES], beside[DHO_CLI_PATH_BYTES];
    bool is_checkpoint;
    if (word != NULL && choice.path != NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "%s and --checkpoint %s: both say what is exported, give one", word,
                        choice.path);
    if (from->config.override_count > 0 && !from->int8)
        return dho_fail(DHO_ERR_CONFIG, "--set: has no effect without --int8");
    if (word != NULL) {
        DHO_TRY(dho_comm_agree(comm, dho_cli_find_run(word, folder, &is_checkpoint)));
        snprintf(beside, sizeof beside, "%.*s/student.safetensors", DHO_CLI_PATH_BYTES - 32,
                 folder);
        choice.path = is_checkpoint ? word : folder;
        if (path == NULL) path = beside;
    }
    if (choice.path == NULL || path == NULL) return dho_fail_usage(&dho_command_export);
    return run(from, comm, &choice, path);
}

const dho_command dho_command_export = {
    .name = "export",
    .line = "a trained student for other programs: safetensors, ONNX, timm (docs/export.md)",
    DHO_OPTIONS(options),
    .size = sizeof(export_arguments),
    .run = export,
};

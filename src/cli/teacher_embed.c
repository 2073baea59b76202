/* dho teacher embed */
#include "cli/cli.h"
#include "dho/clip.h"

typedef struct embed_arguments {
    dho_config_arguments from;
    dho_clip_source source;
    const char *merges, *texts, *out;
} embed_arguments;

#define AT(member) offsetof(embed_arguments, member)

static const dho_option options[] = {
    DHO_OPTION("--model", "MODEL", AT(source.model), DHO_CLI_CLIP_MODELS, .required = true),
    DHO_OPTION("--weights", "FILE", AT(source.path), "its weights, safetensors or PyTorch",
               .required = true),
    DHO_OPTION("--key", "KEY", AT(source.key), "where in a PyTorch file they lie"),
    DHO_OPTION("--out", "FILE", AT(out), "the embeddings, safetensors", .required = true),
    DHO_OPTIONS_CONFIG(AT(from), "(", ""),
    DHO_OPTION_RESIZE_MODE(AT(source.resize), .before = "[", .after = "] |"),
    DHO_OPTION("--texts", "FILE", AT(texts), "embeds its lines", .before = ""),
    DHO_OPTION("--merges", "FILE|DIR", AT(merges),
               "the vocabulary for --texts, as of teacher zero-shot", .before = "", .after = ")"),
    DHO_OPTION_SET(AT(from)),
};

static dho_status embed(void *given, dho_comm *comm)
{
    embed_arguments *arguments = given;
    const dho_clip_source *source = &arguments->source;
    dho_config config;
    if (arguments->texts == NULL && !dho_cli_has_config(&arguments->from))
        return dho_fail(DHO_ERR_CONFIG,
                        "what to embed: --texts FILE, or the images of a configuration");
    if (arguments->texts != NULL && arguments->merges == NULL)
        return dho_fail(DHO_ERR_CONFIG, "--merges: is missing");
    DHO_TRY(dho_cli_load_config_or_defaults(&arguments->from, comm, &config));
    dho_cli_announce(comm);
    const dho_status status = arguments->texts != NULL
                                  ? dho_clip_embed_lines(&config, comm, source, arguments->merges,
                                                         arguments->texts, arguments->out)
                                  : dho_clip_embed_dataset(&config, comm, source, arguments->out);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_teacher_embed = {
    .name = "teacher embed",
    .line = "CLIP's embeddings of the dataset's images, or of the lines of a file",
    DHO_OPTIONS(options),
    .size = sizeof(embed_arguments),
    .run = embed,
};

/* dho cache build */
#include "cli/cache_options.h"

typedef struct build_arguments {
    dho_config_arguments from;
    dho_cli_teacher_options teacher;
    dho_cache_build_options build;
    int store, encoding;
} build_arguments;

#define AT(member) offsetof(build_arguments, member)

static const dho_option options[] = {
    DHO_OPTIONS_CONFIG(AT(from), "", ""),
    DHO_OPTIONS_TEACHER(AT(teacher), "(", "])"),
    DHO_OPTION("--out", "DIR", AT(build.out),
               "the cache (default: the configuration's teacher.cache)"),
    DHO_OPTION("--views", "K", AT(build.views), "random crops of each image", DHO_OPTION_INT, 1,
               DHO_CACHE_MAX_VIEWS, "1", .before = "[", .after = " |"),
    DHO_OPTION("--center", NULL, AT(build.center),
               "one centre crop of each image, for any crop of the student", .before = "",
               .after = "]"),
    DHO_OPTION("--store", "embedding|logits", AT(store), "what is kept of each view",
               DHO_OPTION_CHOICE, .fallback = "embedding"),
    DHO_OPTIONS_ENCODING(AT(encoding), AT(build.top)),
    DHO_OPTION_SHARDS(AT(build.shards), "files; train.shards must divide it"),
    DHO_OPTION_SET(AT(from)),
};

static dho_status build(void *given, dho_comm *comm)
{
    build_arguments *arguments = given;
    dho_cache_build_options *build = &arguments->build;
    dho_cli_teacher opened = {0};
    dho_config config;
    build->payload = arguments->store == 1 ? DHO_CACHE_EMBEDDING : DHO_CACHE_LOGITS;
    DHO_TRY(dho_cli_teacher_check(&arguments->teacher, true));
    DHO_TRY(
        dho_cli_cache_encoding(arguments->encoding, build->top, build->payload, &build->encoding));
    DHO_TRY(dho_cli_load_config(&arguments->from, comm, &config));
    dho_cli_announce(comm);
    dho_status status = dho_cli_cache_folder(build->out, &config, &build->out);
    if (status == DHO_OK)
        status = dho_cli_teacher_open(&opened, &arguments->teacher, &config, comm,
                                      build->payload == DHO_CACHE_EMBEDDING);
    build->teacher = opened.teacher;
    if (status == DHO_OK) status = dho_cache_build(&config, comm, build);
    dho_cli_teacher_close(&opened);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_cache_build = {
    .name = "cache build",
    .line = "runs a teacher over the training images, all ranks; an interrupted build goes on",
    .help = "The teacher is a model that dho trained, or a CLIP image tower with a zero-shot head.",
    DHO_OPTIONS(options),
    .size = sizeof(build_arguments),
    .run = build,
};

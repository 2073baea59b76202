#include "cli/cache_teacher.h"
#include "cli/cli.h"
#include "dho/alloc.h"
#include "dho/cache_builder.h"
#include "dho/dataset.h"
#include "dho/run_setup.h"
#include "dho/teacher_cache.h"

#include <string.h>

enum { DEFAULT_SHARDS = 64 };

static dho_status parse_encoding(const char *word, dho_cache_encoding *out)
{
    if (strcmp(word, "fp16") == 0)
        *out = DHO_CACHE_FP16;
    else if (strcmp(word, "int8") == 0)
        *out = DHO_CACHE_INT8X; /* as small as the plain one, four to five times finer */
    else
        return dho_fail(DHO_ERR_CONFIG, "--encoding: expected fp16 or int8, got \"%s\"", word);
    return DHO_OK;
}

/* --encoding and --top, which is an encoding of its own. */
static dho_status parse_encodings(const char *word, const char *top, dho_cache_payload payload,
                                  dho_cache_encoding *out, int *out_top)
{
    long long kept = 0;
    *out_top = 0;
    if (top == NULL) return parse_encoding(word != NULL ? word : "fp16", out);
    if (payload != DHO_CACHE_LOGITS)
        return dho_fail(DHO_ERR_CONFIG,
                        "--top: keeps the largest logits: needs --store logits, or an import of "
                        "--logits");
    if (word != NULL)
        return dho_fail(DHO_ERR_CONFIG, "--encoding: has no effect with --top, leave one out");
    DHO_TRY(dho_cli_integer("--top", top, 1, DHO_CACHE_MAX_TOP, &kept));
    *out = DHO_CACHE_TOPK;
    *out_top = (int)kept;
    return DHO_OK;
}

static dho_status parse_payload(const char *word, dho_cache_payload *out)
{
    if (strcmp(word, "embedding") == 0)
        *out = DHO_CACHE_EMBEDDING;
    else if (strcmp(word, "logits") == 0)
        *out = DHO_CACHE_LOGITS;
    else
        return dho_fail(DHO_ERR_CONFIG, "--store: expected embedding or logits, got \"%s\"", word);
    return DHO_OK;
}

static dho_status require(const char *option, const char *value)
{
    return value != NULL ? DHO_OK : dho_fail(DHO_ERR_CONFIG, "%s: is missing", option);
}

/* --- dho cache build --- */

static dho_status cache_build(const dho_arguments *arguments, dho_comm *comm)
{
    dho_config_arguments from = {0};
    dho_cli_teacher_options teacher = {0};
    dho_cli_teacher opened = {0};
    const char *out = NULL, *shards = NULL, *views = NULL;
    const char *encoding = NULL, *store = "embedding", *top = NULL;
    dho_cache_build_options build = {0};
    long long shard_count = DEFAULT_SHARDS, view_count = 1;
    const dho_option options[] = {
        DHO_CLI_TEACHER_OPTIONS(teacher),
        {.name = "--out", .value = &out},
        {.name = "--shards", .value = &shards},
        {.name = "--views", .value = &views},
        {.name = "--center", .flag = &build.center},
        {.name = "--encoding", .value = &encoding},
        {.name = "--store", .value = &store},
        {.name = "--top", .value = &top},
    };
    dho_config config;
    DHO_TRY(dho_cli_parse(arguments, &from, options, sizeof options / sizeof *options));
    DHO_TRY(parse_payload(store, &build.payload));
    DHO_TRY(dho_cli_teacher_check(&teacher, true));
    DHO_TRY(parse_encodings(encoding, top, build.payload, &build.encoding, &build.top));
    if (shards != NULL)
        DHO_TRY(dho_cli_integer("--shards", shards, 1, DHO_CACHE_MAX_SHARDS, &shard_count));
    if (views != NULL)
        DHO_TRY(dho_cli_integer("--views", views, 1, DHO_CACHE_MAX_VIEWS, &view_count));
    DHO_TRY(dho_cli_load_config(&from, comm, &config));
    dho_cli_announce(comm);
    build.out = out != NULL ? out : config.teacher.cache;
    build.shards = (int)shard_count;
    build.views = (int)view_count;
    dho_status status = DHO_OK;
    if (build.out[0] == '\0')
        status = dho_fail(DHO_ERR_CONFIG, "--out: is missing, and teacher.cache is not set");
    else
        status = dho_cli_teacher_open(&opened, &teacher, &config, comm,
                                      build.payload == DHO_CACHE_EMBEDDING);
    build.teacher = opened.teacher;
    if (status == DHO_OK) status = dho_cache_build(&config, comm, &build);
    dho_cli_teacher_close(&opened);
    dho_config_free(&config);
    return status;
}

/* --- dho cache import --- */

typedef struct import_arguments {
    const char *features, *logits, *head, *out;
    float scale;
    bool no_normalise;
    dho_cache_encoding encoding;
    int top, shards;
} import_arguments;

static dho_status run_import(const dho_config *config, const import_arguments *from)
{
    const char *out = from->out != NULL ? from->out : config->teacher.cache;
    dho_dataset dataset;
    int32_t *labels = NULL;
    dho_status status;
    if (out[0] == '\0')
        return dho_fail(DHO_ERR_CONFIG, "--out: is missing, and teacher.cache is not set");
    DHO_TRY(dho_setup_dataset(config, &dataset));
    DHO_TRY_GOTO(dho_alloc(&labels, (size_t)dataset.count, sizeof *labels, "labels"));
    for (int64_t i = 0; i < dataset.count; i++) labels[i] = dataset.samples[i].label;
    DHO_TRY_GOTO(dho_cache_import(out, from->logits != NULL ? from->logits : from->features,
                                  from->head, from->scale, !from->no_normalise, from->encoding,
                                  from->top, from->shards, dataset.fingerprint, dataset.count,
                                  labels, dataset.classes));
fail:
    dho_free(labels);
    dho_dataset_free(&dataset);
    return status;
}

/* Features with their head, or logits. */
static dho_status check_sources(const import_arguments *import, const char *scale)
{
    if (import->logits == NULL) {
        DHO_TRY(require("--features", import->features));
        return require("--head", import->head);
    }
    if (import->features == NULL && import->head == NULL && scale == NULL && !import->no_normalise)
        return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "--logits: stand alone: no --features, --head, --scale, --no-normalise");
}

static dho_status cache_import(const dho_arguments *arguments, dho_comm *comm)
{
    dho_config_arguments from = {0};
    import_arguments import = {0};
    const char *scale = NULL, *encoding = NULL, *shards = NULL, *top = NULL;
    const char *labels = NULL; /* cache_labels.c takes these apart; here they are only known */
    long long shard_count = DEFAULT_SHARDS;
    const dho_option options[] = {
        {.name = "--features", .value = &import.features},
        {.name = "--logits", .value = &import.logits},
        {.name = "--head", .value = &import.head},
        {.name = "--out", .value = &import.out},
        {.name = "--scale", .value = &scale},
        {.name = "--no-normalise", .flag = &import.no_normalise},
        {.name = "--encoding", .value = &encoding},
        {.name = "--top", .value = &top},
        {.name = "--shards", .value = &shards},
        {.name = "--fkd", .value = &labels},
        {.name = "--tinyvit", .value = &labels},
        {.name = "--crop-and-flip-only", .value = &labels},
        {.name = "--views", .value = &labels},
    };
    dho_config config;
    DHO_TRY(dho_cli_parse(arguments, &from, options, sizeof options / sizeof *options));
    DHO_TRY(check_sources(&import, scale));
    if (scale != NULL) DHO_TRY(dho_cli_scale(scale, &import.scale)); /* otherwise the head's */
    DHO_TRY(parse_encodings(encoding, top,
                            import.logits != NULL ? DHO_CACHE_LOGITS : DHO_CACHE_EMBEDDING,
                            &import.encoding, &import.top));
    if (shards != NULL)
        DHO_TRY(dho_cli_integer("--shards", shards, 1, DHO_CACHE_MAX_SHARDS, &shard_count));
    import.shards = (int)shard_count;
    DHO_TRY(dho_cli_load_config(&from, comm, &config));
    const dho_status status =
        dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? run_import(&config, &import) : DHO_OK);
    dho_config_free(&config);
    return status;
}

static dho_status import_any(const dho_arguments *arguments, dho_comm *comm)
{
    return dho_cli_imports_labels(arguments) ? dho_cli_import_labels(arguments, comm)
                                             : cache_import(arguments, comm);
}

dho_status dho_command_cache(const dho_arguments *arguments, dho_comm *comm)
{
    static const dho_action actions[] = {{"build", cache_build},
                                         {"import", import_any},
                                         {"info", dho_cli_cache_info},
                                         {"verify", dho_cli_cache_verify}};
    return dho_cli_run_action("cache", actions, sizeof actions / sizeof *actions, arguments, comm);
}

#include "cli/cli.h"
#include "dho/alloc.h"
#include "dho/cache_builder.h"
#include "dho/checkpoint.h"
#include "dho/clip.h"
#include "dho/dataset.h"
#include "dho/file.h"
#include "dho/log.h"
#include "dho/run_setup.h"
#include "dho/teacher_cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SHARDS = 64, MAX_SHARDS = 99999, MAX_VIEWS = 1024, MAX_TOP = 255 };

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
    DHO_TRY(dho_cli_integer("--top", top, 1, MAX_TOP, &kept));
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

static dho_status run_build(const dho_config *config, dho_comm *comm, const char *checkpoint,
                            dho_cache_build_options *options)
{
    dho_model teacher = {0};
    dho_status status = dho_checkpoint_open_model(
        comm, checkpoint, options->payload == DHO_CACHE_EMBEDDING, &teacher, NULL);
    if (status == DHO_OK) {
        options->teacher = &teacher;
        options->kind = "model";
        options->teacher_name = checkpoint;
        status = dho_cache_build(config, comm, options);
    }
    dho_model_destroy(&teacher);
    return status;
}

/* A CLIP model's image tower and the head on it. */
typedef struct clip_arguments {
    dho_clip_source source;
    const char *head, *resize_mode;
} clip_arguments;

static dho_status check_clip(const clip_arguments *clip, const char *teacher)
{
    if (clip->source.model == NULL) {
        if (clip->source.path != NULL || clip->source.key != NULL || clip->head != NULL ||
            clip->resize_mode != NULL)
            return dho_fail(DHO_ERR_CONFIG, "--weights, --key, --head, --resize-mode: of --clip");
        return require("--teacher", teacher);
    }
    if (teacher != NULL) return dho_fail(DHO_ERR_CONFIG, "--teacher and --clip: one of the two");
    DHO_TRY(require("--weights", clip->source.path));
    return require("--head", clip->head);
}

static dho_status open_clip(const clip_arguments *from, dho_clip_image *image)
{
    dho_head_file head;
    DHO_TRY(dho_head_file_read(&head, from->head));
    dho_status status = DHO_OK;
    if (head.head.key_count > 0)
        status = dho_fail(DHO_ERR_CONFIG,
                          "--head: %s: is Tip-Adapter's: build the cache with the zero-shot head, "
                          "and train with teacher.head",
                          from->head);
    if (status == DHO_OK) status = dho_clip_image_open(image, &from->source, &head);
    if (status == DHO_OK) status = dho_cli_resize_mode(from->resize_mode, &image->squash);
    dho_head_file_free(&head);
    return status;
}

static dho_status run_build_clip(const dho_config *config, dho_comm *comm,
                                 const clip_arguments *from, dho_cache_build_options *options)
{
    dho_clip_image image = {0};
    dho_status status = dho_comm_agree(comm, open_clip(from, &image));
    if (status == DHO_OK) {
        const dho_student *student = &image.model.student;
        options->teacher = &image.model;
        options->kind = image.name;
        options->teacher_name = from->source.path;
        options->resize = image.squash ? -1 : student->image_size;
        status = dho_comm_check_equal(comm, image.model.parameters,
                                      dho_graph_parameter_floats(student->graph) * sizeof(float),
                                      from->source.path);
    }
    if (status == DHO_OK) status = dho_cache_build(config, comm, options);
    dho_clip_image_close(&image);
    return status;
}

static dho_status cache_build(const dho_arguments *arguments, dho_comm *comm)
{
    dho_config_arguments from = {0};
    const char *teacher = NULL, *out = NULL, *shards = NULL, *views = NULL;
    const char *encoding = NULL, *store = "embedding", *top = NULL;
    dho_cache_build_options build = {0};
    clip_arguments clip = {0};
    long long shard_count = DEFAULT_SHARDS, view_count = 1;
    const dho_option options[] = {
        {.name = "--teacher", .value = &teacher},
        {.name = "--out", .value = &out},
        {.name = "--shards", .value = &shards},
        {.name = "--views", .value = &views},
        {.name = "--center", .flag = &build.center},
        {.name = "--encoding", .value = &encoding},
        {.name = "--store", .value = &store},
        {.name = "--top", .value = &top},
        {.name = "--clip", .value = &clip.source.model},
        {.name = "--weights", .value = &clip.source.path},
        {.name = "--key", .value = &clip.source.key},
        {.name = "--head", .value = &clip.head},
        {.name = "--resize-mode", .value = &clip.resize_mode},
    };
    dho_config config;
    DHO_TRY(dho_cli_parse(arguments, &from, options, sizeof options / sizeof *options));
    DHO_TRY(check_clip(&clip, teacher));
    DHO_TRY(parse_payload(store, &build.payload));
    DHO_TRY(parse_encodings(encoding, top, build.payload, &build.encoding, &build.top));
    if (shards != NULL) DHO_TRY(dho_cli_integer("--shards", shards, 1, MAX_SHARDS, &shard_count));
    if (views != NULL) DHO_TRY(dho_cli_integer("--views", views, 1, MAX_VIEWS, &view_count));
    DHO_TRY(dho_cli_load_config(&from, comm, &config));
    dho_cli_announce(comm);
    build.out = out != NULL ? out : config.teacher.cache;
    build.shards = (int)shard_count;
    build.views = (int)view_count;
    dho_status status = DHO_OK;
    if (build.out[0] == '\0')
        status = dho_fail(DHO_ERR_CONFIG, "--out: is missing, and teacher.cache is not set");
    else
        status = teacher != NULL ? run_build(&config, comm, teacher, &build)
                                 : run_build_clip(&config, comm, &clip, &build);
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
    DHO_TRY_GOTO(dho_make_folders(out));
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
    if (shards != NULL) DHO_TRY(dho_cli_integer("--shards", shards, 1, MAX_SHARDS, &shard_count));
    import.shards = (int)shard_count;
    DHO_TRY(dho_cli_load_config(&from, comm, &config));
    const dho_status status =
        dho_comm_agree(comm, dho_comm_rank(comm) == 0 ? run_import(&config, &import) : DHO_OK);
    dho_config_free(&config);
    return status;
}

/* --- dho cache info | verify FOLDER --- */

static void print_info(const char *folder, const dho_cache_spec *spec)
{
    printf("folder       %s\n", folder);
    printf("teacher      %s\n", spec->teacher);
    printf("dataset      %lld images, fingerprint %016" PRIx64 "\n", (long long)spec->count,
           spec->fingerprint);
    printf("payload      %s, %s, %d values; %d classes\n",
           spec->payload == DHO_CACHE_EMBEDDING ? "embedding" : "logits",
           dho_cache_encoding_name(spec->encoding), spec->dim, spec->classes);
    if (spec->top > 0) printf("top          %d logits, the rest as one\n", spec->top);
    printf("views        %d an image, %s\n", spec->views,
           spec->free_crops ? "any crop (none is stored)" : "with crop box and flip");
    if (!spec->free_crops)
        printf("crops        area %g..%g, aspect %g..%g%s, seed %" PRIu64 "\n", spec->crop_scale[0],
               spec->crop_scale[1], spec->crop_ratio[0], spec->crop_ratio[1],
               spec->flip ? ", flipped at random" : "", spec->seed);
    printf("teacher size %d px\n", spec->image_size);
    printf("shards       %d\n", spec->shards);
    printf("bytes        %zu a view\n", dho_cache_record_bytes(spec));
}

static dho_status cache_look(const dho_arguments *arguments, dho_comm *comm, bool verify)
{
    dho_cache *cache = NULL;
    if (arguments->count != 1)
        return dho_fail(DHO_ERR_CONFIG, "usage: dho cache %s FOLDER", verify ? "verify" : "info");
    const char *folder = arguments->values[0];
    const int rank = dho_comm_rank(comm);
    dho_status status = dho_cache_open(&cache, folder);
    if (status == DHO_OK && verify) status = dho_cache_verify(cache, rank, dho_comm_size(comm));
    status = dho_comm_agree(comm, status);
    if (status == DHO_OK && rank == 0) {
        if (verify)
            printf("%s: whole: every checksum is right\n", folder);
        else
            print_info(folder, dho_cache_get_spec(cache));
        fflush(stdout);
    }
    dho_cache_close(&cache);
    return status;
}

dho_status dho_command_cache(const dho_arguments *arguments, dho_comm *comm)
{
    const char *action = arguments->count > 0 ? arguments->values[0] : "";
    const dho_arguments rest = {.count = arguments->count - 1, .values = arguments->values + 1};
    if (strcmp(action, "build") == 0) return cache_build(&rest, comm);
    if (strcmp(action, "import") == 0)
        return dho_cli_imports_labels(&rest) ? dho_cli_import_labels(&rest, comm)
                                             : cache_import(&rest, comm);
    if (strcmp(action, "info") == 0) return cache_look(&rest, comm, false);
    if (strcmp(action, "verify") == 0) return cache_look(&rest, comm, true);
    return dho_fail(DHO_ERR_CONFIG, "usage: dho cache build|import|info|verify ...");
}

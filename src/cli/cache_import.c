/* dho cache import */
#include "dho/cache_import.h"
#include "cli/cache_options.h"
#include "dho/alloc.h"
#include "dho/run_setup.h"

#include <string.h>

typedef struct import_arguments {
    dho_config_arguments from;
    const char *features, *logits, *head, *fkd, *tinyvit, *out;
    float scale; /* 0: the head's */
    bool no_normalise, crop_and_flip_only;
    int views, encoding, top, shards;
} import_arguments;

#define AT(member) offsetof(import_arguments, member)

static const dho_option options[] = {
    DHO_OPTIONS_CONFIG(AT(from), "", ""),
    DHO_OPTION("--features", "FILE", AT(features), "safetensors with the images' embeddings",
               .before = "("),
    DHO_OPTION("--head", "FILE", AT(head), "how they become logits", .before = ""),
    DHO_OPTION("--scale", "X", AT(scale), "of the head, instead of the file's", DHO_OPTION_POSITIVE,
               .high = 1000000),
    DHO_OPTION("--no-normalise", NULL, AT(no_normalise),
               "takes the embeddings with the length they have", .before = "[", .after = "] |"),
    DHO_OPTION("--logits", "FILE", AT(logits), "safetensors with the images' logits", .before = "",
               .after = " |"),
    DHO_OPTION("--fkd", "DIR", AT(fkd), "soft labels of FKD, with their crops", .before = "",
               .after = " |"),
    DHO_OPTION("--tinyvit", "DIR", AT(tinyvit), "soft labels of TinyViT, with their crops",
               .before = ""),
    DHO_OPTION("--crop-and-flip-only", NULL, AT(crop_and_flip_only),
               "says that --tinyvit was saved without other augmentations", .before = "",
               .after = ")"),
    DHO_OPTION("--views", "K", AT(views),
               "of each image, with --fkd and --tinyvit (default: all that are "
               "saved)",
               DHO_OPTION_INT, 1, DHO_CACHE_MAX_VIEWS),
    DHO_OPTION("--out", "DIR", AT(out), "the cache (default: the configuration's teacher.cache)"),
    DHO_OPTIONS_ENCODING(AT(encoding), AT(top)),
    DHO_OPTION_SHARDS(AT(shards), "files; train.shards must divide it"),
    DHO_OPTION_SET(AT(from)),
};

/* --- soft labels that other programs have saved --- */

static dho_status check_labels(const import_arguments *from)
{
    const struct {
        const char *name;
        bool given;
    } others[] = {{"--features", from->features != NULL}, {"--logits", from->logits != NULL},
                  {"--head", from->head != NULL},         {"--scale", from->scale > 0},
                  {"--no-normalise", from->no_normalise}, {"--encoding", from->encoding != 0}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].given)
            return dho_fail(DHO_ERR_CONFIG,
                            "unknown argument \"%s\" for an import of --fkd or --tinyvit",
                            others[i].name);
    if (from->fkd != NULL && from->tinyvit != NULL)
        return dho_fail(DHO_ERR_CONFIG, "--fkd and --tinyvit: only one can be imported");
    if (from->fkd == NULL && from->tinyvit == NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "--crop-and-flip-only, --views: are for --fkd and --tinyvit");
    if (from->fkd != NULL && from->crop_and_flip_only)
        return dho_fail(DHO_ERR_CONFIG, "--crop-and-flip-only: is for --tinyvit");
    if (from->tinyvit == NULL || from->crop_and_flip_only) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "--tinyvit: what is saved does not tell what was done to the images, and dho "
                    "repeats only crop and flip. If it was saved with AUG.AUTO_AUGMENT none, "
                    "AUG.COLOR_JITTER 0, AUG.REPROB 0, AUG.MIXUP 0 and AUG.CUTMIX 0, say "
                    "--crop-and-flip-only; nothing else can be imported");
}

static dho_status import_labels(const dho_config *config, dho_comm *comm,
                                const import_arguments *from)
{
    dho_dataset dataset = {0};
    dho_label_import import = {.source = from->fkd != NULL ? from->fkd : from->tinyvit,
                               .dataset = &dataset,
                               .shards = from->shards,
                               .views = from->views,
                               .top = from->top,
                               .flip = config->data.flip};
    memcpy(import.crop_scale, config->data.crop_scale, sizeof import.crop_scale);
    memcpy(import.crop_ratio, config->data.crop_ratio, sizeof import.crop_ratio);
    DHO_TRY(dho_cli_cache_folder(from->out, config, &import.out));
    dho_status status = dho_comm_agree(comm, dho_setup_dataset(config, &dataset));
    if (status == DHO_OK)
        status = from->tinyvit != NULL ? dho_cache_import_tinyvit(&import, comm)
                                       : dho_cache_import_fkd(&import, comm);
    dho_dataset_free(&dataset);
    return status == DHO_ERR_FORMAT ? DHO_ERR_CONFIG : status; /* a file that was named is wrong */
}

/* --- features with their head, or logits --- */

static dho_status check_tensors(const import_arguments *from)
{
    if (from->logits == NULL && from->features == NULL)
        return dho_fail(DHO_ERR_CONFIG, "--features: is missing");
    if (from->logits == NULL && from->head == NULL)
        return dho_fail(DHO_ERR_CONFIG, "--head: is missing");
    if (from->logits == NULL ||
        (from->features == NULL && from->head == NULL && from->scale == 0 && !from->no_normalise))
        return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "--logits: stand alone: no --features, --head, --scale, --no-normalise");
}

/* By rank 0. */
static dho_status import_tensors(const dho_config *config, const import_arguments *from,
                                 dho_cache_encoding encoding)
{
    dho_dataset dataset;
    int32_t *labels = NULL;
    dho_status status;
    dho_tensor_import import = {.rows = from->logits != NULL ? from->logits : from->features,
                                .head = from->head,
                                .scale = from->scale,
                                .no_normalise = from->no_normalise,
                                .encoding = encoding,
                                .top = from->top,
                                .shards = from->shards};
    DHO_TRY(dho_cli_cache_folder(from->out, config, &import.out));
    DHO_TRY(dho_setup_dataset(config, &dataset));
    DHO_TRY_GOTO(dho_alloc(&labels, (size_t)dataset.count, sizeof *labels, "labels"));
    for (int64_t i = 0; i < dataset.count; i++) labels[i] = dataset.samples[i].label;
    import.fingerprint = dataset.fingerprint;
    import.count = dataset.count;
    import.labels = labels;
    import.classes = dataset.classes;
    status = dho_cache_import(&import);
fail:
    dho_free(labels);
    dho_dataset_free(&dataset);
    return status;
}

static dho_status import_any(void *given, dho_comm *comm)
{
    import_arguments *from = given;
    const bool labels =
        from->fkd != NULL || from->tinyvit != NULL || from->crop_and_flip_only || from->views > 0;
    const dho_cache_payload payload = from->logits != NULL ? DHO_CACHE_LOGITS : DHO_CACHE_EMBEDDING;
    dho_cache_encoding encoding = DHO_CACHE_TOPK;
    dho_config config;
    DHO_TRY(labels ? check_labels(from) : check_tensors(from));
    if (!labels) DHO_TRY(dho_cli_cache_encoding(from->encoding, from->top, payload, &encoding));
    DHO_TRY(dho_cli_load_config(&from->from, comm, &config));
    dho_status status;
    if (labels)
        status = import_labels(&config, comm, from);
    else
        status = dho_comm_agree(
            comm, dho_comm_rank(comm) == 0 ? import_tensors(&config, from, encoding) : DHO_OK);
    dho_config_free(&config);
    return status;
}

const dho_command dho_command_cache_import = {
    .name = "cache import",
    .line = "a cache from what another program has computed (docs/teacher-cache.md)",
    .help = "Takes features with a head (zero-shot weights, prototypes or Tip-Adapter), logits, or "
            "the soft labels that FKD and TinyViT have saved, with their crops.",
    DHO_OPTIONS(options),
    .size = sizeof(import_arguments),
    .run = import_any,
};

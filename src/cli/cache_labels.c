/* dho cache import --fkd | --tinyvit: soft labels that other programs have saved. */
#include "cli/cli.h"
#include "dho/cache_import.h"
#include "dho/run_setup.h"
#include "dho/teacher_cache.h"

#include <stddef.h>
#include <string.h>

enum { DEFAULT_SHARDS = 64 };

bool dho_cli_imports_labels(const dho_arguments *arguments)
{
    static const char *const own[] = {"--fkd", "--tinyvit", "--crop-and-flip-only", "--views"};
    for (int i = 0; i < arguments->count; i++)
        for (size_t k = 0; k < sizeof own / sizeof *own; k++)
            if (strcmp(arguments->values[i], own[k]) == 0) return true;
    return false;
}

static dho_status check_source(const char *fkd, const char *tinyvit, bool crop_and_flip_only)
{
    if (fkd != NULL && tinyvit != NULL)
        return dho_fail(DHO_ERR_CONFIG, "--fkd and --tinyvit: only one can be imported");
    if (fkd == NULL && tinyvit == NULL)
        return dho_fail(DHO_ERR_CONFIG,
                        "--crop-and-flip-only, --views: are for --fkd and --tinyvit");
    if (fkd != NULL && crop_and_flip_only)
        return dho_fail(DHO_ERR_CONFIG, "--crop-and-flip-only: is for --tinyvit");
    if (tinyvit == NULL || crop_and_flip_only) return DHO_OK;
    return dho_fail(DHO_ERR_CONFIG,
                    "--tinyvit: what is saved does not tell what was done to the images, and dho "
                    "repeats only crop and flip. If it was saved with AUG.AUTO_AUGMENT none, "
                    "AUG.COLOR_JITTER 0, AUG.REPROB 0, AUG.MIXUP 0 and AUG.CUTMIX 0, say "
                    "--crop-and-flip-only; nothing else can be imported");
}

static dho_status import_labels(const dho_config *config, dho_comm *comm, const char *out,
                                bool tinyvit, dho_label_import *import)
{
    dho_dataset dataset = {0};
    import->out = out != NULL ? out : config->teacher.cache;
    import->dataset = &dataset;
    memcpy(import->crop_scale, config->data.crop_scale, sizeof import->crop_scale);
    memcpy(import->crop_ratio, config->data.crop_ratio, sizeof import->crop_ratio);
    import->flip = config->data.flip;
    if (import->out[0] == '\0')
        return dho_fail(DHO_ERR_CONFIG, "--out: is missing, and teacher.cache is not set");
    dho_status status = dho_comm_agree(comm, dho_setup_dataset(config, &dataset));
    if (status == DHO_OK)
        status =
            tinyvit ? dho_cache_import_tinyvit(import, comm) : dho_cache_import_fkd(import, comm);
    dho_dataset_free(&dataset);
    return status == DHO_ERR_FORMAT ? DHO_ERR_CONFIG : status; /* a file that was named is wrong */
}

dho_status dho_cli_import_labels(const dho_arguments *arguments, dho_comm *comm)
{
    dho_config_arguments from = {0};
    dho_label_import import = {0};
    const char *fkd = NULL, *tinyvit = NULL, *out = NULL;
    const char *shards = NULL, *views = NULL, *top = NULL;
    bool crop_and_flip_only = false;
    long long shard_count = DEFAULT_SHARDS, view_count = 0, top_count = 0;
    const dho_option options[] = {
        {.name = "--fkd", .value = &fkd},
        {.name = "--tinyvit", .value = &tinyvit},
        {.name = "--crop-and-flip-only", .flag = &crop_and_flip_only},
        {.name = "--out", .value = &out},
        {.name = "--shards", .value = &shards},
        {.name = "--views", .value = &views},
        {.name = "--top", .value = &top},
    };
    dho_config config;
    DHO_TRY(dho_cli_parse(arguments, &from, options, sizeof options / sizeof *options));
    DHO_TRY(check_source(fkd, tinyvit, crop_and_flip_only));
    if (shards != NULL)
        DHO_TRY(dho_cli_integer("--shards", shards, 1, DHO_CACHE_MAX_SHARDS, &shard_count));
    if (views != NULL)
        DHO_TRY(dho_cli_integer("--views", views, 1, DHO_CACHE_MAX_VIEWS, &view_count));
    if (top != NULL) DHO_TRY(dho_cli_integer("--top", top, 1, DHO_CACHE_MAX_TOP, &top_count));
    import.source = fkd != NULL ? fkd : tinyvit;
    import.shards = (int)shard_count;
    import.views = (int)view_count;
    import.top = (int)top_count;
    DHO_TRY(dho_cli_load_config(&from, comm, &config));
    const dho_status status = import_labels(&config, comm, out, tinyvit != NULL, &import);
    dho_config_free(&config);
    return status;
}

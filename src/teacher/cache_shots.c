/* Labelled embeddings of a Tip-Adapter, out of a cache. */
#include "dho/alloc.h"
#include "dho/dataset.h"
#include "dho/run_setup.h"
#include "dho/teacher_cache.h"

#include <stdio.h>

typedef struct shot_source {
    dho_cache *cache;
    const int64_t *ids;
} shot_source;

static dho_status read_view(void *context, int64_t at, int view, float *row)
{
    const shot_source *source = context;
    dho_cache_record record = {.payload = row};
    return dho_cache_read(source->cache, source->ids[at], view, &record);
}

dho_status dho_cache_read_shots(dho_cache *cache, const int64_t *ids, const int64_t *labels,
                                int64_t count, dho_shots *out)
{
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    *out = (dho_shots){0};
    if (spec->payload != DHO_CACHE_EMBEDDING)
        return dho_fail(DHO_ERR_CONFIG,
                        "the cache of \"%s\" holds logits; Tip-Adapter needs embeddings",
                        spec->teacher);
    shot_source source = {cache, ids};
    return dho_shots_read(out, count, spec->views, spec->dim, labels, read_view, &source,
                          spec->teacher);
}

/* The shots of the images that data.* labels. */
static dho_status load_labelled(dho_cache *cache, const dho_config *config, dho_shots *out)
{
    dho_dataset dataset = {0};
    dho_id_list ids = {0};
    int64_t *labels = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_setup_dataset(config, &dataset));
    DHO_TRY_GOTO(dho_cache_check_dataset(cache, dataset.fingerprint, dataset.count));
    DHO_TRY_GOTO(dho_setup_labelled(config, &dataset, &ids));
    DHO_TRY_GOTO(dho_alloc(&labels, (size_t)ids.count, sizeof *labels, "labels"));
    for (int64_t i = 0; i < ids.count; i++) labels[i] = dataset.samples[ids.ids[i]].label;
    status = dho_cache_read_shots(cache, ids.ids, labels, ids.count, out);
fail:
    dho_free(labels);
    dho_id_list_free(&ids);
    dho_dataset_free(&dataset);
    return status;
}

static dho_status load_from_cache(dho_tip_inputs *out, const dho_config *config, const char *head)
{
    const char *folder = config->teacher.cache;
    dho_cache *cache = NULL;
    char *own = NULL;
    dho_status status;
    if (folder[0] == '\0')
        return dho_fail(DHO_ERR_CONFIG, "teacher.cache: is not set (whose embeddings?)");
    DHO_TRY_GOTO(dho_cache_open(&cache, folder));
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    if (spec->payload != DHO_CACHE_EMBEDDING) {
        status = dho_fail(DHO_ERR_CONFIG, "%s: holds logits; Tip-Adapter needs embeddings", folder);
        goto fail;
    }
    DHO_TRY_GOTO(dho_asprintf(&own, "%s/head.safetensors", folder));
    DHO_TRY_GOTO(
        dho_teacher_head_load(&out->base, head != NULL ? head : own, spec->classes, spec->dim));
    status = load_labelled(cache, config, &out->shots);
    snprintf(out->name, sizeof out->name, "the cache's labelled images");
fail:
    dho_free(own);
    dho_cache_close(&cache);
    return status;
}

static dho_status load_from_files(dho_tip_inputs *out, const dho_tip_sources *from)
{
    DHO_TRY(dho_teacher_head_load(&out->base, from->head, 0, 0));
    const int dim = out->base.dim, classes = out->base.classes;
    snprintf(out->name, sizeof out->name, "%.63s", from->shots);
    if (from->values == NULL)
        return dho_shots_load(&out->shots, from->shots, dim, classes, !from->no_normalise);
    return dho_shots_load_torch(&out->shots, from->shots, from->values, dim, classes,
                                !from->no_normalise);
}

static dho_status load_set(const dho_teacher_head *base, const char *path, dho_shots *out)
{
    return path != NULL ? dho_shots_load(out, path, base->dim, base->classes, true) : DHO_OK;
}

dho_status dho_tip_inputs_load(dho_tip_inputs *out, const dho_tip_sources *from,
                               const dho_config *config)
{
    *out = (dho_tip_inputs){0};
    DHO_TRY(config != NULL ? load_from_cache(out, config, from->head) : load_from_files(out, from));
    DHO_TRY(dho_teacher_head_judge(&out->base,
                                   from->head != NULL ? from->head : config->teacher.cache));
    dho_teacher_head_drop_keys(&out->base);
    DHO_TRY(load_set(&out->base, from->search, &out->search));
    return load_set(&out->base, from->test, &out->test);
}

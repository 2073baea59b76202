/* Labelled embeddings of a Tip-Adapter, out of a cache. */
#include "dho/teacher_cache.h"

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

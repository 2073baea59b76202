/* Does a cache fit a run? */
#include "dho/teacher_cache.h"

/* Does the head fit the cache? */
static dho_status check_head(const dho_cache_spec *spec, const char *path)
{
    dho_teacher_head head;
    if (path[0] == '\0' || spec->payload != DHO_CACHE_EMBEDDING) return DHO_OK;
    DHO_TRY(dho_teacher_head_load(&head, path, spec->classes, spec->dim));
    const dho_status status = dho_teacher_head_judge(&head, path);
    dho_teacher_head_free(&head);
    return status;
}

dho_status dho_cache_check_run(const dho_config *config, uint64_t fingerprint, int64_t count)
{
    dho_cache *cache;
    DHO_TRY(dho_cache_open(&cache, config->teacher.cache));
    dho_status status = dho_cache_check_dataset(cache, fingerprint, count);
    if (status == DHO_OK) status = check_head(dho_cache_get_spec(cache), config->teacher.head);
    dho_cache_close(&cache);
    return status;
}

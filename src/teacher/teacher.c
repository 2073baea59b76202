#include "dho/teacher.h"

#include "base/activity.h"

static dho_status read_records(dho_cache *cache, const dho_draw *draws, int rows, float *values)
{
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    for (int r = 0; r < rows; r++) {
        dho_cache_record record = {.payload = values + (size_t)r * (size_t)spec->dim};
        const int view = (int)(draws[r].pass % spec->views);
        DHO_TRY(dho_cache_read(cache, draws[r].id, view, &record));
    }
    return DHO_OK;
}

dho_status dho_teacher_logits(dho_compute *compute, dho_cache *cache, const dho_teacher_head *head,
                              const dho_draw *draws, int rows, float *payload, float *scratch,
                              float *logits)
{
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    float *values = spec->payload == DHO_CACHE_LOGITS ? logits : payload;
    dho_activity_begin("reads", "the teacher cache", true);
    const dho_status status = read_records(cache, draws, rows, values);
    dho_activity_end();
    DHO_TRY(status);
    if (spec->payload == DHO_CACHE_EMBEDDING)
        dho_teacher_head_logits(compute, head, rows, payload, scratch, logits);
    return DHO_OK;
}

dho_status dho_teacher_view(void *cache, int64_t id, int64_t pass, dho_box *box, bool *flip)
{
    const int view = (int)(pass % dho_cache_get_spec(cache)->views);
    return dho_cache_read_view(cache, id, view, box, flip);
}

/* What a checkpoint keeps of the evaluations before it. */
#include "checkpoint/checkpoint_state.h"

void dho_checkpoint_standing_save(json_t *state, const dho_standing *standing)
{
    const bool chooses = standing->metric != DHO_BEST_NONE && standing->best_step > 0;
    if (!standing->due && !chooses) return;
    json_t *out = json_pack("{s:b}", "due", standing->due);
    if (chooses)
        json_object_update_new(
            out, json_pack("{s:s, s:s, s:I, s:f, s:f, s:I}", "metric",
                           dho_keep_best_name(standing->metric), "set", standing->set, "best_step",
                           (json_int_t)standing->best_step, "best", standing->best, "reference",
                           standing->reference, "waited", (json_int_t)standing->waited));
    json_object_set_new(state, "evaluations", out);
}

bool dho_checkpoint_standing_load(const json_t *state, int64_t step, dho_standing *out,
                                  const char **set)
{
    const json_t *from = json_object_get(state, "evaluations");
    const char *metric = json_string_value(json_object_get(from, "metric"));
    const json_t *best = json_object_get(from, "best");
    const json_t *reference = json_object_get(from, "reference");
    *set = json_string_value(json_object_get(from, "set"));
    out->due = json_is_true(json_object_get(from, "due"));
    if (metric == NULL) return from == NULL || json_is_object(from);
    out->best_step = json_integer_value(json_object_get(from, "best_step"));
    out->best = json_number_value(best);
    out->reference = json_number_value(reference);
    out->waited = json_integer_value(json_object_get(from, "waited"));
    return dho_keep_best_find(metric, &out->metric) && *set != NULL && json_is_number(best) &&
           json_is_number(reference) && out->best_step > 0 && out->best_step <= step &&
           out->waited >= 0;
}

#include "eval/evaluation_events.h"

#include "base/event_file.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/log.h"

#include <math.h>
#include <stdio.h>

static void add_score(dho_text *events, int64_t step, const dho_evaluated_set *set, int kind)
{
    char tag[512];
    const dho_score *score = &set->scores[kind];
    if (!score->present) return;
    snprintf(tag, sizeof tag, "eval/%s/%s", set->name, dho_score_names[kind]);
    dho_event_add_scalar(events, step, tag, score->top1);
    if (isnan(score->top5)) return;
    snprintf(tag, sizeof tag, "eval/%s/%s_top5", set->name, dho_score_names[kind]);
    dho_event_add_scalar(events, step, tag, score->top5);
}

static dho_status save(const dho_text *events, const char *path)
{
    dho_atomic_file *file;
    DHO_TRY(events->status);
    DHO_TRY(dho_atomic_file_create(&file, path));
    dho_atomic_file_write(file, events->data, events->used); /* a failure comes from commit */
    return dho_atomic_file_commit(&file);
}

void dho_evaluation_save_events(const dho_evaluation *evaluation, const char *run_folder)
{
    dho_text events = {0};
    char *path;
    dho_event_add_version(&events);
    for (size_t s = 0; s < evaluation->set_count; s++)
        for (int k = 0; k < DHO_SCORE_KINDS; k++)
            add_score(&events, evaluation->step, &evaluation->sets[s], k);
    dho_status status = dho_asprintf(&path, "%s/eval/events.out.tfevents.%010lld", run_folder,
                                     (long long)evaluation->step);
    if (status == DHO_OK) {
        status = save(&events, path);
        dho_free(path);
    }
    if (status != DHO_OK)
        dho_warn("%s; TensorBoard does not get the accuracies", dho_error_message());
    dho_text_free(&events);
}

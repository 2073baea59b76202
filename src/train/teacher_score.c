#include "train/teacher_score.h"

#include "dho/log.h"

dho_teacher_score dho_teacher_score_begin(int64_t labelled, bool has_teacher, int64_t step)
{
    return (dho_teacher_score){.labelled = has_teacher && step == 0 ? labelled : 0};
}

static bool is_right(int classes, const float *logits, int32_t label)
{
    for (int c = 0; c < classes; c++)
        if (logits[c] > logits[label]) return false;
    return true;
}

void dho_teacher_score_count(const dho_batch *batch, int classes, const float *teacher,
                             float *out_seen, float *out_right)
{
    int seen = 0, right = 0;
    for (int r = 0; r < batch->labelled; r++) {
        if (batch->draws[r].pass != 0) continue;
        seen++;
        right += is_right(classes, teacher + (size_t)r * (size_t)classes, batch->labels[r]);
    }
    *out_seen = (float)seen;
    *out_right = (float)right;
}

dho_status dho_teacher_score_step(dho_teacher_score *score, int64_t step, int64_t rows,
                                  const float counts[2], dho_progress *progress)
{
    if (score->labelled == 0) return DHO_OK;
    score->seen += (int64_t)counts[0];
    score->right += (int64_t)counts[1];
    const bool over = score->seen >= score->labelled || (int64_t)counts[0] < rows;
    if (!over || score->seen == 0) return DHO_OK;
    const double share = (double)score->right / (double)score->seen;
    dho_info(
        "teacher: %.1f %% of the %lld labelled images right, as they were cropped in the first "
        "pass",
        100 * share, (long long)score->seen);
    score->labelled = 0;
    return dho_progress_event(
        progress, step, "teacher",
        json_pack("{s:I, s:f}", "labelled", (json_int_t)score->seen, "top1", share));
}

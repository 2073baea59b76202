/* What the teacher scores on the labelled images in their first pass: how strong it is beside the
 * labels. Private to src/train. */
#ifndef DHO_TRAIN_TEACHER_SCORE_H
#define DHO_TRAIN_TEACHER_SCORE_H

#include "dho/loader.h"
#include "train/progress.h"

typedef struct dho_teacher_score {
    int64_t labelled; /* images of a pass; 0: there is no teacher, or nothing is left to say */
    int64_t right, seen;
} dho_teacher_score;

/* A session that does not begin with the run cannot say it. */
dho_teacher_score dho_teacher_score_begin(int64_t labelled, bool has_teacher, int64_t step);

/* Of a microbatch's labelled rows of the first pass: how many there are, and of how many the label
 * has the teacher's largest logit. teacher: [batch->count][classes]. */
void dho_teacher_score_count(const dho_batch *batch, int classes, const float *teacher,
                             float *out_seen, float *out_right);

/* Takes a step's counts, of all ranks; rows: its labelled rows. When the pass is over, says so and
 * writes the event "teacher" to metrics.jsonl. Errors: those of dho_progress_event. */
dho_status dho_teacher_score_step(dho_teacher_score *score, int64_t step, int64_t rows,
                                  const float counts[2], dho_progress *progress);

#endif

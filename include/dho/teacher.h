/* The teacher at training time: logits from cached records. Local. */
#ifndef DHO_TEACHER_H
#define DHO_TEACHER_H

#include "dho/compute.h"
#include "dho/loader.h"
#include "dho/teacher_cache.h"

/* Teacher logits [rows][classes] for the draws of a batch: record (id, pass mod views) of each,
 * then scale f W^T + b. payload: scratch [rows][dim]. */
dho_status dho_teacher_logits(dho_compute *compute, dho_cache *cache, const dho_draw *draws,
                              int rows, float *payload, float *logits);

/* A dho_view_source over a cache with stored boxes: context is the dho_cache. */
bool dho_teacher_view(void *cache, int64_t id, int64_t pass, dho_box *box, bool *flip);

#endif

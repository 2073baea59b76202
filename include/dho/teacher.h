/* The teacher at training time: logits from cached records. Local. */
#ifndef DHO_TEACHER_H
#define DHO_TEACHER_H

#include "dho/compute.h"
#include "dho/loader.h"
#include "dho/teacher_cache.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Teacher logits [rows][classes] for the draws of a batch: record (id, pass mod views) of each, put
 * through the head (the cache's own, or another for its embeddings). payload: [rows][dim], is the
 * embeddings then; scratch: dho_teacher_head_scratch(head, rows) floats. Allocates nothing. */
dho_status dho_teacher_logits(dho_compute *compute, dho_cache *cache, const dho_teacher_head *head,
                              const dho_draw *draws, int rows, float *payload, float *scratch,
                              float *logits);

/* A dho_view_source over a cache with stored boxes: context is the dho_cache. */
dho_status dho_teacher_view(void *cache, int64_t id, int64_t pass, dho_box *box, bool *flip);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

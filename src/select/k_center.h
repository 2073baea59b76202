/* Greedy k-center over points that are spread over the ranks. Private to src/select. */
#ifndef DHO_SELECT_K_CENTER_H
#define DHO_SELECT_K_CENTER_H

#include "dho/comm.h"
#include "dho/dataset.h"
#include "dho/infer.h"
#include "dho/select.h"

/* A point is a row of `width` numbers. */
typedef struct dho_points {
    const float *rows; /* this rank's points, [dho_deal_count][width]; borrowed */
    size_t width;
    dho_deal deal; /* which points those are */
} dho_points;

/* Farthest-first traversal (Gonzalez 1985): takes, `budget` times, the point whose distance to the
 * nearest centre is largest, which then is a centre, too. Distances are Euclidean, summed in
 * double. Of equal distances the smallest place wins. At first `centres` (places, ascending; may be
 * none, then place 0 is the first choice at an infinite distance) are centres; they are never
 * taken. out[budget] on every rank: place and distance, in the order of the choices. The points
 * that are no centres must be at least `budget`. The result does not depend on the number of ranks
 * or threads. Time: points x (centres + budget) x width; memory: 8 bytes a point. Collective.
 * Errors: DHO_ERR_MEMORY. */
dho_status dho_k_center(dho_comm *comm, const dho_points *points, const dho_id_list *centres,
                        int threads, int64_t budget, dho_choice *out);

#endif

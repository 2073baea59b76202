/* Stochastic depth: which branches of which images are left out. Private to src/train. */
#ifndef DHO_TRAIN_DROP_PATH_H
#define DHO_TRAIN_DROP_PATH_H

#include "dho/config.h"
#include "dho/graph.h"
#include "dho/loader.h"

/* out[batch->count][dho_graph_drop_count]: 0 with probability p, else 1 / (1 - p), where p rises
 * from 0 in the first block to student.drop_path in the last, linearly (timm's schedule). An
 * image's numbers depend on seed, pass and id alone. Local. */
void dho_drop_path_fill(const dho_graph *graph, const dho_config *config, const dho_batch *batch,
                        float *out);

#endif

#include "train/drop_path.h"

#include "dho/rng.h"

/* Of the branch at place `drop`. */
static double share_of(const dho_graph *graph, double last, int drop)
{
    const int blocks = dho_graph_block_count(graph);
    const int block = (int)((int64_t)drop * blocks / dho_graph_drop_count(graph));
    return blocks > 1 ? last * block / (blocks - 1) : 0;
}

void dho_drop_path_fill(const dho_graph *graph, const dho_config *config, const dho_batch *batch,
                        float *out)
{
    const int drops = dho_graph_drop_count(graph);
    for (int row = 0; row < batch->count; row++) {
        const dho_draw *draw = &batch->draws[row];
        dho_rng rng;
        dho_rng_init(&rng, config->seed,
                     draw->labelled ? DHO_RNG_DROP_PATH_LABELLED : DHO_RNG_DROP_PATH,
                     (uint64_t)draw->pass, (uint64_t)draw->id);
        for (int d = 0; d < drops; d++) {
            const double share = share_of(graph, config->student.drop_path, d);
            *out++ = dho_rng_uniform(&rng) < share ? 0 : (float)(1 / (1 - share));
        }
    }
}

/* The memory planner: blocks with lifetimes get offsets in one arena. Private to src/nn. */
#ifndef DHO_NN_PLANNER_H
#define DHO_NN_PLANNER_H

#include "dho/status.h"

#include <stddef.h>

typedef struct dho_block {
    size_t bytes;    /* 0: not used */
    int first, last; /* times at which the block is live, both included */
    size_t offset;   /* out: multiple of 64 */
} dho_block;

/* Gives offsets so that no two blocks that are live at one time overlap: largest first, each at
 * the lowest offset that is free during its life. *out_bytes: size of the arena. */
dho_status dho_planner_place(dho_block *blocks, size_t count, size_t *out_bytes);

#endif

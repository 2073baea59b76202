#include "nn/planner.h"

#include "dho/alloc.h"

#include <stdbool.h>
#include <stdlib.h>

enum { ARENA_ALIGNMENT = 64 };

static int larger_first(const void *a, const void *b)
{
    const dho_block *x = *(dho_block *const *)a, *y = *(dho_block *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y; /* qsort is not stable */
}

static bool live_together(const dho_block *a, const dho_block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static size_t block_end(const dho_block *block)
{
    return block->offset + (block->bytes + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

/* Lowest offset where the block meets none of the placed ones: moving up past each obstacle, as
 * often as one is left. */
static void place_block(dho_block *block, dho_block *const *placed, size_t placed_count)
{
    block->offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < placed_count; i++) {
            const dho_block *other = placed[i];
            if (live_together(block, other) && block->offset < block_end(other) &&
                other->offset < block_end(block)) {
                block->offset = block_end(other);
                moved = true;
            }
        }
    }
}

dho_status dho_planner_place(dho_block *blocks, size_t count, size_t *out_bytes)
{
    dho_block **order;
    size_t used = 0;
    *out_bytes = 0;
    DHO_TRY(dho_alloc(&order, count, sizeof *order, "memory plan"));
    for (size_t i = 0; i < count; i++)
        if (blocks[i].bytes > 0) order[used++] = &blocks[i];
    qsort(order, used, sizeof *order, larger_first);
    for (size_t i = 0; i < used; i++) {
        place_block(order[i], order, i);
        if (block_end(order[i]) > *out_bytes) *out_bytes = block_end(order[i]);
    }
    dho_free(order);
    return DHO_OK;
}

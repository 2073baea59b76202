#include "data/decode_skip.h"

int64_t dho_skip_candidates(const dho_ring_options *o, const dho_draw *draw)
{
    if (o->plan.options.on_error != DHO_POLICY_SKIP) return 1;
    if (draw->labelled) return o->drawing->labelled_count;
    const int64_t shards = o->drawing->shards, lowest = draw->id % shards;
    return (o->plan.options.dataset->count - lowest + shards - 1) / shards;
}

/* Where the first of the sorted ids that is above `id` is; count: there is none. */
static int64_t find_above(const int64_t *ids, int64_t count, int64_t id)
{
    int64_t low = 0, high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (ids[middle] <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_excluded(const dho_sampler_options *drawing, int64_t id)
{
    const int64_t at = find_above(drawing->excluded_ids, drawing->excluded_count, id);
    return at > 0 && drawing->excluded_ids[at - 1] == id;
}

int64_t dho_skip_replacement(const dho_ring_options *o, const dho_draw *draw)
{
    const dho_sampler_options *drawing = o->drawing;
    if (draw->labelled) {
        const int64_t at = find_above(drawing->labelled_ids, drawing->labelled_count, draw->id);
        return drawing->labelled_ids[at < drawing->labelled_count ? at : 0];
    }
    int64_t next = draw->id; /* which is not excluded itself */
    do {
        next += drawing->shards;
        if (next >= o->plan.options.dataset->count) next %= drawing->shards;
    } while (is_excluded(drawing, next));
    return next;
}

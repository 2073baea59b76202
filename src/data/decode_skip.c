#include "data/decode_skip.h"

int64_t dho_skip_candidates(const dho_ring_options *o, const dho_draw *draw)
{
    if (o->plan.options.on_error != DHO_POLICY_SKIP) return 1;
    if (draw->labelled) return o->drawing->labelled_count;
    const int64_t shards = o->drawing->shards, lowest = draw->id % shards;
    return (o->plan.options.dataset->count - lowest + shards - 1) / shards;
}

/* Where the first labelled id above `id` is; labelled_count: there is none. */
static int64_t find_labelled(const dho_sampler_options *drawing, int64_t id)
{
    int64_t low = 0, high = drawing->labelled_count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (drawing->labelled_ids[middle] <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_excluded(const dho_sampler_options *drawing, int64_t id)
{
    if (!drawing->exclude_labelled) return false;
    const int64_t at = find_labelled(drawing, id);
    return at > 0 && drawing->labelled_ids[at - 1] == id;
}

int64_t dho_skip_replacement(const dho_ring_options *o, const dho_draw *draw)
{
    const dho_sampler_options *drawing = o->drawing;
    if (draw->labelled) {
        const int64_t at = find_labelled(drawing, draw->id);
        return drawing->labelled_ids[at < drawing->labelled_count ? at : 0];
    }
    int64_t next = draw->id; /* which is not excluded itself */
    do {
        next += drawing->shards;
        if (next >= o->plan.options.dataset->count) next %= drawing->shards;
    } while (is_excluded(drawing, next));
    return next;
}

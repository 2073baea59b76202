#include "data/decode_skip.h"

int64_t dho_skip_candidates(const dho_ring_options *o, const dho_draw *draw)
{
    if (o->on_error != DHO_ON_ERROR_SKIP) return 1;
    if (draw->labelled) return o->labelled_count;
    const int64_t lowest = draw->id % o->skip_stride;
    return (o->plan.dataset->count - lowest + o->skip_stride - 1) / o->skip_stride;
}

/* Where the first labelled id above `id` is; labelled_count: there is none. */
static int64_t find_labelled(const dho_ring_options *o, int64_t id)
{
    int64_t low = 0, high = o->labelled_count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (o->labelled_ids[middle] <= id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_excluded(const dho_ring_options *o, int64_t id)
{
    if (!o->exclude_labelled) return false;
    const int64_t at = find_labelled(o, id);
    return at > 0 && o->labelled_ids[at - 1] == id;
}

int64_t dho_skip_replacement(const dho_ring_options *o, const dho_draw *draw)
{
    if (draw->labelled) {
        const int64_t at = find_labelled(o, draw->id);
        return o->labelled_ids[at < o->labelled_count ? at : 0];
    }
    int64_t next = draw->id; /* which is not excluded itself */
    do {
        next += o->skip_stride;
        if (next >= o->plan.dataset->count) next %= o->skip_stride;
    } while (is_excluded(o, next));
    return next;
}

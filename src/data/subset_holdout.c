/* Labelled images that are held out of training. */
#include "base/compare.h"
#include "data/dataset_build.h"
#include "dho/alloc.h"
#include "dho/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A labelled image, once. */
typedef struct candidate {
    int64_t id;
    int32_t label;
    uint64_t number; /* random, of the seed and the path */
} candidate;

static int compare_candidates(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* By the path, not by the id: a new image in a class changes nothing about the others. */
static uint64_t number_of(const dho_sample *sample, uint64_t seed)
{
    dho_rng rng;
    dho_rng_init(&rng, seed, DHO_RNG_HOLDOUT, 0,
                 dho_fnv1a(DHO_FNV_START, sample->path, strlen(sample->path)));
    const uint64_t high = dho_rng_u32(&rng);
    return high << 32 | dho_rng_u32(&rng);
}

/* How many of a class's n labelled images are held out. */
static int64_t take_of(const dho_holdout *share, int64_t n)
{
    if (share->percent == 0) return share->images;
    const int64_t rounded = llround(share->percent * (double)n / 100.0);
    return rounded < 1 ? 1 : rounded;
}

/* The first ones of each class, in all[count] sorted, to *out. */
static dho_status take_first(const candidate *all, int64_t count, const dho_holdout *share,
                             const dho_dataset *dataset, dho_id_list *out)
{
    for (int64_t first = 0, next; first < count; first = next) {
        const int32_t label = all[first].label;
        for (next = first; next < count && all[next].label == label;) next++;
        const int64_t n = next - first, take = take_of(share, n);
        if (take >= n)
            return dho_fail(DHO_ERR_CONFIG,
                            "data.holdout: class %d \"%s\" has %lld labelled image%s: with %lld "
                            "held out none is left to train on",
                            (int)label, dataset->class_names[label], (long long)n,
                            n == 1 ? "" : "s", (long long)take);
        for (int64_t i = 0; i < take; i++) out->ids[out->count++] = all[first + i].id;
    }
    qsort(out->ids, (size_t)out->count, sizeof *out->ids, dho_compare_int64);
    return DHO_OK;
}

/* Both are sorted. */
static void remove_from(dho_id_list *list, const dho_id_list *ids)
{
    int64_t kept = 0, next = 0;
    for (int64_t i = 0; i < list->count; i++) {
        while (next < ids->count && ids->ids[next] < list->ids[i]) next++;
        if (next < ids->count && ids->ids[next] == list->ids[i]) continue;
        list->ids[kept++] = list->ids[i];
    }
    list->count = kept;
}

dho_status dho_subset_hold_out(dho_id_list *labelled, dho_id_list *out, const dho_dataset *dataset,
                               const dho_holdout *share, uint64_t seed)
{
    candidate *all = NULL;
    int64_t count = 0;
    dho_status status;
    *out = (dho_id_list){0};
    DHO_TRY_GOTO(dho_alloc(&all, (size_t)labelled->count, sizeof *all, "held-out images"));
    DHO_TRY_GOTO(
        dho_alloc(&out->ids, (size_t)labelled->count, sizeof *out->ids, "held-out images"));
    for (int64_t i = 0; i < labelled->count; i++) {
        const int64_t id = labelled->ids[i];
        if (i > 0 && labelled->ids[i - 1] == id) continue;
        if (id >= dho_dataset_heap_start(dataset)) break; /* the heap's are the last */
        const dho_sample *sample = &dataset->samples[id];
        all[count++] =
            (candidate){.id = id, .label = sample->label, .number = number_of(sample, seed)};
    }
    qsort(all, (size_t)count, sizeof *all, compare_candidates);
    DHO_TRY_GOTO(take_first(all, count, share, dataset, out));
    remove_from(labelled, out);
fail:
    dho_free(all);
    if (status != DHO_OK) dho_id_list_free(out);
    return status;
}

/* Labelled subsets drawn by a seed. */
#include "dho/alloc.h"
#include "dho/dataset.h"

#include "dho/log.h"
#include "dho/rng.h"

#include <math.h>

void dho_id_list_free(dho_id_list *list)
{
    dho_free(list->ids);
    *list = (dho_id_list){0};
}

dho_status dho_subset_all(dho_id_list *out, const dho_dataset *dataset)
{
    *out = (dho_id_list){0};
    DHO_TRY(dho_alloc(&out->ids, (size_t)dho_dataset_heap_start(dataset), sizeof *out->ids,
                      "labelled subset"));
    for (int64_t i = 0; i < dho_dataset_heap_start(dataset); i++) out->ids[i] = i;
    out->count = dho_dataset_heap_start(dataset);
    return DHO_OK;
}

/* ids sorted by (label, id), and where each class begins: starts[classes + 1]. */
static dho_status group_by_class(const dho_dataset *dataset, int64_t **out_ids,
                                 int64_t **out_starts)
{
    int64_t *ids = NULL, *starts = NULL;
    dho_status status;
    const size_t classes = (size_t)dataset->classes;
    DHO_TRY_GOTO(
        dho_alloc(&ids, (size_t)dho_dataset_heap_start(dataset), sizeof *ids, "labelled subset"));
    /* starts[c + 2] counts class c at first, so that the scatter below leaves the begins behind. */
    DHO_TRY_GOTO(dho_alloc_zero(&starts, classes + 2, sizeof *starts, "labelled subset"));
    for (int64_t i = 0; i < dho_dataset_heap_start(dataset); i++)
        starts[dataset->samples[i].label + 2]++;
    for (size_t c = 2; c < classes + 2; c++) starts[c] += starts[c - 1];
    for (int64_t i = 0; i < dho_dataset_heap_start(dataset); i++)
        ids[starts[dataset->samples[i].label + 1]++] = i;
    *out_ids = ids;
    *out_starts = starts;
    return DHO_OK;
fail:
    dho_free(ids);
    dho_free(starts);
    return status;
}

/* How many of a class's n samples are taken; an error ends the drawing. */
typedef dho_status (*quota)(void *context, const dho_dataset *dataset, int32_t label, int64_t n,
                            int64_t *out_take);

static dho_status draw_per_class(dho_id_list *out, const dho_dataset *dataset, uint64_t seed,
                                 quota take_of, void *context)
{
    int64_t *ids = NULL, *starts = NULL;
    bool *taken = NULL;
    dho_status status;
    *out = (dho_id_list){0};
    DHO_TRY_GOTO(group_by_class(dataset, &ids, &starts));
    DHO_TRY_GOTO(dho_alloc_zero(&taken, (size_t)dho_dataset_heap_start(dataset), sizeof *taken,
                                "labelled subset"));
    int64_t count = 0;
    for (int32_t label = 0; label < dataset->classes; label++) {
        const int64_t n = starts[label + 1] - starts[label];
        int64_t take;
        DHO_TRY_GOTO(take_of(context, dataset, label, n, &take));
        /* The whole class is shuffled whatever is taken: smaller subsets are parts of larger. */
        dho_rng rng;
        dho_rng_init(&rng, seed, DHO_RNG_SUBSET, 0, (uint64_t)label);
        dho_rng_shuffle(&rng, ids + starts[label], n);
        for (int64_t i = 0; i < take; i++) taken[ids[starts[label] + i]] = true;
        count += take;
    }
    DHO_TRY_GOTO(dho_alloc(&out->ids, (size_t)count, sizeof *out->ids, "labelled subset"));
    for (int64_t i = 0; i < dho_dataset_heap_start(dataset); i++)
        if (taken[i]) out->ids[out->count++] = i;
fail:
    dho_free(taken);
    dho_free(starts);
    dho_free(ids);
    return status;
}

typedef struct shots_quota {
    int shots;
    int32_t small; /* classes with fewer images */
    int32_t label; /* the smallest of them ... */
    int64_t least; /* ... and its images */
} shots_quota;

static dho_status take_shots(void *context, const dho_dataset *dataset, int32_t label, int64_t n,
                             int64_t *out_take)
{
    shots_quota *found = context;
    (void)dataset;
    *out_take = n < found->shots ? n : found->shots;
    if (n >= found->shots) return DHO_OK;
    if (found->small++ == 0 || n < found->least) {
        found->label = label;
        found->least = n;
    }
    return DHO_OK;
}

/* Into a list that has every image of the small classes once: draws of them, with repetition, until
 * each class has `shots`. */
static dho_status repeat_small(dho_id_list *inout, const dho_dataset *dataset, int shots,
                               uint64_t seed)
{
    int64_t *ids = NULL, *starts = NULL, *times = NULL, count = 0;
    dho_status status;
    dho_id_list out = {0};
    DHO_TRY_GOTO(group_by_class(dataset, &ids, &starts));
    DHO_TRY_GOTO(dho_alloc_zero(&times, (size_t)dho_dataset_heap_start(dataset), sizeof *times,
                                "labelled subset"));
    for (int64_t i = 0; i < inout->count; i++) times[inout->ids[i]] = 1;
    for (int32_t label = 0; label < dataset->classes; label++) {
        const int64_t *own = ids + starts[label], n = starts[label + 1] - starts[label];
        count += n > 0 ? shots : 0;
        if (n == 0 || n >= shots) continue;
        dho_rng rng;
        dho_rng_init(&rng, seed, DHO_RNG_SUBSET, 1, (uint64_t)label);
        for (int64_t i = 0; i < n; i++) times[own[i]] = 0;
        for (int k = 0; k < shots; k++) times[own[dho_rng_below(&rng, (uint32_t)n)]]++;
    }
    DHO_TRY_GOTO(dho_alloc(&out.ids, (size_t)count, sizeof *out.ids, "labelled subset"));
    for (int64_t i = 0; i < dho_dataset_heap_start(dataset); i++)
        for (int64_t k = 0; k < times[i]; k++) out.ids[out.count++] = i;
    dho_id_list_free(inout);
    *inout = out;
fail:
    dho_free(times);
    dho_free(starts);
    dho_free(ids);
    return status;
}

dho_status dho_subset_shots(dho_id_list *out, const dho_dataset *dataset, int shots, bool repeat,
                            uint64_t seed)
{
    *out = (dho_id_list){0};
    if (shots < 1) return dho_fail(DHO_ERR_CONFIG, "%d shots: must be at least 1", shots);
    shots_quota found = {.shots = shots};
    DHO_TRY(draw_per_class(out, dataset, seed, take_shots, &found));
    if (found.small > 0)
        dho_info("%s: %d of %d classes have fewer than %d images (class %d \"%s\": %lld): %s",
                 dataset->root, (int)found.small, (int)dataset->classes, shots, (int)found.label,
                 dataset->class_names[found.label], (long long)found.least,
                 repeat ? "some of them are repeated" : "all of them are taken");
    return repeat && found.small > 0 ? repeat_small(out, dataset, shots, seed) : DHO_OK;
}

static dho_status take_percent(void *context, const dho_dataset *dataset, int32_t label, int64_t n,
                               int64_t *out_take)
{
    (void)dataset;
    (void)label;
    const int64_t rounded = llround(*(const double *)context * (double)n / 100.0);
    *out_take = rounded < 1 && n > 0 ? 1 : rounded;
    return DHO_OK;
}

dho_status dho_subset_percent(dho_id_list *out, const dho_dataset *dataset, double percent,
                              uint64_t seed)
{
    *out = (dho_id_list){0};
    if (!(percent > 0 && percent <= 100))
        return dho_fail(DHO_ERR_CONFIG, "%g percent: must be above 0 and at most 100", percent);
    return draw_per_class(out, dataset, seed, take_percent, &percent);
}

/* The method's balanced split, number for number (dho/dataset.h says from where). */
#include "base/mt19937.h"
#include "dho/alloc.h"
#include "dho/dataset.h"

#include <math.h>

/* The classes that have images, in ascending order. */
typedef struct balance {
    int64_t *counts; /* owned, [classes]: images */
    double *wanted;  /* owned, [classes]: k_l before rounding */
    int64_t *take;   /* owned, [classes] */
    int32_t classes;
} balance;

static void balance_free(balance *b)
{
    dho_free(b->counts);
    dho_free(b->wanted);
    dho_free(b->take);
}

/* Rounds wanted[] into take[]; returns the sum. */
static int64_t round_in_cascade(balance *b)
{
    double sum = 0;
    int64_t total = 0;
    for (int32_t l = 0; l < b->classes; l++) {
        sum += b->wanted[l];
        const double rounded = sum - floor(sum) > 0.5 ? ceil(b->wanted[l]) : floor(b->wanted[l]);
        b->take[l] = (int64_t)rounded < b->counts[l] ? (int64_t)rounded : b->counts[l];
        total += b->take[l];
    }
    return total;
}

static void plan(balance *b, int64_t images, double part)
{
    const double classes = b->classes, even = (double)images / classes * part - 1.0;
    for (int32_t l = 0; l < b->classes; l++)
        b->wanted[l] = fmax(fmin(even, (double)b->counts[l]), 1.0);
    while ((double)round_in_cascade(b) < (double)images * part)
        for (int32_t l = 0; l < b->classes; l++)
            b->wanted[l] = fmin(b->wanted[l] + 1.0 / classes, (double)b->counts[l]);
}

static dho_status count_classes(balance *out, const dho_dataset *dataset)
{
    const size_t classes = (size_t)dataset->classes;
    DHO_TRY(dho_alloc_zero(&out->counts, classes, sizeof *out->counts, "balanced subset"));
    DHO_TRY(dho_alloc(&out->wanted, classes, sizeof *out->wanted, "balanced subset"));
    DHO_TRY(dho_alloc(&out->take, classes, sizeof *out->take, "balanced subset"));
    for (int64_t i = 0; i < dho_dataset_heap_start(dataset); i++)
        out->counts[dataset->samples[i].label]++;
    for (size_t c = 0; c < classes; c++)
        if (out->counts[c] > 0) out->counts[out->classes++] = out->counts[c];
    return DHO_OK;
}

static dho_status draw(const balance *b, const dho_dataset *dataset, uint32_t seed, bool *taken)
{
    int64_t *ids, *starts;
    DHO_TRY(
        dho_alloc(&ids, (size_t)dho_dataset_heap_start(dataset), sizeof *ids, "balanced subset"));
    const dho_status status =
        dho_alloc_zero(&starts, (size_t)dataset->classes + 1, sizeof *starts, "balanced subset");
    if (status != DHO_OK) {
        dho_free(ids);
        return status;
    }
    /* starts[c + 1] counts class c at first, then is where its next id goes. */
    for (int64_t i = 0; i < dho_dataset_heap_start(dataset); i++)
        starts[dataset->samples[i].label + 1]++;
    for (int32_t c = 1; c <= dataset->classes; c++) starts[c] += starts[c - 1];
    for (int64_t i = 0; i < dho_dataset_heap_start(dataset); i++)
        ids[starts[dataset->samples[i].label]++] = i;
    dho_mt19937 rng;
    dho_mt19937_seed(&rng, seed);
    int64_t first = 0;
    for (int32_t l = 0; l < b->classes; l++) {
        dho_mt19937_shuffle(&rng, ids + first, b->counts[l]);
        for (int64_t i = 0; i < b->take[l]; i++) taken[ids[first + i]] = true;
        first += b->counts[l];
    }
    dho_free(starts);
    dho_free(ids);
    return DHO_OK;
}

dho_status dho_subset_balanced(dho_id_list *out, const dho_dataset *dataset, double percent,
                               uint64_t seed)
{
    balance b = {0};
    bool *taken = NULL;
    dho_status status;
    *out = (dho_id_list){0};
    if (!(percent > 0 && percent <= 100))
        return dho_fail(DHO_ERR_CONFIG, "%g percent: must be above 0 and at most 100", percent);
    if (percent == 100) return dho_subset_all(out, dataset);
    DHO_TRY_GOTO(count_classes(&b, dataset));
    DHO_TRY_GOTO(dho_alloc_zero(&taken, (size_t)dho_dataset_heap_start(dataset), sizeof *taken,
                                "balanced subset"));
    plan(&b, dho_dataset_heap_start(dataset), percent / 100.0);
    DHO_TRY_GOTO(draw(&b, dataset, (uint32_t)seed, taken));
    int64_t count = 0;
    for (int32_t l = 0; l < b.classes; l++) count += b.take[l];
    DHO_TRY_GOTO(dho_alloc(&out->ids, (size_t)count, sizeof *out->ids, "balanced subset"));
    for (int64_t i = 0; i < dho_dataset_heap_start(dataset); i++)
        if (taken[i]) out->ids[out->count++] = i;
fail:
    dho_free(taken);
    balance_free(&b);
    return status;
}

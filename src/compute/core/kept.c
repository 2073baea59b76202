#include "compute/core/kept.h"

#include "dho/alloc.h"

/* A range of floats that stay as they are. */
typedef struct dho_kept_range {
    struct dho_kept_range *next;
    const float *begin, *end; /* borrowed */
} range;

dho_status dho_compute_keep_weights(dho_compute *compute, const float *from, size_t count)
{
    range *r;
    if (compute->floats != NULL) DHO_TRY(dho_compute_keep_weights(compute->floats, from, count));
    DHO_TRY(dho_alloc(&r, 1, sizeof *r, "kept weights"));
    *r = (range){.next = compute->kept_ranges, .begin = from, .end = from + count};
    compute->kept_ranges = r;
    return DHO_OK;
}

void dho_compute_release_weights(dho_compute *compute)
{
    if (compute->floats != NULL) dho_compute_release_weights(compute->floats);
    while (compute->kept_ranges != NULL) {
        range *r = compute->kept_ranges;
        compute->kept_ranges = r->next;
        dho_free(r);
    }
    while (compute->kept != NULL) {
        dho_kept *k = compute->kept;
        compute->kept = k->next;
        dho_free(k->data);
        dho_free(k);
    }
}

static bool stays(const dho_compute *compute, const float *from)
{
    for (const range *r = compute->kept_ranges; r != NULL; r = r->next)
        if (from >= r->begin && from < r->end) return true;
    return false;
}

const dho_kept *dho_kept_next(const dho_compute *compute, const float *from, const dho_kept *last)
{
    const dho_kept *k = last != NULL ? last->next : compute->kept;
    while (k != NULL && k->from != from) k = k->next;
    return k;
}

void *dho_kept_add(dho_compute *compute, const float *from, const void *by, size_t bytes)
{
    dho_kept *k;
    void *data;
    if (!stays(compute, from)) return NULL;
    if (dho_alloc(&data, bytes, 1, "kept weights") != DHO_OK) return NULL;
    if (dho_alloc(&k, 1, sizeof *k, "kept weights") != DHO_OK) {
        dho_free(data);
        return NULL;
    }
    *k = (dho_kept){.next = compute->kept, .from = from, .by = by, .data = data};
    compute->kept = k;
    return data;
}

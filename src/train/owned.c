#include "train/owned.h"

#include "dho/alloc.h"

#include <string.h>

static size_t bucket_end(const dho_owned *owned, size_t begin)
{
    const size_t left = owned->parameter_floats - begin;
    return begin + (left < owned->bucket ? left : owned->bucket);
}

dho_status dho_owned_create(dho_owned *out, dho_comm *comm, bool sharded, size_t parameter_floats,
                            size_t bucket)
{
    *out = (dho_owned){.comm = comm,
                       .sharded = sharded && dho_comm_size(comm) > 1,
                       .parameter_floats = parameter_floats,
                       .bucket = bucket};
    if (!out->sharded) out->bucket = parameter_floats > 0 ? parameter_floats : 1;
    const size_t most = parameter_floats / out->bucket + 1;
    DHO_TRY(dho_alloc(&out->items, most, sizeof *out->items, "optimizer state"));
    for (size_t begin = 0; begin < parameter_floats; begin = bucket_end(out, begin)) {
        dho_comm_range own = {0, parameter_floats};
        if (out->sharded) own = dho_comm_own_range(comm, bucket_end(out, begin) - begin);
        if (own.begin == own.end) continue;
        out->items[out->count++] =
            (dho_owned_range){begin + own.begin, begin + own.end, out->floats};
        out->floats += own.end - own.begin;
    }
    return DHO_OK;
}

void dho_owned_free(dho_owned *owned)
{
    dho_free(owned->items);
    *owned = (dho_owned){0};
}

dho_status dho_owned_spread(const dho_owned *owned, float *slab)
{
    if (!owned->sharded) return DHO_OK;
    for (size_t begin = 0; begin < owned->parameter_floats; begin = bucket_end(owned, begin))
        DHO_TRY(
            dho_comm_spread(owned->comm, slab + begin, bucket_end(owned, begin) - begin, false));
    return DHO_OK;
}

void dho_owned_take(const dho_owned *owned, const float *whole, float *moments)
{
    for (size_t i = 0; i < owned->count; i++) {
        const dho_owned_range *r = &owned->items[i];
        memcpy(moments + r->moment, whole + r->begin, (r->end - r->begin) * sizeof *moments);
    }
}

dho_status dho_owned_gather(const dho_owned *owned, const float *moments, float *out_whole)
{
    for (size_t i = 0; i < owned->count; i++) {
        const dho_owned_range *r = &owned->items[i];
        memcpy(out_whole + r->begin, moments + r->moment, (r->end - r->begin) * sizeof *moments);
    }
    return dho_owned_spread(owned, out_whole);
}

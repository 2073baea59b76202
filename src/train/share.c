#include "train/share.h"

#include "dho/alloc.h"
#include "dho/comm.h"

static const char what[] = "microbatches";

/* The rank's places, and which microbatches stand there. */
static dho_status take_places(dho_share *share, int leaves, int ranks, int rank)
{
    int *order = NULL, *places = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&order, (size_t)leaves, sizeof *order, what));
    DHO_TRY_GOTO(dho_alloc(&places, (size_t)ranks + 1, sizeof *places, what));
    dho_tree_order(leaves, order);
    dho_tree_cut(leaves, 0, leaves, ranks, places);
    share->first = places[rank];
    share->count = places[rank + 1] - places[rank];
    DHO_TRY_GOTO(dho_alloc(&share->shards, (size_t)share->count, sizeof *share->shards, what));
    for (int i = 0; i < share->count; i++) share->shards[i] = order[share->first + i];
fail:
    dho_free(order);
    dho_free(places);
    return status;
}

/* Each lane's first, then each lane's second, and so on. */
static void order_wanted(dho_share *share)
{
    int done = 0;
    for (int k = 0; done < share->count; k++)
        for (int lane = 0; lane < share->lane_count; lane++)
            if (share->lane_first[lane] + k < share->lane_first[lane + 1]) {
                share->wanted[done] = share->shards[share->lane_first[lane] + k - share->first];
                share->wanted_by[done++] = lane;
            }
}

/* The slots that a lane's stack needs. */
static int deepest(const int *merges, int count)
{
    int depth = 0, most = 0;
    for (int i = 0; i < count; i++) {
        depth++;
        if (depth > most) most = depth;
        depth -= merges[i];
    }
    return most;
}

static dho_status open_lanes(dho_share *share, int leaves)
{
    const size_t n = (size_t)share->count, lanes = (size_t)share->lane_count;
    DHO_TRY(dho_alloc(&share->lane_first, lanes + 1, sizeof *share->lane_first, what));
    DHO_TRY(dho_alloc(&share->lane_slot, lanes + 1, sizeof *share->lane_slot, what));
    DHO_TRY(dho_alloc(&share->merges, n, sizeof *share->merges, what));
    DHO_TRY(dho_alloc(&share->wanted, n, sizeof *share->wanted, what));
    DHO_TRY(dho_alloc(&share->wanted_by, n, sizeof *share->wanted_by, what));
    dho_tree_cut(leaves, share->first, share->count, share->lane_count, share->lane_first);
    order_wanted(share);
    share->lane_slot[0] = 0;
    for (size_t l = 0; l < lanes; l++) {
        const int first = share->lane_first[l], count = share->lane_first[l + 1] - first;
        int *merges = share->merges + (first - share->first);
        dho_tree_merges(leaves, first, NULL, count, merges);
        share->lane_slot[l + 1] = share->lane_slot[l] + deepest(merges, count);
    }
    share->slots = share->lane_slot[lanes];
    return DHO_OK;
}

/* The lanes' sums are put on one stack of slots. */
static dho_status fold(dho_share *share, int leaves)
{
    int *counts = NULL, *merges = NULL, n = 0;
    dho_status status;
    const size_t most = (size_t)share->slots;
    DHO_TRY_GOTO(dho_alloc(&counts, most, sizeof *counts, what));
    DHO_TRY_GOTO(dho_alloc(&merges, most, sizeof *merges, what));
    DHO_TRY_GOTO(dho_alloc(&share->sums, most, sizeof *share->sums, what));
    DHO_TRY_GOTO(dho_alloc(&share->folds, most, sizeof *share->folds, what));
    for (int lane = 0; lane < share->lane_count; lane++) {
        const int first = share->lane_first[lane];
        n += dho_tree_sums(leaves, first, share->lane_first[lane + 1] - first, counts + n);
    }
    dho_tree_merges(leaves, share->first, counts, n, merges);
    n = 0;
    for (int lane = 0; lane < share->lane_count; lane++) {
        const int first = share->lane_first[lane];
        const int sums = dho_tree_sums(leaves, first, share->lane_first[lane + 1] - first, NULL);
        for (int s = 0; s < sums; s++, n++) {
            share->sums[share->sum_count++] = share->lane_slot[lane] + s;
            for (int m = 0; m < merges[n]; m++, share->sum_count--, share->fold_count++) {
                share->folds[share->fold_count][0] = share->sums[share->sum_count - 2];
                share->folds[share->fold_count][1] = share->sums[share->sum_count - 1];
            }
        }
    }
fail:
    dho_free(counts);
    dho_free(merges);
    return status;
}

dho_status dho_share_create(dho_share *out, int leaves, int ranks, int rank, int lanes)
{
    *out = (dho_share){0};
    dho_status status;
    DHO_TRY_GOTO(take_places(out, leaves, ranks, rank));
    out->lane_count = lanes < out->count ? lanes : out->count;
    DHO_TRY_GOTO(open_lanes(out, leaves));
    DHO_TRY_GOTO(fold(out, leaves));
    return DHO_OK;
fail:
    dho_share_free(out);
    return status;
}

void dho_share_free(dho_share *share)
{
    dho_free(share->lane_first);
    dho_free(share->lane_slot);
    dho_free(share->shards);
    dho_free(share->merges);
    dho_free(share->wanted);
    dho_free(share->wanted_by);
    dho_free(share->folds);
    dho_free(share->sums);
    *share = (dho_share){0};
}

void dho_share_merge(const dho_share *share, float *slabs, size_t stride, size_t begin, size_t end,
                     const dho_rounding *rounding)
{
    for (int i = 0; i < share->fold_count; i++)
        dho_add_floats(rounding, begin, slabs + (size_t)share->folds[i][0] * stride + begin,
                       slabs + (size_t)share->folds[i][1] * stride + begin, end - begin);
}

void dho_share_sums(const dho_share *share, float *slabs, size_t stride, float **out_sums)
{
    for (int i = 0; i < share->sum_count; i++)
        out_sums[i] = slabs + (size_t)share->sums[i] * stride;
}

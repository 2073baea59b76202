/* What a rank's threads compute meets what the tree says, for every number of ranks and threads. */
#include "check_main.h"
#include "dho/comm.h"
#include "train/share.h"

enum { MOST = 20 };

static double leaf(int v)
{
    return 1.0 / (v + 3);
}

static float node(int n, int v, int stride)
{
    if (v + stride >= n) return (float)leaf(v);
    return node(n, v, 2 * stride) + node(n, v + stride, 2 * stride);
}

/* Each lane's stack of slots, then the folds. Returns the number of sums, in slots. */
static int compute(const dho_share *share, float *slots, bool *computed)
{
    for (int lane = 0; lane < share->lane_count; lane++) {
        int top = share->lane_slot[lane];
        for (int p = share->lane_first[lane]; p < share->lane_first[lane + 1]; p++) {
            const int i = p - share->first, v = share->shards[i];
            ck_assert(!computed[v]);
            computed[v] = true;
            ck_assert_int_lt(top, share->lane_slot[lane + 1]);
            slots[top] = (float)leaf(v);
            for (int m = 0; m < share->merges[i]; m++, top--) slots[top - 1] += slots[top];
            top++;
        }
    }
    for (int f = 0; f < share->fold_count; f++)
        slots[share->folds[f][0]] += slots[share->folds[f][1]];
    return share->sum_count;
}

/* Round-robin over the lanes, each in its own order. */
static void check_wanted(const dho_share *share)
{
    int next[MOST] = {0};
    for (int w = 0; w < share->count; w++) {
        int i = 0;
        while (share->shards[i] != share->wanted[w]) i++;
        const int lane = share->wanted_by[w];
        ck_assert_int_lt(share->first + i, share->lane_first[lane + 1]);
        ck_assert_int_eq(share->first + i, share->lane_first[lane] + next[lane]++);
    }
}

START_TEST(test_any_ranks_any_lanes)
{
    const int leaves = _i;
    for (int ranks = 1; ranks <= leaves; ranks++) {
        for (int lanes = 1; lanes <= 5; lanes++) {
            bool computed[MOST] = {0};
            int counts[MOST], merges[MOST], total = 0, depth = 0;
            float sums[MOST], stack[MOST];
            for (int rank = 0; rank < ranks; rank++) {
                float slots[MOST];
                dho_share share;
                ck_assert_ok(dho_share_create(&share, leaves, ranks, rank, lanes));
                ck_assert_int_le(share.lane_count, lanes);
                check_wanted(&share);
                const int own = compute(&share, slots, computed);
                ck_assert_int_eq(dho_tree_sums(leaves, share.first, share.count, counts + total),
                                 own);
                ck_assert_int_eq(share.sums[0], 0);
                for (int s = 0; s < own; s++) sums[total++] = slots[share.sums[s]];
                dho_share_free(&share);
            }
            ck_assert_int_eq(dho_tree_merges(leaves, 0, counts, total, merges), 1);
            for (int i = 0; i < total; i++) {
                stack[depth++] = sums[i];
                for (int m = 0; m < merges[i]; m++, depth--) stack[depth - 2] += stack[depth - 1];
            }
            const float expected = node(leaves, 0, 1);
            ck_assert_mem_eq(&stack[0], &expected, sizeof expected);
        }
    }
}
END_TEST

START_TEST(test_no_memory)
{
    dho_share share;
    ck_assert_allocations(dho_share_create(&share, 16, 3, 1, 2));
    dho_share_free(&share);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("share");
    TCase *tests = tcase_create("share");
    tcase_add_loop_test(tests, test_any_ranks_any_lanes, 1, MOST);
    tcase_add_test(tests, test_no_memory);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

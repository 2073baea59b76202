#include "check_main.h"
#include "dho/comm.h"
#include "dho/rng.h"

#include <limits.h>
#include <string.h>

enum { MAX_LEAVES = 64 };

/* The definition, over microbatches v, v + 2^k, ... below n. */
static float node(const float *leaves, int n, int v, int k)
{
    int stride = 1 << k;
    if (v + stride >= n) return leaves[v];
    return node(leaves, n, v, k + 1) + node(leaves, n, v + stride, k + 1);
}

static void fill(float *leaves, int n, uint64_t seed)
{
    dho_rng rng;
    dho_rng_init(&rng, seed, DHO_RNG_TEST, 0, 0);
    for (int i = 0; i < n; i++) leaves[i] = (float)dho_rng_normal(&rng);
}

/* What a trainer does with the order: each leaf into the next free slot, then the merges. */
static float sum_in_order(const float *leaves, int n, int *out_peak)
{
    int order[MAX_LEAVES], merges[MAX_LEAVES], seen[MAX_LEAVES] = {0}, live = 0;
    float slots[MAX_LEAVES];
    dho_tree_order(n, order, merges);
    *out_peak = 0;
    for (int k = 0; k < n; k++) {
        ck_assert_int_ge(order[k], 0);
        ck_assert_int_lt(order[k], n);
        ck_assert_int_eq(seen[order[k]]++, 0);
        slots[live++] = leaves[order[k]];
        if (live > *out_peak) *out_peak = live;
        for (int m = 0; m < merges[k]; m++) {
            ck_assert_int_ge(live, 2);
            slots[live - 2] += slots[live - 1];
            live--;
        }
    }
    ck_assert_int_eq(live, 1);
    return slots[0];
}

START_TEST(test_order_evaluates_the_tree)
{
    const int n = _i;
    float leaves[MAX_LEAVES];
    int peak;
    fill(leaves, n, (uint64_t)n);
    const float expected = node(leaves, n, 0, 0), got = sum_in_order(leaves, n, &peak);
    ck_assert_mem_eq(&got, &expected, sizeof got);
    ck_assert_int_eq(peak, dho_tree_depth(n));
}
END_TEST

/* The local subtrees of P ranks, merged over the bits of the rank, give the tree of P = 1. */
START_TEST(test_subtrees_meet_the_whole)
{
    const int total = _i;
    float leaves[MAX_LEAVES];
    fill(leaves, total, 1000 + (uint64_t)total);
    const float expected = node(leaves, total, 0, 0);
    for (int ranks = 1; ranks <= total; ranks *= 2) {
        float partial[MAX_LEAVES], local[MAX_LEAVES];
        for (int rank = 0; rank < ranks; rank++) {
            int n = 0, peak;
            for (int v = rank; v < total; v += ranks) local[n++] = leaves[v];
            partial[rank] = sum_in_order(local, n, &peak);
        }
        for (int bit = ranks / 2; bit > 0; bit /= 2)
            for (int rank = 0; rank < bit; rank++) partial[rank] += partial[rank + bit];
        ck_assert_mem_eq(&partial[0], &expected, sizeof expected);
    }
}
END_TEST

START_TEST(test_order_of_known_trees)
{
    const int order4[] = {0, 2, 1, 3}, merges4[] = {0, 1, 0, 2};
    const int order7[] = {0, 4, 2, 6, 1, 5, 3}, merges7[] = {0, 1, 0, 2, 0, 1, 2};
    int order[7], merges[7];
    dho_tree_order(4, order, merges);
    ck_assert_mem_eq(order, order4, sizeof order4);
    ck_assert_mem_eq(merges, merges4, sizeof merges4);
    dho_tree_order(7, order, merges);
    ck_assert_mem_eq(order, order7, sizeof order7);
    ck_assert_mem_eq(merges, merges7, sizeof merges7);
}
END_TEST

START_TEST(test_depth_at_the_ends)
{
    ck_assert_int_eq(dho_tree_depth(0), 0);
    ck_assert_int_eq(dho_tree_depth(1), 1);
    ck_assert_int_eq(dho_tree_depth(33), 6);
    ck_assert_int_eq(dho_tree_depth(INT_MAX), 31);
    dho_tree_order(0, NULL, NULL); /* nothing to write */
}
END_TEST

START_TEST(test_serial_communicator)
{
    dho_comm *comm;
    void *all;
    size_t bytes[1];
    float data[3] = {1, 2, 3};
    int64_t number = -5;
    ck_assert_ok(dho_comm_create_serial(&comm));
    ck_assert_int_eq(dho_comm_rank(comm), 0);
    ck_assert_int_eq(dho_comm_size(comm), 1);
    ck_assert_uint_gt(strlen(dho_comm_host(comm)), 0);
    ck_assert_ok(dho_comm_tree_sum(comm, data, 3));
    ck_assert(data[0] == 1 && data[1] == 2 && data[2] == 3);
    ck_assert_ok(dho_comm_max_int64(comm, &number, 1));
    ck_assert_ok(dho_comm_sum_int64(comm, &number, 1));
    ck_assert_int_eq(number, -5);
    ck_assert_ok(dho_comm_gather(comm, "abc", 3, &all, bytes));
    ck_assert_uint_eq(bytes[0], 3);
    ck_assert_mem_eq(all, "abc", 3);
    dho_free(all);
    ck_assert_ok(dho_comm_gather(comm, NULL, 0, &all, NULL));
    dho_free(all);
    dho_alloc_fail_at(1);
    ck_assert_fails(dho_comm_gather(comm, "abc", 3, &all, NULL), DHO_ERR_MEMORY, "gathered");
    ck_assert_ptr_null(all);
    ck_assert_ok(dho_comm_broadcast(comm, data, sizeof data, 0));
    ck_assert_fails(dho_comm_broadcast(comm, data, sizeof data, 1), DHO_ERR_COMM, "rank 1");
    ck_assert_ok(dho_comm_barrier(comm));
    ck_assert_ok(dho_comm_check_equal(comm, "x", 1, "x"));
    ck_assert_ok(dho_comm_agree(comm, DHO_OK));
    ck_assert_fails(dho_comm_agree(comm, dho_fail(DHO_ERR_IO, "no file")), DHO_ERR_IO, "no file");
    dho_comm_destroy(&comm);
    ck_assert_ptr_null(comm);
    dho_comm_destroy(&comm);
    dho_alloc_fail_at(1);
    ck_assert_fails(dho_comm_create_serial(&comm), DHO_ERR_MEMORY, "communicator");
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tree");
    TCase *tests = tcase_create("tree");
    tcase_add_loop_test(tests, test_order_evaluates_the_tree, 1, 34);
    tcase_add_loop_test(tests, test_subtrees_meet_the_whole, 1, 34);
    tcase_add_test(tests, test_order_of_known_trees);
    tcase_add_test(tests, test_depth_at_the_ends);
    tcase_add_test(tests, test_serial_communicator);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

#include "check_main.h"
#include "dho/comm.h"
#include "dho/rng.h"

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

/* What a trainer does: each leaf of a part into the next free slot, then the merges. The sums that
 * are left come out in out[]. */
static int sum_part(const float *leaves, int n, int first, int count, float *out)
{
    int order[MAX_LEAVES], merges[MAX_LEAVES], counts[DHO_TREE_SUMS], live = 0, covered = 0;
    dho_tree_order(n, order);
    const int left = dho_tree_merges(n, first, NULL, count, merges);
    for (int k = 0; k < count; k++) {
        out[live++] = leaves[order[first + k]];
        for (int m = 0; m < merges[k]; m++, live--) {
            ck_assert_int_ge(live, 2);
            out[live - 2] += out[live - 1];
        }
    }
    ck_assert_int_eq(live, left);
    ck_assert_int_eq(dho_tree_sums(n, first, count, counts), left);
    for (int i = 0; i < left; i++) covered += counts[i];
    ck_assert_int_eq(covered, count);
    return live;
}

START_TEST(test_order_evaluates_the_tree)
{
    const int n = _i;
    float leaves[MAX_LEAVES], sums[MAX_LEAVES];
    int order[MAX_LEAVES], seen[MAX_LEAVES] = {0};
    fill(leaves, n, (uint64_t)n);
    dho_tree_order(n, order);
    for (int i = 0; i < n; i++) ck_assert_int_eq(seen[order[i]]++, 0);
    const float expected = node(leaves, n, 0, 0);
    ck_assert_int_eq(sum_part(leaves, n, 0, n, sums), 1);
    ck_assert_mem_eq(&sums[0], &expected, sizeof expected);
}
END_TEST

/* The sums of any number of parts, put on one stack, give the tree; parts are as even as can be. */
START_TEST(test_parts_meet_the_whole)
{
    const int n = _i;
    float leaves[MAX_LEAVES];
    fill(leaves, n, 1000 + (uint64_t)n);
    const float expected = node(leaves, n, 0, 0);
    for (int parts = 1; parts <= n; parts++) {
        int first[MAX_LEAVES + 1], counts[MAX_LEAVES], merges[MAX_LEAVES], sums = 0, live = 0;
        float partial[MAX_LEAVES], stack[MAX_LEAVES];
        dho_tree_cut(n, 0, n, parts, first);
        ck_assert_int_eq(first[0], 0);
        ck_assert_int_eq(first[parts], n);
        for (int p = 0; p < parts; p++) {
            const int count = first[p + 1] - first[p];
            ck_assert_int_ge(count, 1);
            ck_assert_int_le(count, (n + parts - 1) / parts);
            const int own = sum_part(leaves, n, first[p], count, partial + sums);
            if ((parts & (parts - 1)) == 0) ck_assert_int_eq(own, 1);
            dho_tree_sums(n, first[p], count, counts + sums);
            sums += own;
        }
        ck_assert_int_eq(dho_tree_merges(n, 0, counts, sums, merges), 1);
        for (int i = 0; i < sums; i++) {
            stack[live++] = partial[i];
            for (int m = 0; m < merges[i]; m++, live--) stack[live - 2] += stack[live - 1];
        }
        ck_assert_int_eq(live, 1);
        ck_assert_mem_eq(&stack[0], &expected, sizeof expected);
    }
}
END_TEST

START_TEST(test_known_trees)
{
    const int order4[] = {0, 2, 1, 3}, merges4[] = {0, 1, 0, 2};
    const int order7[] = {0, 4, 2, 6, 1, 5, 3}, merges7[] = {0, 1, 0, 2, 0, 1, 2};
    const int cut16[] = {0, 4, 8, 12, 14, 16}, sums10[] = {2, 1};
    int order[7], merges[7], first[6], counts[DHO_TREE_SUMS];
    dho_tree_order(4, order);
    dho_tree_merges(4, 0, NULL, 4, merges);
    ck_assert_mem_eq(order, order4, sizeof order4);
    ck_assert_mem_eq(merges, merges4, sizeof merges4);
    dho_tree_order(7, order);
    dho_tree_merges(7, 0, NULL, 7, merges);
    ck_assert_mem_eq(order, order7, sizeof order7);
    ck_assert_mem_eq(merges, merges7, sizeof merges7);
    dho_tree_cut(16, 0, 16, 5, first);
    ck_assert_mem_eq(first, cut16, sizeof cut16);
    ck_assert_int_eq(dho_tree_sums(16, 10, 3, counts), 2);
    ck_assert_mem_eq(counts, sums10, sizeof sums10);
    dho_tree_order(0, NULL); /* nothing to write */
}
END_TEST

/* A part that is cut again, as a rank's is among its threads. */
START_TEST(test_parts_of_parts)
{
    int first[4], again[3];
    dho_tree_cut(16, 0, 16, 3, first);
    for (int p = 0; p < 3; p++) {
        dho_tree_cut(16, first[p], first[p + 1] - first[p], 2, again);
        ck_assert_int_eq(again[0], first[p]);
        ck_assert_int_eq(again[2], first[p + 1]);
        ck_assert_int_gt(again[1], again[0]);
        ck_assert_int_lt(again[1], again[2]);
    }
}
END_TEST

START_TEST(test_serial_communicator)
{
    dho_comm *comm;
    void *all;
    size_t bytes[1];
    float data[3] = {1, 2, 3}, *sums = data;
    int64_t number = -5;
    ck_assert_ok(dho_comm_create_serial(&comm));
    ck_assert_int_eq(dho_comm_rank(comm), 0);
    ck_assert_int_eq(dho_comm_size(comm), 1);
    ck_assert_uint_gt(strlen(dho_comm_host(comm)), 0);
    ck_assert_fails(dho_comm_set_tree(comm, 0), DHO_ERR_CONFIG, "microbatches");
    ck_assert_ok(dho_comm_set_tree(comm, 1));
    ck_assert_ok(dho_comm_tree_sum(comm, &sums, 0, 3, NULL));
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
    tcase_add_loop_test(tests, test_parts_meet_the_whole, 1, 34);
    tcase_add_test(tests, test_known_trees);
    tcase_add_test(tests, test_parts_of_parts);
    tcase_add_test(tests, test_serial_communicator);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

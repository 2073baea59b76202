/* Each rank runs every test in the same order, in one process (CK_NOFORK). What only one rank can
 * see goes through on_all_ranks(), so that all ranks fail a test together and none is left waiting
 * in a collective. Rank 0 prints the report. */
#include "mpi/mpi_main.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

static dho_comm *comm; /* set once in main, as the two below */
static int rank, size;

static bool on_all_ranks(bool condition, int line)
{
    int64_t failed = !condition;
    if (failed) fprintf(stderr, "%s:%d: fails on rank %d\n", __FILE__, line, rank);
    return dho_comm_max_int64(comm, &failed, 1) == DHO_OK && failed == 0;
}
#define check_all(condition) ck_assert(on_all_ranks((condition), __LINE__))

static float leaf(int v, size_t i)
{
    /* Any numbers whose sum depends on the order will do: a mixed integer over a wide range. */
    uint32_t x = (uint32_t)(i * 2654435761u) ^ (uint32_t)(v + 1) * 0x9E3779B9u;
    x = (x ^ x >> 15) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    return (float)(int32_t)x * (1 + (float)(x >> 28)) * 1e-9f;
}

/* The definition: node(v, k) with stride 2^k; of element i, which is number `at` in its slab. */
static float node(int n, int v, int64_t stride, size_t i, size_t at, const dho_rounding *rounding)
{
    if (v + stride >= n) {
        float x = leaf(v, i);
        dho_round_floats(rounding, at, &x, 1);
        return x;
    }
    float low = node(n, v, 2 * stride, i, at, rounding);
    const float high = node(n, (int)(v + stride), 2 * stride, i, at, rounding);
    dho_add_floats(rounding, at, &low, &high, 1);
    return low;
}

enum { MOST_SHARDS = 64, SLOTS = 2 * DHO_TREE_SUMS };

/* The trainer's use: a rank's microbatches in tree order, then the sum over ranks. Slots lie
 * `count` floats apart, and the sums begin `offset` floats after a slot's begin. */
static dho_status sum_shards(int shards, size_t offset, size_t count, float *slots,
                             const dho_rounding *rounding)
{
    int order[MOST_SHARDS], merges[MOST_SHARDS], first[MOST_SHARDS + 1], live = 0;
    float *sums[SLOTS];
    dho_tree_order(shards, order);
    dho_tree_cut(shards, 0, shards, size, first);
    const int n = first[rank + 1] - first[rank];
    dho_tree_merges(shards, first[rank], NULL, n, merges);
    for (int k = 0; k < n; k++) {
        sums[live] = slots + (size_t)live * (offset + count);
        for (size_t i = 0; i < count; i++) sums[live][offset + i] = leaf(order[first[rank] + k], i);
        dho_round_floats(rounding, offset, sums[live] + offset, count);
        live++;
        for (int m = 0; m < merges[k]; m++, live--)
            dho_add_floats(rounding, offset, sums[live - 2] + offset, sums[live - 1] + offset,
                           count);
    }
    DHO_TRY(dho_comm_set_tree(comm, shards));
    return dho_comm_tree_sum(comm, sums, offset, count, rounding);
}

static const int shard_counts[] = {4, 6, 7, 8, 16};
static const size_t lengths[] = {
    0, 1, 2, 3, 5, 1000, (1 << 20) / sizeof(float) + 3, (1 << 20) + 3, (5 << 19) + 1};
enum { SHARD_COUNTS = 5, LENGTHS = 9 };

static void check_tree_sum(int shards, size_t offset, size_t count, const dho_rounding *rounding)
{
    float *slots;
    check_all(dho_alloc(&slots, 8 * (offset + count) + 1, sizeof *slots, "s") == DHO_OK);
    ck_assert_ok(sum_shards(shards, offset, count, slots, rounding));
    size_t wrong = 0;
    /* The naive tree is slow: of long vectors every 97th element and both ends are compared. */
    for (size_t i = 0; i<count; i += count> 5000 && i > 50 && i + 150 < count ? 97 : 1) {
        const float expected = node(shards, 0, 1, i, offset + i, rounding);
        if (memcmp(&expected, &slots[offset + i], sizeof expected) != 0) wrong++;
    }
    check_all(wrong == 0);
    ck_assert_ok(dho_comm_check_equal(comm, slots + offset, count * sizeof *slots, "the sum"));
    dho_free(slots);
}

START_TEST(test_tree_sum)
{
    const int wanted = shard_counts[_i / LENGTHS], shards = wanted > size ? wanted : size;
    const dho_rounding rounding = dho_rounding_of_step(5, _i);
    check_tree_sum(shards, (size_t)(_i % 3), lengths[_i % LENGTHS], NULL);
    check_tree_sum(shards, (size_t)(_i % 3), lengths[_i % LENGTHS], &rounding);
}
END_TEST

START_TEST(test_tree_sum_allocates_nothing)
{
    float data[100] = {0}, *sums = data;
    ck_assert_ok(dho_comm_set_tree(comm, size));
    const int64_t before = dho_alloc_get_stats().calls;
    ck_assert_ok(dho_comm_tree_sum(comm, &sums, 0, 100, NULL));
    check_all(dho_alloc_get_stats().calls == before);
}
END_TEST

START_TEST(test_agree)
{
    char text[300];
    for (int first = 0; first < size; first++) {
        /* One fails. */
        dho_status local = rank == first ? dho_fail(DHO_ERR_IO, "f%d: gone", first) : DHO_OK;
        dho_status status = dho_comm_agree(comm, local);
        snprintf(text, sizeof text, size > 1 ? "rank %d (" : "", first);
        check_all(status == DHO_ERR_IO && strncmp(dho_error_message(), text, strlen(text)) == 0);
        snprintf(text, sizeof text, size > 1 ? "): f%d: gone" : "f%d: gone", first);
        check_all(strstr(dho_error_message(), text) != NULL);
        ck_assert_ok(dho_comm_check_equal(comm, dho_error_message(), strlen(dho_error_message()),
                                          "the message"));
        check_all(rank != first || size == 1 ||
                  strstr(dho_error_message(), dho_comm_host(comm)) != NULL);
        /* All from `first` on fail, each in its own way: the lowest counts. */
        local = rank >= first
                    ? dho_fail(rank == first ? DHO_ERR_FORMAT : DHO_ERR_MEMORY, "on %d", rank)
                    : DHO_OK;
        status = dho_comm_agree(comm, local);
        snprintf(text, sizeof text, "on %d", first);
        check_all(status == DHO_ERR_FORMAT && strstr(dho_error_message(), text) != NULL);
    }
}
END_TEST

START_TEST(test_agree_when_all_are_alike)
{
    ck_assert_ok(dho_comm_agree(comm, DHO_OK));
    dho_status status = dho_comm_agree(comm, dho_fail(DHO_ERR_CONFIG, "bad key"));
    check_all(status == DHO_ERR_CONFIG && strcmp(dho_error_message(), "bad key") == 0);
    status = dho_comm_agree(comm, dho_fail(DHO_PREEMPTED, "stopped"));
    check_all(status == DHO_PREEMPTED && strcmp(dho_error_message(), "stopped") == 0);
    /* The same text with different codes is not alike; rank 0's counts. */
    status = dho_comm_agree(comm, dho_fail(rank == 0 ? DHO_ERR_IO : DHO_ERR_FORMAT, "same"));
    check_all(status == DHO_ERR_IO && (size == 1 || strstr(dho_error_message(), "rank 0 (")));
    ck_assert_ok(dho_comm_agree(comm, DHO_OK));
}
END_TEST

START_TEST(test_check_equal)
{
    int64_t value = 7;
    ck_assert_ok(dho_comm_check_equal(comm, &value, sizeof value, "value"));
    ck_assert_ok(dho_comm_check_equal(comm, NULL, 0, "nothing"));
    if (size == 1) return;
    if (rank == size - 1) value = 8;
    char text[100];
    snprintf(text, sizeof text, "value differs between rank 0 and rank %d", size - 1);
    dho_status status = dho_comm_check_equal(comm, &value, sizeof value, "value");
    check_all(status == DHO_ERR_CONFIG && strcmp(dho_error_message(), text) == 0);
    /* Another length counts as well, and rank 0 being the odd one shows as rank 1. */
    status = dho_comm_check_equal(comm, "aa", rank == 0 ? 2 : 1, "text");
    check_all(status == DHO_ERR_CONFIG && strstr(dho_error_message(), "and rank 1") != NULL);
}
END_TEST

/* Rank r has (r % 2) * (r * 1000 + 3) bytes of value r: even ranks are empty. */
START_TEST(test_gather)
{
    unsigned char mine[8000];
    const size_t bytes = (size_t)(rank % 2) * ((size_t)rank * 1000 + 3);
    memset(mine, rank, sizeof mine);
    void *all = mine;
    size_t counts[64];
    ck_assert_ok(dho_comm_gather(comm, mine, bytes, &all, rank == 0 ? counts : NULL));
    bool good = rank == 0 ? all != NULL : all == NULL;
    const unsigned char *at = all;
    for (int r = 0; rank == 0 && r < size; r++) {
        good = good && counts[r] == (size_t)(r % 2) * ((size_t)r * 1000 + 3);
        for (size_t i = 0; good && i < counts[r]; i++) good = *at++ == r;
    }
    check_all(good);
    dho_free(all);
    ck_assert_ok(dho_comm_gather(comm, NULL, 0, &all, NULL));
    dho_free(all);
}
END_TEST

START_TEST(test_gather_without_memory)
{
    void *all;
    if (rank == 0) dho_alloc_fail_at(1);
    const dho_status status = dho_comm_gather(comm, "abc", 3, &all, NULL);
    check_all(status == DHO_ERR_MEMORY && all == NULL);
    check_all(strstr(dho_error_message(), "gathered data") != NULL);
}
END_TEST

START_TEST(test_broadcast)
{
    const size_t count = (size_t)3 << 20;
    uint64_t *data;
    check_all(dho_alloc_zero(&data, count, sizeof *data, "data") == DHO_OK);
    const int root = size - 1;
    if (rank == root)
        for (size_t i = 0; i < count; i++) data[i] = i * 0x9E3779B97F4A7C15u;
    ck_assert_ok(dho_comm_broadcast(comm, data, count * sizeof *data - 1, root));
    bool good = true;
    for (size_t i = 0; i + 1 < count; i++) good = good && data[i] == i * 0x9E3779B97F4A7C15u;
    check_all(good);
    dho_free(data);
    ck_assert_ok(dho_comm_broadcast(comm, NULL, 0, 0));
}
END_TEST

START_TEST(test_mpi_errors_come_back)
{
    char byte = 0;
    const dho_status status = dho_comm_broadcast(comm, &byte, 1, size);
    char text[100];
    snprintf(text, sizeof text, "MPI_Ibcast failed on rank %d (%s): MPI_ERR_ROOT", rank,
             dho_comm_host(comm));
    check_all(status == DHO_ERR_COMM && strstr(dho_error_message(), text) != NULL);
    ck_assert_ok(dho_comm_barrier(comm));
}
END_TEST

START_TEST(test_max_and_sum)
{
    int64_t most[3] = {rank, -rank, INT64_MIN + rank}, sum[2] = {(int64_t)1 << 40, rank};
    ck_assert_ok(dho_comm_max_int64(comm, most, 3));
    check_all(most[0] == size - 1 && most[1] == 0 && most[2] == INT64_MIN + size - 1);
    ck_assert_ok(dho_comm_sum_int64(comm, sum, 2));
    check_all(sum[0] == (int64_t)size << 40 && sum[1] == size * (size - 1) / 2);
    ck_assert_ok(dho_comm_sum_int64(comm, NULL, 0));
}
END_TEST

/* A second communicator on the same MPI; memory fails at each place on one rank only. */
START_TEST(test_create_fails_on_all_ranks_or_none)
{
    dho_comm *second = NULL;
    const int64_t live = dho_alloc_get_stats().live_blocks;
    int attempts = 0;
    for (dho_status status = DHO_ERR_MEMORY; status != DHO_OK; attempts++) {
        if (rank == size - 1) dho_alloc_fail_at(attempts + 1);
        status = dho_comm_create_mpi(&second, NULL, NULL);
        dho_alloc_fail_at(0);
        check_all(status == DHO_OK || (status == DHO_ERR_MEMORY && second == NULL));
        check_all(attempts < 10);
    }
    ck_assert_int_ge(attempts, 3);
    ck_assert_ok(dho_comm_barrier(second));
    dho_comm_destroy(&second);
    check_all(dho_alloc_get_stats().live_blocks == live);
    ck_assert_ok(dho_comm_barrier(comm)); /* MPI is still there */
}
END_TEST

typedef struct share_plan {
    int calls, last, fail_at; /* fail_at -1: never */
} share_plan;

static dho_status take_share(void *context, int i)
{
    share_plan *plan = context;
    plan->calls++;
    plan->last = i;
    if (i % size != rank) return dho_fail(DHO_ERR_INTERNAL, "%d is not of rank %d", i, rank);
    return i == plan->fail_at ? dho_fail(DHO_ERR_IO, "shard %d is broken", i) : DHO_OK;
}

START_TEST(test_share)
{
    const int count = _i; /* none, fewer than ranks, more */
    share_plan plan = {.last = -1, .fail_at = -1};
    ck_assert_ok(dho_comm_share(comm, count, take_share, &plan));
    check_all(plan.calls == (count - rank + size - 1) / size);
    plan = (share_plan){.last = -1, .fail_at = 1};
    const dho_status status = dho_comm_share(comm, count, take_share, &plan);
    check_all(count > 1 ? status == DHO_ERR_IO : status == DHO_OK);
    check_all(count <= 1 || strstr(dho_error_message(), "shard 1 is broken") != NULL);
    check_all(count <= 1 || plan.last / size <= 1 / size); /* nobody goes on behind it */
}
END_TEST

/* What is asked for is had, a share is at least one thread and all shares fit; what makes no sense
 * on one rank is refused on all. */
START_TEST(test_plan_threads)
{
    int threads = 0;
    ck_assert_ok(dho_comm_plan_threads(comm, 3, "the test", false, &threads));
    ck_assert_int_eq(threads, 3);
    ck_assert_ok(dho_comm_plan_threads(comm, 0, "the test", true, &threads));
    ck_assert_int_ge(threads, 1);
    int64_t sum = threads;
    ck_assert_ok(dho_comm_sum_int64(comm, &sum, 1));
    const int64_t online = sysconf(_SC_NPROCESSORS_ONLN);
    ck_assert_int_le(sum, size > online ? size : online);
    ck_assert_fails(
        dho_comm_plan_threads(comm, rank == size - 1 ? INT_MAX : 1, "the test", true, &threads),
        DHO_ERR_CONFIG, "the test: 2147483647 threads for each rank on ");
}
END_TEST

static Suite *comm_suite(void)
{
    rank = dho_comm_rank(comm);
    size = dho_comm_size(comm);
    Suite *suite = suite_create("comm");
    TCase *tests = tcase_create("comm");
    tcase_set_timeout(tests, 0); /* CTest's counts */
    tcase_add_loop_test(tests, test_tree_sum, 0, SHARD_COUNTS * LENGTHS);
    tcase_add_test(tests, test_tree_sum_allocates_nothing);
    tcase_add_test(tests, test_agree);
    tcase_add_test(tests, test_agree_when_all_are_alike);
    tcase_add_test(tests, test_check_equal);
    tcase_add_loop_test(tests, test_share, 0, 7);
    tcase_add_test(tests, test_gather);
    tcase_add_test(tests, test_gather_without_memory);
    tcase_add_test(tests, test_broadcast);
    tcase_add_test(tests, test_mpi_errors_come_back);
    tcase_add_test(tests, test_max_and_sum);
    tcase_add_test(tests, test_create_fails_on_all_ranks_or_none);
    tcase_add_test(tests, test_plan_threads);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(int argc, char **argv)
{
    return mpi_main(argc, argv, &comm, comm_suite);
}

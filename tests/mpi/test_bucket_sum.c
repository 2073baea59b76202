/* A sum whose buckets leave while "lanes" still compute gives what one sum at the end gives. */
#include "dho/bucket_sum.h"
#include "mpi/mpi_main.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

static dho_comm *comm; /* set once in main */
static int rank, size;

enum { LANES = 2, COUNT = 10000, BUCKET = 1536, STEPS = 5 };

typedef struct lanes {
    dho_bucket_sum *sum;
    float *of[LANES]; /* each lane's gradients, [COUNT] */
    size_t merged;    /* floats from there on are merged: in order, each once */
    bool out_of_order;
} lanes;

typedef struct lane_run {
    lanes *all;
    int lane, step;
} lane_run;

static float value(int of_rank, int lane, int step, size_t i)
{
    return (float)((i * 7 + (size_t)step) % 13 + 100 * (size_t)lane) / (float)(of_rank + 3);
}

static void merge(void *context, size_t begin, size_t end)
{
    lanes *all = context;
    if (end != all->merged || begin >= end) all->out_of_order = true;
    all->merged = begin;
    for (size_t i = begin; i < end; i++) all->of[0][i] += all->of[1][i];
}

/* "Backward": from the last float to the first, in uneven parts, the lanes at uneven speeds. */
static void *compute(void *argument)
{
    const lane_run *run = argument;
    const struct timespec pause = {.tv_nsec = 100000 * (1 + (rank + run->lane) % 3)};
    for (size_t left = COUNT; left > 0;) {
        const size_t part = 1 + (left * 31 + (size_t)run->lane) % 1900;
        const size_t begin = left > part ? left - part : 0;
        for (size_t i = begin; i < left; i++)
            run->all->of[run->lane][i] = value(rank, run->lane, run->step, i);
        left = begin;
        dho_bucket_sum_ready(run->all->sum, run->lane, left);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static float expected(int step, size_t i)
{
    float sums[16];
    int order[16];
    for (int r = 0; r < size; r++) sums[r] = value(r, 0, step, i) + value(r, 1, step, i);
    /* One microbatch a rank: the sums in tree order, by the tree's own merges. */
    int depth = 0;
    float stack[16];
    dho_tree_merges(size, 0, NULL, size, order);
    for (int r = 0; r < size; r++) {
        stack[depth++] = sums[r];
        for (int m = 0; m < order[r]; m++, depth--) stack[depth - 2] += stack[depth - 1];
    }
    return stack[0];
}

static void run_steps(lanes *all, bool threads)
{
    for (int step = 0; step < STEPS; step++) {
        dho_bucket_sum_times times;
        pthread_t handles[LANES];
        lane_run runs[LANES];
        all->merged = COUNT;
        dho_bucket_sum_begin(all->sum, NULL);
        for (int lane = 0; lane < LANES; lane++) {
            runs[lane] = (lane_run){all, lane, step};
            if (threads)
                ck_assert_int_eq(pthread_create(&handles[lane], NULL, compute, &runs[lane]), 0);
            else
                compute(&runs[lane]);
        }
        for (int lane = 0; lane < LANES && threads; lane++) pthread_join(handles[lane], NULL);
        ck_assert_ok(dho_bucket_sum_finish(all->sum, &times));
        ck_assert(times.waited >= 0 && times.hidden >= 0);
        int64_t wrong = all->out_of_order || all->merged != 0;
        for (size_t i = 0; i < COUNT; i++) {
            const float right = expected(step, i);
            wrong += memcmp(&right, &all->of[0][i], sizeof right) != 0;
        }
        ck_assert_ok(dho_comm_max_int64(comm, &wrong, 1));
        ck_assert_int_eq(wrong, 0);
    }
}

START_TEST(test_buckets)
{
    lanes all = {0};
    for (int lane = 0; lane < LANES; lane++)
        ck_assert_ok(dho_alloc(&all.of[lane], COUNT, sizeof *all.of[lane], "test"));
    ck_assert_ok(dho_comm_set_tree(comm, size));
    const dho_bucket_sum_options options = {.comm = comm,
                                            .sums = &all.of[0],
                                            .count = COUNT,
                                            .bucket = _i == 0 ? BUCKET : 2 * COUNT,
                                            .lanes = LANES,
                                            .merge = merge,
                                            .context = &all};
    ck_assert_ok(dho_bucket_sum_create(&all.sum, &options));
    run_steps(&all, true);
    run_steps(&all, false);
    dho_bucket_sum_destroy(&all.sum);
    ck_assert_ptr_null(all.sum);
    dho_bucket_sum_destroy(&all.sum);
    for (int lane = 0; lane < LANES; lane++) dho_free(all.of[lane]);
}
END_TEST

/* A rank whose step fails tells nothing and brings zeros: the others do not wait for it. */
START_TEST(test_a_rank_that_is_never_ready)
{
    lanes all = {0};
    dho_bucket_sum_times times;
    for (int lane = 0; lane < LANES; lane++)
        ck_assert_ok(dho_alloc_zero(&all.of[lane], COUNT, sizeof *all.of[lane], "test"));
    ck_assert_ok(dho_comm_set_tree(comm, size));
    const dho_bucket_sum_options options = {.comm = comm,
                                            .sums = &all.of[0],
                                            .count = COUNT,
                                            .bucket = BUCKET,
                                            .lanes = LANES,
                                            .merge = merge,
                                            .context = &all};
    ck_assert_ok(dho_bucket_sum_create(&all.sum, &options));
    all.merged = COUNT;
    dho_bucket_sum_begin(all.sum, NULL);
    for (int lane = 0; lane < LANES && rank != size - 1; lane++)
        compute(&(lane_run){&all, lane, 0});
    ck_assert_ok(dho_bucket_sum_finish(all.sum, &times));
    ck_assert_ok(dho_comm_check_equal(comm, all.of[0], COUNT * sizeof(float), "the sum"));
    dho_bucket_sum_destroy(&all.sum);
    for (int lane = 0; lane < LANES; lane++) dho_free(all.of[lane]);
}
END_TEST

static Suite *bucket_sum_suite(void)
{
    rank = dho_comm_rank(comm);
    size = dho_comm_size(comm);
    Suite *suite = suite_create("bucket_sum");
    TCase *tests = tcase_create("bucket_sum");
    tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, test_buckets, 0, 2);
    tcase_add_test(tests, test_a_rank_that_is_never_ready);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(int argc, char **argv)
{
    return mpi_main(argc, argv, &comm, bucket_sum_suite);
}

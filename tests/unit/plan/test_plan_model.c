/* A plan's arithmetic: made-up speeds, figures worked out by hand. */
#include "check_main.h"
#include "plan/plan_model.h"

#include <math.h>

/* Two cores: one alone needs 1 s a microbatch, both side by side 1.2 s each, both together 0.7 s.
 * By Amdahl, of 1.2 s on a full machine s = 2 x 0.7 - 1.2 = 0.2 s do not get faster. */
static const plan_rates rates = {.cores = 2,
                                 .alone = {1, 1, 1.0, 0.6, 10e9},
                                 .full = {2, 1, 1.2, 0.8, 8e9},
                                 .whole = {1, 2, 0.7, 0.4, 15e9},
                                 .decode = 0.01,
                                 .image_bytes = 100e3,
                                 .write = 200e6};
static const plan_job job = {.shards = 16,
                             .rows = 8,
                             .moments = 2,
                             .weights = 100e6,
                             .slab_bytes = 400e6,
                             .record_bytes = 2e3,
                             .steps = 1000,
                             .checkpoints = 10,
                             .checkpoint_steps = 100,
                             .checkpoint_bytes = 1.2e9};
/* One lane of all threads, one sum, all of it behind backward. */
static plan_share share_of(int most, int threads)
{
    return (plan_share){.most = most,
                        .lanes = 1,
                        .lane_threads = threads,
                        .sums = 1,
                        .bucket_bytes = job.slab_bytes};
}

static plan_place place_of(int nodes, int ranks, int threads, int cores)
{
    return (plan_place){.nodes = nodes,
                        .ranks_per_node = ranks,
                        .threads = threads,
                        .cores = cores,
                        .latency = 1e-3,
                        .bandwidth = 1e9};
}

#define ck_assert_near(a, b) ck_assert_double_eq_tol(a, b, 1e-6 * fabs((double)(b)) + 1e-12)

/* Of R ranks that have one microbatch each. */
static double microbatch(const plan_rates *of, int ranks, int threads, int cores)
{
    const plan_job one = {.shards = ranks, .rows = 1, .weights = 1, .slab_bytes = 4};
    const plan_place place = place_of(1, ranks, threads, cores);
    const plan_share share = share_of(1, threads);
    return plan_step_of(&one, of, &place, &share).compute;
}

START_TEST(test_microbatch)
{
    ck_assert_near(microbatch(&rates, 1, 1, 2), 1.0); /* half of the cores */
    ck_assert_near(microbatch(&rates, 2, 1, 2), 1.2);
    ck_assert_near(microbatch(&rates, 3, 1, 4), 1.1);
    ck_assert_near(microbatch(&rates, 1, 1, 100), 1.0);
    ck_assert_near(microbatch(&rates, 1, 2, 2), 0.7);
    ck_assert_near(microbatch(&rates, 1, 4, 4), 0.2 + 1.0 / 4);
    const plan_rates one = {.cores = 1, .alone = {1, 1, 1.0, 0.6, 10e9}};
    ck_assert_near(microbatch(&one, 1, 1, 1), 1.0);
}
END_TEST

/* One rank of one thread: 16 microbatches of 1 s, 15 additions of 1.2 GB at 10 GB/s; the free core
 * decodes. The update moves 8 x 400 MB. */
START_TEST(test_one_rank)
{
    const plan_place place = place_of(1, 1, 1, 2);
    const plan_share share = share_of(16, 1);
    const plan_step s = plan_step_of(&job, &rates, &place, &share);
    ck_assert_int_eq(s.ranks, 1);
    ck_assert_near(s.compute, 16 + 15 * 0.12);
    ck_assert_near(s.loader, 0);
    ck_assert_near(s.sum, 0);
    ck_assert_near(s.update, 0.32);
    ck_assert_near(s.seconds, 18.12);
    ck_assert_near(s.images, 128 / 18.12);
    ck_assert_near(s.read_bytes, 128 / 18.12 * 102e3);
    ck_assert_near(s.decode_cores, 1.28 / 18.12);
    ck_assert_near(s.checkpoint, 6);
    ck_assert_near(s.run_seconds, 18120 + 6);
    plan_job often = job; /* 18.12 s of steps beside 20 s of writing */
    often.checkpoint_steps = 1;
    often.checkpoint_bytes = 4e9;
    ck_assert_near(plan_step_of(&often, &rates, &place, &share).run_seconds,
                   18120 + 9 * (20 - 18.12) + 20);
}
END_TEST

/* Two threads leave no core to the loader: 1.28 s of decoding on two cores. */
START_TEST(test_loader)
{
    const plan_place place = place_of(1, 1, 2, 2);
    const plan_share share = share_of(16, 2);
    const plan_step s = plan_step_of(&job, &rates, &place, &share);
    ck_assert_near(s.compute, 16 * 0.7 + 15 * 1.2e9 / 16e9);
    ck_assert_near(s.loader, 0.64);
}
END_TEST

/* Four ranks on two cores: each microbatch takes twice as long, memory a quarter of 16 GB/s. */
START_TEST(test_crowded)
{
    const plan_place place = place_of(1, 4, 1, 2);
    const plan_share share = share_of(4, 1);
    const plan_step s = plan_step_of(&job, &rates, &place, &share);
    ck_assert_near(s.compute, 2 * 4 * 1.2 + 3 * 1.2e9 / 4e9);
    ck_assert_near(s.loader, 0.64);
    ck_assert_near(s.update, 3.2e9 / 4e9);
    /* 3 x 400 MB between the ranks, each way; 7 and 4 crossings at 16 GB/s */
    ck_assert_near(s.sum, 2 * 2e-6 + 11 * 1.2e9 / 16e9);
    ck_assert_near(s.exposed, s.sum);
}
END_TEST

/* Four nodes of two ranks: 2 x 3/4 x 400 MB leave a node, each way; two messages. */
START_TEST(test_nodes)
{
    const plan_place place = place_of(4, 2, 1, 2);
    const plan_share share = share_of(2, 1);
    const plan_step s = plan_step_of(&job, &rates, &place, &share);
    ck_assert_int_eq(s.ranks, 8);
    ck_assert_near(s.sum, 2 * (2e-3 + 1e-6) + 2 * 0.6 + 11 * 100e6 / 16e9);
    ck_assert_near(s.idle, 0);
    ck_assert_near(s.images, 128 / 4 / s.seconds);
}
END_TEST

/* comm.dtype: bf16: half of what leaves a node; a sharded optimizer's weights are sent whole. */
START_TEST(test_packed)
{
    const plan_place place = place_of(4, 2, 1, 2);
    plan_share share = share_of(2, 1);
    plan_job packed = job;
    packed.packed = true;
    plan_step s = plan_step_of(&packed, &rates, &place, &share);
    ck_assert_near(s.sum, 2 * (2e-3 + 1e-6) + 2 * 0.3 + 11 * 100e6 / 16e9);
    share.shards_optimizer = true;
    s = plan_step_of(&packed, &rates, &place, &share);
    ck_assert_near(s.sum, 2 * (2e-3 + 1e-6) + 0.3 + 0.6 + 11 * 100e6 / 16e9);
}
END_TEST

/* Three ranks: S = 3 sums of 2/3 of the slab, then the total; 6 of 16 microbatches. */
START_TEST(test_three)
{
    const plan_place place = place_of(3, 1, 1, 2);
    plan_share share = share_of(6, 1);
    share.sums = 3;
    const plan_step s = plan_step_of(&job, &rates, &place, &share);
    ck_assert_near(s.sum, 2 * (1e-3 + 2e-6) + 4 * 400e6 * 2 / 3 / 1e9);
    ck_assert_near(s.idle, 1 - 16.0 / 18);
}
END_TEST

/* Lanes of one thread each; what hides behind the last backward, but for its last bucket. */
START_TEST(test_lanes_and_buckets)
{
    plan_share share = {.most = 4,
                        .lanes = 2,
                        .lane_threads = 1,
                        .sums = 1,
                        .bucket_bytes = 8e6,
                        .shards_optimizer = true};
    const plan_place place = place_of(4, 1, 2, 2);
    plan_step s = plan_step_of(&job, &rates, &place, &share);
    ck_assert_near(s.compute, 2 * 1.2 + 3 * 1.2e9 / 16e9);
    ck_assert_near(s.sum, 50 * 2 * 2e-3 + 2 * 0.3);
    ck_assert_near(s.exposed, 0.4 * 8 / 400 + 0.4); /* the gather comes after the update */
    ck_assert_near(s.update, 3.2e9 / 16e9 / 4);
    plan_place slow = place;
    slow.bandwidth = 0.1e9;
    s = plan_step_of(&job, &rates, &slow, &share);
    ck_assert_near(s.exposed, 3.1 - 0.8 + 3.1);
    share.shards_optimizer = false;
    s = plan_step_of(&job, &rates, &slow, &share);
    ck_assert_near(s.exposed, 2 * 3.1 - 0.8);
    ck_assert_near(s.update, 3.2e9 / 16e9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan model");
    TCase *tests = tcase_create("core");
    tcase_add_test(tests, test_microbatch);
    tcase_add_test(tests, test_one_rank);
    tcase_add_test(tests, test_loader);
    tcase_add_test(tests, test_crowded);
    tcase_add_test(tests, test_nodes);
    tcase_add_test(tests, test_packed);
    tcase_add_test(tests, test_three);
    tcase_add_test(tests, test_lanes_and_buckets);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

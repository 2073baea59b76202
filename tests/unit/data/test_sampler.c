#include "check_main.h"
#include "dho/loader.h"

#include <string.h>

static const int64_t labelled_ids[] = {2, 3, 11, 17, 40, 41, 99};
enum { COUNT = 101, SHARDS = 4, LABELLED = 3, UNLABELLED = 4, ROWS = LABELLED + UNLABELLED };

static const dho_sampler_options standard = {.seed = 5,
                                             .shards = SHARDS,
                                             .labelled = LABELLED,
                                             .unlabelled = UNLABELLED,
                                             .dataset_count = COUNT,
                                             .labelled_ids = labelled_ids,
                                             .labelled_count = 7};

static dho_sampler *make(const dho_sampler_options *options)
{
    dho_sampler *sampler;
    ck_assert_ok(dho_sampler_create(&sampler, options));
    return sampler;
}

/* Each pass of a shard's stream has each id of the shard once, also where a batch straddles two. */
START_TEST(test_unlabelled_passes)
{
    dho_sampler *sampler = make(&standard);
    int seen[COUNT][20] = {{0}};
    for (int v = 0; v < SHARDS; v++) {
        const int64_t own = (COUNT - v + SHARDS - 1) / SHARDS;
        int64_t position = 0;
        for (int64_t step = 0; step < 30; step++) {
            dho_draw draws[ROWS];
            ck_assert_ok(dho_sampler_draw(sampler, step, v, draws));
            for (int i = LABELLED; i < ROWS; i++, position++) {
                ck_assert(!draws[i].labelled);
                ck_assert_int_eq(draws[i].id % SHARDS, v);
                ck_assert_int_lt(draws[i].id, COUNT);
                ck_assert_int_eq(draws[i].pass, position / own);
                seen[draws[i].id][draws[i].pass]++;
            }
        }
        const int64_t whole = position / own;
        ck_assert_int_ge(whole, 4);
        for (int64_t id = v; id < COUNT; id += SHARDS)
            for (int64_t pass = 0; pass < whole; pass++) ck_assert_int_eq(seen[id][pass], 1);
    }
    dho_sampler_destroy(&sampler);
    ck_assert_ptr_null(sampler);
}
END_TEST

START_TEST(test_labelled_passes)
{
    dho_sampler *sampler = make(&standard);
    int seen[COUNT][60] = {{0}};
    int64_t position = 0;
    for (int64_t step = 0; step < 20; step++) {
        for (int v = 0; v < SHARDS; v++) {
            dho_draw draws[ROWS];
            ck_assert_ok(dho_sampler_draw(sampler, step, v, draws));
            for (int i = 0; i < LABELLED; i++, position++) {
                ck_assert(draws[i].labelled);
                ck_assert_int_eq(draws[i].pass, position / 7);
                seen[draws[i].id][draws[i].pass]++;
            }
        }
    }
    for (int i = 0; i < 7; i++)
        for (int64_t pass = 0; pass < position / 7; pass++)
            ck_assert_int_eq(seen[labelled_ids[i]][pass], 1);
    dho_sampler_destroy(&sampler);
}
END_TEST

/* The draws of (t, v) do not depend on which shards a rank draws, in which order, or from where it
 * resumes. */
START_TEST(test_independent_of_ranks_and_order)
{
    dho_draw all[40][SHARDS][ROWS], draws[ROWS];
    memset(all, 0, sizeof all);
    dho_sampler *sampler = make(&standard);
    for (int t = 0; t < 40; t++)
        for (int v = 0; v < SHARDS; v++) ck_assert_ok(dho_sampler_draw(sampler, t, v, all[t][v]));
    dho_sampler_destroy(&sampler);
    for (int ranks = 1; ranks <= SHARDS; ranks *= 2) {
        for (int rank = 0; rank < ranks; rank++) {
            sampler = make(&standard);
            for (int t = 39; t >= 0; t--) {
                for (int v = rank; v < SHARDS; v += ranks) {
                    ck_assert_ok(dho_sampler_draw(sampler, t, v, draws));
                    for (int i = 0; i < ROWS; i++) {
                        ck_assert_int_eq(draws[i].id, all[t][v][i].id);
                        ck_assert_int_eq(draws[i].pass, all[t][v][i].pass);
                    }
                }
            }
            dho_sampler_destroy(&sampler);
        }
    }
}
END_TEST

/* Memory follows the shards that are drawn from, not V. */
START_TEST(test_memory)
{
    dho_sampler_options options = standard;
    options.dataset_count = 1 << 20;
    options.shards = 64;
    dho_sampler *sampler = make(&options);
    dho_draw draws[ROWS];
    ck_assert_int_lt(dho_alloc_get_stats().live_bytes, 4096);
    for (int t = 0; t < 3; t++) ck_assert_ok(dho_sampler_draw(sampler, t, 5, draws));
    ck_assert_int_lt(dho_alloc_get_stats().live_bytes, 4096 + 8 * (1 << 14) + 8 * 7);
    const int64_t calls = dho_alloc_get_stats().calls;
    for (int t = 0; t < 9000; t++) ck_assert_ok(dho_sampler_draw(sampler, t, 5, draws));
    ck_assert_int_eq(dho_alloc_get_stats().calls, calls);
    dho_sampler_destroy(&sampler);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_shuffles_differ)
{
    dho_sampler_options options = standard;
    options.unlabelled = COUNT / SHARDS; /* one pass a step, nearly */
    dho_draw a[LABELLED + COUNT / SHARDS], b[LABELLED + COUNT / SHARDS];
    dho_sampler *sampler = make(&options);
    ck_assert_ok(dho_sampler_draw(sampler, 0, 1, a));
    ck_assert_ok(dho_sampler_draw(sampler, 1, 1, b));
    int same = 0;
    for (int i = LABELLED; i < LABELLED + COUNT / SHARDS; i++) same += a[i].id == b[i].id;
    ck_assert_int_lt(same, 10);
    dho_sampler_destroy(&sampler);
    options.seed++;
    sampler = make(&options);
    ck_assert_ok(dho_sampler_draw(sampler, 0, 1, b));
    same = 0;
    for (int i = LABELLED; i < LABELLED + COUNT / SHARDS; i++) same += a[i].id == b[i].id;
    ck_assert_int_lt(same, 10);
    dho_sampler_destroy(&sampler);
}
END_TEST

START_TEST(test_steps_per_epoch)
{
    dho_sampler_options options = standard;
    dho_sampler *sampler = make(&options);
    ck_assert_int_eq(dho_sampler_steps_per_epoch(sampler), COUNT / 16);
    dho_sampler_destroy(&sampler);
    options.unlabelled = 1000;
    sampler = make(&options);
    ck_assert_int_eq(dho_sampler_steps_per_epoch(sampler), 1);
    dho_draw draws[LABELLED + 1000]; /* many passes in one microbatch */
    ck_assert_ok(dho_sampler_draw(sampler, 3, 0, draws));
    ck_assert_int_eq(draws[LABELLED + 999].pass, 3999 / 26);
    dho_sampler_destroy(&sampler);
    options.unlabelled = 0;
    options.labelled = 1;
    sampler = make(&options);
    ck_assert_int_eq(dho_sampler_steps_per_epoch(sampler), 1);
    ck_assert_ok(dho_sampler_draw(sampler, 2, 3, draws));
    dho_sampler_destroy(&sampler);
}
END_TEST

START_TEST(test_errors)
{
    dho_sampler *sampler;
    dho_sampler_options options = standard;
    options.dataset_count = 3;
    ck_assert_fails(dho_sampler_create(&sampler, &options), DHO_ERR_CONFIG, "fewer than the 4");
    options = standard;
    options.labelled_count = 0;
    ck_assert_fails(dho_sampler_create(&sampler, &options), DHO_ERR_CONFIG, "no labelled sample");
    options = standard;
    options.labelled = options.unlabelled = 0;
    ck_assert_fails(dho_sampler_create(&sampler, &options), DHO_ERR_CONFIG, "0 labelled");
    options = standard;
    options.dataset_count = 99; /* the last labelled id is out of range */
    ck_assert_fails(dho_sampler_create(&sampler, &options), DHO_ERR_INTERNAL, "labelled_ids[6]");
    ck_assert_ptr_null(sampler);
    for (int64_t n = 1; n <= 4; n++) {
        dho_draw draws[ROWS];
        dho_alloc_fail_at(n);
        dho_status status = dho_sampler_create(&sampler, &standard);
        if (status == DHO_OK) status = dho_sampler_draw(sampler, 0, 0, draws);
        dho_alloc_fail_at(0);
        ck_assert_int_eq(status, DHO_ERR_MEMORY);
        dho_sampler_destroy(&sampler);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
    }
    sampler = make(&standard);
    dho_draw draws[ROWS];
    ck_assert_fails(dho_sampler_draw(sampler, -1, 0, draws), DHO_ERR_INTERNAL, "step -1");
    ck_assert_fails(dho_sampler_draw(sampler, 0, 4, draws), DHO_ERR_INTERNAL, "shard 4");
    ck_assert_fails(dho_sampler_draw(sampler, INT64_MAX, 0, draws), DHO_ERR_INTERNAL, "step");
    dho_sampler_destroy(&sampler);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler");
    TCase *tests = tcase_create("sampler");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_unlabelled_passes);
    tcase_add_test(tests, test_labelled_passes);
    tcase_add_test(tests, test_independent_of_ranks_and_order);
    tcase_add_test(tests, test_memory);
    tcase_add_test(tests, test_shuffles_differ);
    tcase_add_test(tests, test_steps_per_epoch);
    tcase_add_test(tests, test_errors);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

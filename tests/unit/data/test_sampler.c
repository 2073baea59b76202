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

START_TEST(test_many_passes_in_one_microbatch)
{
    dho_sampler_options options = standard;
    options.unlabelled = 1000;
    dho_sampler *sampler = make(&options);
    dho_draw draws[LABELLED + 1000];
    ck_assert_ok(dho_sampler_draw(sampler, 3, 0, draws));
    ck_assert_int_eq(draws[LABELLED + 999].pass, 3999 / 26);
    dho_sampler_destroy(&sampler);
}
END_TEST

static bool is_labelled(int64_t id)
{
    for (size_t i = 0; i < sizeof labelled_ids / sizeof *labelled_ids; i++)
        if (labelled_ids[i] == id) return true;
    return false;
}

/* Without the labelled images: each pass of a shard has each other id of it once. */
START_TEST(test_exclude_labelled)
{
    dho_sampler_options options = standard;
    options.excluded_ids = labelled_ids;
    options.excluded_count = 7;
    dho_sampler *sampler = make(&options);
    for (int v = 0; v < SHARDS; v++) {
        int seen[COUNT] = {0};
        int64_t own = 0;
        for (int64_t id = v; id < COUNT; id += SHARDS) own += !is_labelled(id);
        for (int64_t position = 0; position < 3 * own; position++) {
            dho_draw draws[ROWS];
            ck_assert_ok(dho_sampler_draw(sampler, position / UNLABELLED, v, draws));
            const dho_draw *draw = &draws[LABELLED + position % UNLABELLED];
            ck_assert_int_eq(draw->id % SHARDS, v);
            ck_assert_int_eq(draw->pass, position / own);
            seen[draw->id]++;
        }
        for (int64_t id = v; id < COUNT; id += SHARDS)
            ck_assert_int_eq(seen[id], is_labelled(id) ? 0 : 3);
    }
    dho_sampler_destroy(&sampler);
    options.dataset_count = 42; /* shard 0: 0, 4, ... 40, of which one is labelled */
    options.labelled_ids = (const int64_t[]){0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40};
    options.labelled_count = options.excluded_count = 11;
    options.excluded_ids = options.labelled_ids;
    ck_assert_fails(dho_sampler_create(&sampler, &options), DHO_ERR_CONFIG,
                    "data.exclude_labelled, data.holdout: 11 of 42 images are no unlabelled ones, "
                    "and shard 0");
    options.excluded_ids = (const int64_t[]){0, 4, 4};
    options.excluded_count = 3;
    ck_assert_fails(dho_sampler_create(&sampler, &options), DHO_ERR_INTERNAL, "excluded_ids[2]");
    options.excluded_ids = (const int64_t[]){42};
    options.excluded_count = 1;
    ck_assert_fails(dho_sampler_create(&sampler, &options), DHO_ERR_INTERNAL, "excluded_ids[0]");
}
END_TEST

/* PyTorch's loaders: 7 labelled images in batches of 3, 101 in batches of 4, in one shard. */
START_TEST(test_loader_epochs)
{
    dho_sampler_options options = standard;
    options.shards = 1;
    ck_assert_int_eq(dho_loader_batches(7, 1, LABELLED), 3);
    ck_assert_int_eq(dho_loader_batches(COUNT, 1, UNLABELLED), 26);
    options.epoch_steps = 26; /* of the unlabelled images */
    dho_sampler *sampler = make(&options);
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        int labelled[COUNT] = {0}, unlabelled[COUNT] = {0};
        for (int64_t i = 0; i < 26; i++) {
            dho_draw draws[ROWS];
            const dho_step_rows rows = dho_sampler_rows(sampler, epoch * 26 + i);
            ck_assert_int_eq(rows.labelled, i % 3 == 2 ? 1 : 3);
            ck_assert_int_eq(rows.unlabelled, i == 25 ? 1 : 4);
            ck_assert_ok(dho_sampler_draw(sampler, epoch * 26 + i, 0, draws));
            for (int r = 0; r < rows.labelled; r++) {
                ck_assert(draws[r].labelled);
                ck_assert_int_eq(draws[r].pass, epoch * 9 + i / 3);
                labelled[draws[r].id]++;
            }
            for (int r = rows.labelled; r < rows.labelled + rows.unlabelled; r++) {
                ck_assert(!draws[r].labelled);
                ck_assert_int_eq(draws[r].pass, epoch);
                unlabelled[draws[r].id]++;
            }
        }
        for (int64_t id = 0; id < COUNT; id++) ck_assert_int_eq(unlabelled[id], 1);
        for (int i = 0; i < 7; i++) ck_assert_int_ge(labelled[labelled_ids[i]], 8); /* 8 passes */
    }
    dho_sampler_destroy(&sampler);
}
END_TEST

/* An epoch of the labelled images: the unlabelled loader begins anew after three of its 26 batches,
 * in another order. */
START_TEST(test_loader_short_epochs)
{
    dho_sampler_options options = standard;
    options.shards = 1;
    options.epoch_steps = 3;
    dho_sampler *sampler = make(&options);
    int64_t first[2][3 * UNLABELLED];
    for (int64_t step = 0; step < 6; step++) {
        dho_draw draws[ROWS];
        const dho_step_rows rows = dho_sampler_rows(sampler, step);
        ck_assert_int_eq(rows.unlabelled, 4);
        ck_assert_ok(dho_sampler_draw(sampler, step, 0, draws));
        for (int r = 0; r < 4; r++) {
            ck_assert_int_eq(draws[rows.labelled + r].pass, step / 3);
            first[step / 3][step % 3 * 4 + r] = draws[rows.labelled + r].id;
        }
    }
    ck_assert_mem_ne(first[0], first[1], sizeof first[0]);
    dho_sampler_destroy(&sampler);
}
END_TEST

/* Several shards: equal microbatches in each step; together they are a pass, repeated images aside.
 */
START_TEST(test_loader_shards)
{
    dho_sampler_options options = standard;
    options.excluded_ids = labelled_ids;
    options.excluded_count = 7;
    options.epoch_steps = dho_loader_batches(COUNT - 7, SHARDS, UNLABELLED);
    ck_assert_int_eq(options.epoch_steps, 6); /* 24 images a shard */
    dho_sampler *sampler = make(&options);
    int drawn = 0, labelled[COUNT] = {0};
    for (int64_t step = 0; step < 6; step++) {
        const dho_step_rows rows = dho_sampler_rows(sampler, step);
        ck_assert_int_eq(rows.labelled, 2); /* of each shard's two: one batch a pass */
        ck_assert_int_eq(rows.unlabelled, 4);
        for (int v = 0; v < SHARDS; v++) {
            dho_draw draws[ROWS];
            ck_assert_ok(dho_sampler_draw(sampler, step, v, draws));
            for (int r = 0; r < 2; r++) labelled[draws[r].id]++;
            for (int r = 2; r < 6; r++, drawn++) {
                ck_assert_int_eq(draws[r].id % SHARDS, v);
                ck_assert(!is_labelled(draws[r].id));
            }
        }
    }
    ck_assert_int_eq(drawn, 96);
    int most = 0, all = 0; /* 8 of 7 images a step: one is there twice */
    for (int i = 0; i < 7; i++) {
        const int times = labelled[labelled_ids[i]];
        ck_assert(times == 6 || times == 12);
        most += times == 12;
        all += times;
    }
    ck_assert(most == 1 && all == 48);
    dho_sampler_destroy(&sampler);
}
END_TEST

/* An id that is in the list twice is drawn twice a pass, with a pass number of its own each time.
 */
START_TEST(test_repeated_labels)
{
    static const int64_t ids[] = {2, 3, 3, 3, 17};
    dho_sampler_options options = standard;
    options.labelled_ids = ids;
    options.labelled_count = 5;
    options.labelled = 5;
    options.shards = 1;
    dho_sampler *sampler = make(&options);
    for (int64_t step = 0; step < 4; step++) {
        dho_draw draws[5 + UNLABELLED];
        int seen[3] = {0};
        ck_assert_ok(dho_sampler_draw(sampler, step, 0, draws));
        for (int r = 0; r < 5; r++) {
            if (draws[r].id == 3)
                seen[draws[r].pass - 3 * step]++;
            else
                ck_assert_int_eq(draws[r].pass, 3 * step);
        }
        ck_assert(seen[0] == 1 && seen[1] == 1 && seen[2] == 1);
    }
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
    tcase_add_test(tests, test_many_passes_in_one_microbatch);
    tcase_add_test(tests, test_exclude_labelled);
    tcase_add_test(tests, test_loader_epochs);
    tcase_add_test(tests, test_loader_short_epochs);
    tcase_add_test(tests, test_loader_shards);
    tcase_add_test(tests, test_repeated_labels);
    tcase_add_test(tests, test_errors);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

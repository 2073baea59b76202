#include "check_main.h"
#include "unit/select/k_center_naive.h"

static dho_comm *comm;

static void setup(void)
{
    ck_assert_ok(dho_comm_create_serial(&comm));
}

static void teardown(void)
{
    dho_comm_destroy(&comm);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

static void compare(const dho_id_list *centres, int64_t budget, int threads, int batch)
{
    static float rows[NAIVE_POINTS][NAIVE_WIDTH];
    dho_choice expected[NAIVE_POINTS], found[NAIVE_POINTS];
    const dho_points points = {.rows = &rows[0][0],
                               .width = NAIVE_WIDTH,
                               .deal = {.total = NAIVE_POINTS, .batch = batch, .ranks = 1}};
    naive_points(rows);
    naive_choose(rows, centres, budget, expected);
    ck_assert_ok(dho_k_center(comm, &points, centres, threads, budget, found));
    for (int64_t i = 0; i < budget; i++) {
        ck_assert_int_eq(found[i].id, expected[i].id);
        ck_assert_double_eq(found[i].value, expected[i].value);
    }
}

START_TEST(test_is_the_naive_loop)
{
    int64_t ids[] = {3, 50, 156};
    const dho_id_list centres = {ids, NAIVE_CENTRES}, none = {ids, 0};
    compare(&centres, 20, 1, 16);
    compare(&centres, NAIVE_BUDGET, 1, 1); /* all that are left */
    compare(&centres, NAIVE_BUDGET, 3, 1000);
    compare(&none, 20, 1, 16);
}
END_TEST

/* More centres than one block has. */
START_TEST(test_many_centres)
{
    int64_t ids[100];
    for (int i = 0; i < 100; i++) ids[i] = i + i / 2;
    const dho_id_list centres = {ids, 100};
    compare(&centres, 57, 2, 8);
}
END_TEST

START_TEST(test_allocation_failures)
{
    const float rows[] = {0, 1, 5};
    const dho_points points = {.rows = rows, .width = 1, .deal = {3, 4, 1}};
    int64_t id = 0;
    const dho_id_list centres = {&id, 1};
    dho_choice out[2];
    for (int n = 1; n <= 2; n++) {
        dho_alloc_fail_at(n);
        ck_assert_fails(dho_k_center(comm, &points, &centres, 1, 2, out), DHO_ERR_MEMORY, "cannot");
    }
    ck_assert_ok(dho_k_center(comm, &points, &centres, 1, 2, out));
    ck_assert_int_eq(out[0].id, 2);
    ck_assert_int_eq(out[1].id, 1);
    ck_assert_double_eq(out[1].value, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("k_center");
    TCase *tests = tcase_create("k_center");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_is_the_naive_loop);
    tcase_add_test(tests, test_many_centres);
    tcase_add_test(tests, test_allocation_failures);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

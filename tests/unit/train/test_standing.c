/* The best so far, and how long a run has waited for a better one. */
#include "check_main.h"
#include "train/standing.h"

/* What a value at the next step makes of it. */
static void take(dho_standing *standing, const dho_standing_rule *rule, double value, bool best,
                 int waited)
{
    static int64_t step;
    step++;
    ck_assert_int_eq(dho_standing_take(standing, rule, value, step), best);
    ck_assert_int_eq(standing->waited, waited);
    if (best) ck_assert_int_eq(standing->best_step, step);
}

START_TEST(test_higher)
{
    const dho_standing_rule rule = {.lower_is_better = false};
    dho_standing standing = {0};
    take(&standing, &rule, 0, true, 0); /* the first one is the best, whatever it is */
    take(&standing, &rule, 0, false, 1);
    take(&standing, &rule, 0.5, true, 0);
    take(&standing, &rule, 0.25, false, 1);
    take(&standing, &rule, 0.5, false, 2);
    take(&standing, &rule, 0.75, true, 0);
    ck_assert_double_eq(standing.best, 0.75);
}
END_TEST

START_TEST(test_lower)
{
    const dho_standing_rule rule = {.lower_is_better = true};
    dho_standing standing = {0};
    take(&standing, &rule, 2, true, 0);
    take(&standing, &rule, 3, false, 1);
    take(&standing, &rule, 1.5, true, 0);
}
END_TEST

/* Small steps up are each the best, and still none is enough; together they are. */
START_TEST(test_min_delta)
{
    const dho_standing_rule rule = {.min_delta = 0.25};
    dho_standing standing = {0};
    take(&standing, &rule, 0.5, true, 0);
    take(&standing, &rule, 0.625, true, 1);
    take(&standing, &rule, 0.75, true, 2); /* better by exactly min_delta: not enough */
    ck_assert_double_eq(standing.reference, 0.5);
    take(&standing, &rule, 0.8125, true, 0);
    ck_assert_double_eq(standing.reference, 0.8125);
    take(&standing, &rule, 1, true, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("standing");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, test_higher);
    tcase_add_test(cases, test_lower);
    tcase_add_test(cases, test_min_delta);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}

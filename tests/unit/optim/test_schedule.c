#include "check_main.h"
#include "dho/optim.h"

#include <math.h>

START_TEST(test_warmup_then_decay)
{
    dho_schedule s = {.total_steps = 110, .warmup_steps = 10, .warmup_start = 0.01};
    s.kind = (dho_schedule_kind)_i;
    ck_assert_double_eq_tol(dho_schedule_factor(&s, 0), 0.01, 1e-12);
    ck_assert_double_eq_tol(dho_schedule_factor(&s, 5), 0.505, 1e-12);
    ck_assert_double_eq_tol(dho_schedule_factor(&s, 10), 1, 1e-12);
    const double quarter = dho_schedule_factor(&s, 35);
    if (s.kind == DHO_SCHEDULE_COSINE)
        ck_assert_double_eq_tol(quarter, 0.5 * (1 + sqrt(0.5)), 1e-12);
    else if (s.kind == DHO_SCHEDULE_LINEAR)
        ck_assert_double_eq_tol(quarter, 0.75, 1e-12);
    else
        ck_assert_double_eq_tol(quarter, 1, 1e-12);
}
END_TEST

START_TEST(test_fraction_gives_steps)
{
    dho_config config = {0};
    config.train.warmup_fraction = 0.1;
    config.train.warmup_start = 0.5;
    const dho_schedule s = dho_schedule_create(&config, 205);
    ck_assert_int_eq(s.warmup_steps, 21);
}
END_TEST

/* A warm-up that leaves no step: no schedule is defined, whichever it is. */
START_TEST(test_warmup_that_is_too_long)
{
    dho_schedule s = {.kind = (dho_schedule_kind)_i, .total_steps = 60, .warmup_steps = 59};
    ck_assert_ok(dho_schedule_check(&s));
    for (int64_t t = 0; t < s.total_steps; t++) {
        const double factor = dho_schedule_factor(&s, t);
        ck_assert(factor >= 0 && factor <= 1);
    }
    s.warmup_steps = 60;
    ck_assert_fails(dho_schedule_check(&s), DHO_ERR_CONFIG, "the warm-up has 60 steps");
    s.warmup_steps = 5000;
    ck_assert_fails(dho_schedule_check(&s), DHO_ERR_CONFIG, "5000 steps, the whole run 60");
    s.warmup_steps = 0;
    s.total_steps = 1;
    ck_assert_ok(dho_schedule_check(&s));
}
END_TEST

/* torch 2: LinearLR(0.01, 1, 20) and CosineAnnealingLR(80), both stepped over 100 steps. */
START_TEST(test_warmup_times_cosine)
{
    const dho_schedule s = {.kind = DHO_SCHEDULE_WARMUP_TIMES_COSINE,
                            .total_steps = 100,
                            .warmup_steps = 20,
                            .warmup_start = 0.01};
    const struct {
        int step;
        double factor;
    } expected[] = {{0, 0.01},
                    {10, 0.48577958195909987},
                    {20, 0.8535533905932743},
                    {50, 0.3086582838174555},
                    {79, 0.00038548187963855006},
                    {80, 0},
                    {90, 0.038060233744356575},
                    {99, 0.13283874528215733}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        ck_assert_double_eq_tol(dho_schedule_factor(&s, expected[i].step), expected[i].factor,
                                1e-14);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tests = tcase_create("schedule");
    tcase_add_loop_test(tests, test_warmup_then_decay, 0, 3);
    tcase_add_test(tests, test_fraction_gives_steps);
    tcase_add_loop_test(tests, test_warmup_that_is_too_long, 0, 4);
    tcase_add_test(tests, test_warmup_times_cosine);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

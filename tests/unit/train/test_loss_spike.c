/* What counts as a spike of the loss. */
#include "check_main.h"
#include "train/loss_spike.h"

/* The steps at which spikes begin, of losses from step 1 on; 0 ends them. */
static int64_t first_spike(dho_loss_spike *spike, const double *losses, int count, int classes)
{
    int64_t first = 0;
    for (int i = 0; i < count; i++)
        if (dho_loss_spike_take(spike, i + 1, losses[i], classes) && first == 0) first = i + 1;
    return first;
}

START_TEST(test_divergence)
{
    /* Twice: it ends below 1.5 times the median, and a new one begins. */
    static const double losses[] = {4.6, 4.4, 4.5, 36.8, 90, 12, 7, 6, 4.4, 4.5, 14};
    dho_loss_spike spike = {0};
    ck_assert_int_eq(first_spike(&spike, losses, 7, 100), 4);
    ck_assert(spike.on);
    ck_assert_double_eq(spike.median, 4.5);
    ck_assert_int_eq(first_spike(&spike, losses + 8, 2, 100), 0);
    ck_assert(!spike.on);
    ck_assert_int_eq(spike.step, 4);
    ck_assert(dho_loss_spike_take(&spike, 11, losses[10], 100));
    ck_assert_int_eq(spike.step, 11);
}
END_TEST

START_TEST(test_none)
{
    static const double noisy[] = {4.6, 2, 1, 2.5, 0.5, 1.4, 0.3}, small[] = {0.01, 0.02, 0.3};
    dho_loss_spike spike = {0};
    ck_assert_int_eq(first_spike(&spike, noisy, 7, 100), 0);
    spike = (dho_loss_spike){0};
    ck_assert_int_eq(first_spike(&spike, small, 3, 10), 0); /* one hard batch of a learnt set */
    ck_assert(dho_loss_spike_take(&spike, 4, 1.2, 10));     /* above ln(10) / 2 */
}
END_TEST

/* The median is of the last 50. */
START_TEST(test_window)
{
    dho_loss_spike spike = {0};
    for (int i = 1; i <= 200; i++) ck_assert(!dho_loss_spike_take(&spike, i, 200.0 / i, 2));
    ck_assert(dho_loss_spike_take(&spike, 201, 3.5, 2));
    ck_assert_double_eq_tol(spike.median, 200.0 / 175, 0.01);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loss_spike");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, test_divergence);
    tcase_add_test(cases, test_none);
    tcase_add_test(cases, test_window);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}

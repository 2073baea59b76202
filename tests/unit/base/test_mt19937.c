#include "base/mt19937.h"
#include "check_main.h"

/* Expected values: numpy.random.RandomState(13). */
START_TEST(test_words)
{
    static const uint32_t expected[] = {3340206418u, 2608511152u, 1020231754u, 3691240976u};
    dho_mt19937 rng;
    dho_mt19937_seed(&rng, 13);
    for (int i = 0; i < 4; i++) ck_assert_uint_eq(dho_mt19937_u32(&rng), expected[i]);
}
END_TEST

START_TEST(test_permutation)
{
    static const int64_t expected[] = {11, 12, 0, 1, 8, 5, 7,  15, 14, 13,
                                       3,  17, 9, 4, 2, 6, 19, 10, 16, 18};
    int64_t ids[20];
    dho_mt19937 rng;
    for (int i = 0; i < 20; i++) ids[i] = i;
    dho_mt19937_seed(&rng, 13);
    dho_mt19937_shuffle(&rng, ids, 20);
    for (int i = 0; i < 20; i++) ck_assert_int_eq(ids[i], expected[i]);
    /* The same stream goes on. */
    ck_assert_uint_eq(dho_mt19937_u32(&rng), 251309216u);
    ck_assert_uint_eq(dho_mt19937_u32(&rng), 3092507539u);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mt19937");
    TCase *tests = tcase_create("mt19937");
    tcase_add_test(tests, test_words);
    tcase_add_test(tests, test_permutation);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

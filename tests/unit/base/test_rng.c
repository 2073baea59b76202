#include "check_main.h"
#include "dho/rng.h"

#include <math.h>

/* Known answers of Random123's kat_vectors for philox4x32-10. */
START_TEST(test_philox_known_answers)
{
    const uint32_t keys[3][2] = {{0, 0}, {~0u, ~0u}, {0xa4093822, 0x299f31d0}};
    const uint32_t counters[3][4] = {
        {0, 0, 0, 0}, {~0u, ~0u, ~0u, ~0u}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
    const uint32_t answers[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                    {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                    {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    uint32_t output[4];
    dho_philox(keys[_i], counters[_i], output);
    ck_assert_mem_eq(output, answers[_i], sizeof output);
}
END_TEST

START_TEST(test_streams_differ_by_every_key)
{
    dho_rng a, b;
    const uint64_t names[5][4] = {{1, DHO_RNG_INIT, 0, 0},
                                  {2, DHO_RNG_INIT, 0, 0},
                                  {1, DHO_RNG_SHUFFLE, 0, 0},
                                  {1, DHO_RNG_INIT, 1, 0},
                                  {1, DHO_RNG_INIT, 0, 1ull << 40}};
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 5; j++) {
            dho_rng_init(&a, names[i][0], (dho_rng_purpose)names[i][1], names[i][2], names[i][3]);
            dho_rng_init(&b, names[j][0], (dho_rng_purpose)names[j][1], names[j][2], names[j][3]);
            ck_assert_int_eq(dho_rng_u32(&a) == dho_rng_u32(&b), i == j);
        }
    }
}
END_TEST

START_TEST(test_moments)
{
    dho_rng rng;
    dho_rng_init(&rng, 7, DHO_RNG_TEST, 0, 0);
    const int n = 200000;
    double sum = 0, squares = 0, uniform = 0;
    int counts[7] = {0};
    for (int i = 0; i < n; i++) {
        const double x = dho_rng_normal(&rng), u = dho_rng_uniform(&rng);
        ck_assert(u >= 0 && u < 1);
        sum += x;
        squares += x * x;
        uniform += u;
        counts[dho_rng_below(&rng, 7)]++;
    }
    /* Five standard errors each. */
    ck_assert(fabs(sum / n) < 5 / sqrt(n));
    ck_assert(fabs(squares / n - 1) < 5 * sqrt(2.0 / n));
    ck_assert(fabs(uniform / n - 0.5) < 5 * sqrt(1.0 / 12 / n));
    for (int i = 0; i < 7; i++) ck_assert(fabs(counts[i] - n / 7.0) < 5 * sqrt(n / 7.0));
}
END_TEST

START_TEST(test_shuffle_is_a_permutation)
{
    dho_rng rng;
    dho_rng_init(&rng, 7, DHO_RNG_TEST, 1, 0);
    int64_t ids[100];
    int seen[100] = {0};
    for (int i = 0; i < 100; i++) ids[i] = i;
    dho_rng_shuffle(&rng, ids, 100);
    for (int i = 0; i < 100; i++) seen[ids[i]]++;
    for (int i = 0; i < 100; i++) ck_assert_int_eq(seen[i], 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rng");
    TCase *tests = tcase_create("rng");
    tcase_add_loop_test(tests, test_philox_known_answers, 0, 3);
    tcase_add_test(tests, test_streams_differ_by_every_key);
    tcase_add_test(tests, test_moments);
    tcase_add_test(tests, test_shuffle_is_a_permutation);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

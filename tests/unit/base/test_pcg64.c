/* Values printed by numpy: PCG64(seed).random_raw(3), Generator(PCG64(seed)).random(). */
#include "base/pcg64.h"
#include "check_main.h"

START_TEST(test_words)
{
    static const struct {
        uint32_t seed;
        uint64_t words[3];
    } cases[] = {
        {0, {0xa30febcfd9c2825f, 0x4510bdf882d9d721, 0x0a7d3da94ecde8b8}},
        {1, {0x8306bdf37922e4ff, 0xf35196bbc152a866, 0x24e7a4f608ec18cd}},
        {123456789, {0x07182e9ce6a6f13c, 0xe81d7ead95d3cecd, 0xe1a3020c572e02b9}},
        {INT32_MAX, {0x4556b1b9d0d8c66a, 0xef1408cd3177cb2b, 0x707dad1482ff2869}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dho_pcg64 rng;
        dho_pcg64_seed(&rng, cases[i].seed);
        for (int k = 0; k < 3; k++) ck_assert_uint_eq(dho_pcg64_u64(&rng), cases[i].words[k]);
    }
}
END_TEST

START_TEST(test_uniform)
{
    dho_pcg64 rng;
    dho_pcg64_seed(&rng, 123456789);
    ck_assert(dho_pcg64_uniform(&rng) == 0x1.c60ba739a9bc0p-6);
    ck_assert(dho_pcg64_uniform(&rng) == 0x1.d03afd5b2ba79p-1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pcg64");
    TCase *tests = tcase_create("pcg64");
    tcase_add_test(tests, test_words);
    tcase_add_test(tests, test_uniform);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

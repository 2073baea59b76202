#include "check_main.h"
#include "dho/paired.h"

#include <math.h>
#include <string.h>

enum { MOST = 4000 };
static bool right_a[MOST], right_b[MOST];

/* Of `images` images: both right on some, one alone right on these. */
static dho_paired compare(int64_t images, int64_t only_a, int64_t only_b)
{
    memset(right_a, 0, sizeof right_a);
    memset(right_b, 0, sizeof right_b);
    for (int64_t i = 0; i < images; i++) {
        right_a[i] = i < only_a || i % 2 == 0;
        right_b[i] = i >= only_a && (i < only_a + only_b || i % 2 == 0);
        if (i >= only_a && i < only_a + only_b) right_a[i] = false;
    }
    const dho_hits a = {.right = right_a, .count = images}, b = {.right = right_b, .count = images};
    return dho_paired_compare(&a, &b);
}

START_TEST(test_exact_p)
{
    /* 2 * (C(20,0) + ... + C(20,5)) / 2^20 = 2 * 21700 / 1048576 */
    dho_paired pair = compare(100, 15, 5);
    ck_assert_int_eq(pair.images, 100);
    ck_assert_int_eq(pair.only_a, 15);
    ck_assert_int_eq(pair.only_b, 5);
    ck_assert_double_eq_tol(pair.p, 2 * 21700 / 1048576.0, 1e-12);
    ck_assert_double_eq(compare(100, 5, 15).p, pair.p);
    ck_assert_double_eq(compare(100, 0, 0).p, 1);
    ck_assert_double_eq(compare(100, 1, 0).p, 1);
    ck_assert_double_eq_tol(compare(100, 6, 0).p, 2 / 64.0, 1e-12);
    ck_assert_double_eq(compare(100, 7, 7).p, 1);
    /* 2 (C(3000,0) + ... + C(3000,1400)) / 2^3000, in integers of any length */
    ck_assert_double_eq_tol(compare(4000, 1600, 1400).p, 0.0002785639610392337, 1e-14);
}
END_TEST

START_TEST(test_interval)
{
    const dho_paired pair = compare(100, 15, 5), mirrored = compare(100, 5, 15);
    const double a = 16 / 102.0, b = 6 / 102.0, d = b - a;
    const double half = 1.959963984540054 * sqrt((a + b - d * d) / 102);
    ck_assert_double_eq_tol(pair.difference, -0.1, 1e-12);
    ck_assert_double_eq_tol(pair.low, d - half, 1e-12);
    ck_assert_double_eq_tol(pair.high, d + half, 1e-12);
    ck_assert_double_eq_tol(mirrored.low, -pair.high, 1e-12);
    ck_assert_double_eq_tol(mirrored.high, -pair.low, 1e-12);
    const dho_paired one = compare(1, 1, 0);
    ck_assert_double_ge(one.low, -1);
    ck_assert_double_le(one.high, 1);
}
END_TEST

START_TEST(test_which_images)
{
    char names[] = "a\0b", other[] = "a\0c";
    int32_t labels[2] = {0, 1};
    const dho_prediction predictions[2] = {{.top = 0}, {.top = 0}};
    dho_head_outputs outputs = {.count = 2,
                                .classes = 2,
                                .labels = labels,
                                .image_names = names,
                                .image_name_bytes = sizeof names};
    dho_hits a, b;
    ck_assert_ok(dho_hits_of(&a, &outputs, predictions));
    ck_assert(a.right[0] && !a.right[1]);
    ck_assert_ok(dho_hits_of(&b, &outputs, predictions));
    ck_assert(dho_hits_are_paired(&a, &b));
    dho_hits_free(&b);
    outputs.image_names = other;
    ck_assert_ok(dho_hits_of(&b, &outputs, predictions));
    ck_assert(!dho_hits_are_paired(&a, &b));
    dho_hits_free(&b);
    outputs.count = 1;
    outputs.image_name_bytes = 2;
    outputs.image_names = names;
    ck_assert_ok(dho_hits_of(&b, &outputs, predictions));
    ck_assert(!dho_hits_are_paired(&a, &b));
    dho_hits_free(&b);
    dho_hits_free(&a);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("paired");
    TCase *tests = tcase_create("paired");
    tcase_add_test(tests, test_exact_p);
    tcase_add_test(tests, test_interval);
    tcase_add_test(tests, test_which_images);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

#include "check_main.h"
#include "dho/float_sum.h"
#include "dho/rng.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { COUNT = 1 << 16 };

static float x[COUNT], y[COUNT];
static uint16_t packed[COUNT];

static void fill(float *out, uint64_t id)
{
    dho_rng rng;
    dho_rng_init(&rng, 3, DHO_RNG_TEST, 0, id);
    for (size_t i = 0; i < COUNT; i++)
        out[i] = (float)(dho_rng_normal(&rng) * pow(2, (double)(i % 60) - 30));
}

static bool is_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0xFFFFu) == 0;
}

START_TEST(test_rounds_to_a_neighbour)
{
    const dho_rounding rounding = dho_rounding_of_step(1, 2);
    fill(x, 0);
    memcpy(y, x, sizeof y);
    dho_round_floats(&rounding, 7, y, COUNT);
    size_t up = 0, down = 0;
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert(is_bf16(y[i]));
        ck_assert_double_lt(fabs((double)y[i] - x[i]), fabs((double)x[i]) / 128);
        up += y[i] > x[i];
        down += y[i] < x[i];
    }
    ck_assert_double_eq_tol((double)up / (double)(up + down), 0.5, 0.01);
    dho_pack_floats(y, COUNT, packed);
    dho_unpack_floats(packed, COUNT, x);
    ck_assert_mem_eq(x, y, sizeof x);
    dho_round_floats(&rounding, 7, x, COUNT); /* nothing is left to round */
    ck_assert_mem_eq(x, y, sizeof x);
}
END_TEST

/* The mean over elements, and over steps, is the number itself: 1 + 2^-9 is a quarter of the way to
 * the next one, 1 + 2^-7. */
START_TEST(test_mean_is_right)
{
    const float value = 1 + 0x1p-9f;
    double elements = 0, steps = 0;
    dho_rounding rounding = dho_rounding_of_step(1, 2);
    for (size_t i = 0; i < COUNT; i++) x[i] = value;
    dho_round_floats(&rounding, 0, x, COUNT);
    for (size_t i = 0; i < COUNT; i++) elements += x[i] == 1 ? 0 : 1;
    for (int64_t step = 0; step < COUNT; step++) {
        float one = value;
        rounding = dho_rounding_of_step(1, step);
        dho_round_floats(&rounding, 5, &one, 1);
        ck_assert(one == 1 || one == 1 + 0x1p-7f);
        steps += one == 1 ? 0 : 1;
    }
    /* The deviation is sqrt(p (1 - p) / n) = 0.0017. */
    ck_assert_double_eq_tol(elements / COUNT, 0.25, 0.008);
    ck_assert_double_eq_tol(steps / COUNT, 0.25, 0.008);
}
END_TEST

/* A sum in parts has the same bits; another step, another seed and another place have others. */
START_TEST(test_coins)
{
    static float whole[COUNT], parts[COUNT];
    const dho_rounding rounding = dho_rounding_of_step(1, 2), next = dho_rounding_of_step(1, 3),
                       other = dho_rounding_of_step(2, 2);
    fill(x, 1);
    fill(whole, 2);
    memcpy(parts, whole, sizeof parts);
    dho_add_floats(&rounding, 100, whole, x, COUNT);
    dho_add_floats(&rounding, 100, parts, x, 33);
    dho_add_floats(&rounding, 133, parts + 33, x + 33, COUNT - 33);
    ck_assert_mem_eq(whole, parts, sizeof whole);
    const struct {
        const dho_rounding *rounding;
        size_t at;
    } others[] = {{&next, 100}, {&other, 100}, {&rounding, 101}};
    for (int k = 0; k < 3; k++) {
        size_t differ = 0;
        fill(parts, 2);
        dho_add_floats(others[k].rounding, others[k].at, parts, x, COUNT);
        for (size_t i = 0; i < COUNT; i++) differ += parts[i] != whole[i];
        ck_assert_double_eq_tol((double)differ / COUNT, 1.0 / 3, 0.05); /* 2 p (1 - p), mean */
    }
    dho_add_floats(NULL, 0, parts, x, COUNT);
    ck_assert(!is_bf16(parts[1]));
}
END_TEST

START_TEST(test_special_values)
{
    const uint32_t bits[] = {0x7F800000u, 0xFF800000u, 0x7FC00000u, 0x7F800001u,
                             0x00000000u, 0x80000000u, 0x3F800000u};
    float values[7];
    const dho_rounding rounding = dho_rounding_of_step(9, 9);
    memcpy(values, bits, sizeof values);
    dho_round_floats(&rounding, 0, values, 7);
    ck_assert(isinf(values[0]) && values[0] > 0 && isinf(values[1]) && values[1] < 0);
    ck_assert(isnan(values[2]) && isnan(values[3]));
    dho_pack_floats(values, 7, packed);
    dho_unpack_floats(packed, 7, values);
    ck_assert(isnan(values[2]) && isnan(values[3]));
    ck_assert(values[4] == 0 && !signbit(values[4]) && values[5] == 0 && signbit(values[5]));
    ck_assert(values[6] == 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("float_sum");
    TCase *tests = tcase_create("float_sum");
    tcase_add_test(tests, test_rounds_to_a_neighbour);
    tcase_add_test(tests, test_mean_is_right);
    tcase_add_test(tests, test_coins);
    tcase_add_test(tests, test_special_values);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

/* PCGrad's joint gradient against its formula, and its bits on several threads. */
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/rng.h"
#include "train/chunk_sum.h"
#include "train/pcgrad.h"

#include <math.h>
#include <string.h>

enum { COUNT = 3 * DHO_NORM_CHUNK + 5 * DHO_SLAB_LANES };

typedef struct fixture {
    float *a, *b, *joint;
    double *chunks;
} fixture;

/* b = direction * a + noise */
static void open_fixture(fixture *f, float direction)
{
    dho_rng rng;
    float **slabs[] = {&f->a, &f->b, &f->joint};
    for (int i = 0; i < 3; i++) ck_assert_ok(dho_alloc(slabs[i], COUNT, sizeof(float), "test"));
    ck_assert_ok(dho_alloc(&f->chunks, dho_chunk_count(COUNT), sizeof(double), "test"));
    dho_rng_init(&rng, 1, DHO_RNG_TEST, 0, 0);
    for (int i = 0; i < COUNT; i++) {
        f->a[i] = (float)dho_rng_normal(&rng);
        f->b[i] = direction * f->a[i] + (float)dho_rng_normal(&rng);
    }
}

static void close_fixture(fixture *f)
{
    dho_free(f->a);
    dho_free(f->b);
    dho_free(f->joint);
    dho_free(f->chunks);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

static double dot(const float *a, const float *b)
{
    double sum = 0;
    for (int i = 0; i < COUNT; i++) sum += (double)a[i] * b[i];
    return sum;
}

/* Conflict (0, 1), none (2). */
START_TEST(test_joint_gradient)
{
    static const float directions[] = {-2, -0.1f, 0.5f};
    fixture f;
    open_fixture(&f, directions[_i]);
    const double ab = dot(f.a, f.b), aa = dot(f.a, f.a), bb = dot(f.b, f.b);
    ck_assert((ab < 0) == (_i < 2));
    memcpy(f.joint, f.b, COUNT * sizeof *f.b);
    dho_pcgrad_join(1, COUNT, f.a, f.joint, f.chunks);
    for (int i = 0; i < COUNT; i++) {
        const double a = f.a[i], b = f.b[i];
        const double expected = ab < 0 ? (a - ab / bb * b) + (b - ab / aa * a) : a + b;
        ck_assert_double_eq_tol(f.joint[i], expected, 1e-5);
    }
    /* Neither loss grows along it. */
    ck_assert_double_ge(dot(f.joint, f.a), 0);
    ck_assert_double_ge(dot(f.joint, f.b), 0);
    for (int threads = 2; threads <= 4; threads++) {
        float *again;
        ck_assert_ok(dho_alloc(&again, COUNT, sizeof *again, "test"));
        memcpy(again, f.b, COUNT * sizeof *again);
        dho_pcgrad_join(threads, COUNT, f.a, again, f.chunks);
        ck_assert_mem_eq(again, f.joint, COUNT * sizeof *again);
        dho_free(again);
    }
    close_fixture(&f);
}
END_TEST

/* A loss without a gradient, and one with a value that is not a number. */
START_TEST(test_gradient_of_nothing)
{
    fixture f;
    open_fixture(&f, -1);
    memset(f.a, 0, COUNT * sizeof *f.a);
    memcpy(f.joint, f.b, COUNT * sizeof *f.b);
    dho_pcgrad_join(2, COUNT, f.a, f.joint, f.chunks);
    ck_assert_mem_eq(f.joint, f.b, COUNT * sizeof *f.b);
    f.a[7] = NAN;
    dho_pcgrad_join(2, COUNT, f.a, f.joint, f.chunks);
    ck_assert(isnan(f.joint[7]) && !isnan(f.joint[8]));
    close_fixture(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pcgrad");
    TCase *tests = tcase_create("pcgrad");
    tcase_add_loop_test(tests, test_joint_gradient, 0, 3);
    tcase_add_test(tests, test_gradient_of_nothing);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

/* Class means as a head. */
#define _GNU_SOURCE
#include "dho/prototypes.h"
#include "dho/safetensors.h"
#include "folder_fixture.h"

#include <math.h>

enum { C = 3, D = 2, N = 6 };

/* Rows of length 1, at these angles. */
static const double angles[N] = {0.1, 1.2, 0.5, 2.0, 1.6, 0.9};
static int64_t labels[N] = {0, 1, 0, 2, 1, 0};
static float features[N * D];

static dho_shots shots_of(int64_t count)
{
    for (int n = 0; n < N; n++) {
        features[n * D] = (float)cos(angles[n]);
        features[n * D + 1] = (float)sin(angles[n]);
    }
    return (dho_shots){
        .count = count, .views = 1, .dim = D, .features = features, .labels = labels};
}

/* The direction of a sum of unit vectors. */
static void expect_row(const float *row, int count, const double *of)
{
    double x = 0, y = 0;
    for (int i = 0; i < count; i++) {
        x += cos(of[i]);
        y += sin(of[i]);
    }
    ck_assert_double_eq_tol(row[0], x / hypot(x, y), 1e-6);
    ck_assert_double_eq_tol(row[1], y / hypot(x, y), 1e-6);
}

START_TEST(test_means_of_the_first)
{
    const dho_shots shots = shots_of(N);
    dho_teacher_head head;
    for (int64_t k = 0; k < 4; k++) { /* 0: all */
        const int most = k == 0 ? N : (int)k;
        ck_assert_ok(dho_prototypes_make(&head, &shots, k, "rows"));
        ck_assert(head.classes == C && head.dim == D && head.bias == NULL && head.key_count == 0);
        ck_assert(head.scale == 100);
        expect_row(head.weight, most < 3 ? most : 3, (double[]){0.1, 0.5, 0.9});
        expect_row(head.weight + D, most < 2 ? most : 2, (double[]){1.2, 1.6});
        expect_row(head.weight + 2 * D, 1, (double[]){2.0});
        dho_teacher_head_free(&head);
    }
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_refused)
{
    dho_shots shots = shots_of(N);
    dho_teacher_head head;
    labels[3] = 5;
    ck_assert_fails(dho_prototypes_make(&head, &shots, 0, "rows"), DHO_ERR_CONFIG,
                    "rows: no row of class 2 (of 6)");
    labels[3] = 1000;
    ck_assert_fails(dho_prototypes_make(&head, &shots, 0, "rows"), DHO_ERR_CONFIG,
                    "rows: 6 rows, but a label 1000");
    labels[3] = 2;
    features[D] = -features[4 * D]; /* class 1 */
    features[D + 1] = -features[4 * D + 1];
    ck_assert_fails(dho_prototypes_make(&head, &shots, 0, "rows"), DHO_ERR_NUMERIC,
                    "class 1 cancel out");
    ck_assert_ptr_null(head.weight);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Of any width and any classes. */
START_TEST(test_file)
{
    char path[64];
    dho_shots shots = shots_of(N);
    const float one_hot[N * C] = {1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0};
    const dho_tensor_view tensors[] = {
        {"features", DHO_F32, 2, {N, D}, features, sizeof features},
        {"labels", DHO_I64, 1, {N}, labels, sizeof labels},
        {"cache_keys", DHO_F32, 2, {N, D}, features, sizeof features},
        {"cache_values", DHO_F32, 2, {N, C}, one_hot, sizeof one_hot}};
    snprintf(path, sizeof path, "%s/rows.st", fixture_root);
    for (int of = 0; of < 4; of += 2) {
        ck_assert_ok(dho_safetensors_save(path, tensors + of, 2, NULL, NULL));
        ck_assert_ok(dho_shots_load(&shots, path, 0, 0, true));
        ck_assert(shots.dim == D && shots.count == N);
        ck_assert_mem_eq(shots.labels, labels, sizeof labels);
        dho_shots_free(&shots);
    }
    labels[1] = -1;
    ck_assert_ok(dho_safetensors_save(path, tensors, 2, NULL, NULL));
    ck_assert_fails(dho_shots_load(&shots, path, 0, 0, true), DHO_ERR_FORMAT, "label -1 of row 1");
    labels[1] = 1;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prototypes");
    TCase *tests = tcase_create("prototypes");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_means_of_the_first);
    tcase_add_test(tests, test_refused);
    tcase_add_test(tests, test_file);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

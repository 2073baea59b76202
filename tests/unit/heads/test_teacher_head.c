/* Head files, and a head's logits against the formula in double. */
#define _GNU_SOURCE
#include "dho/rng.h"
#include "dho/teacher_head.h"
#include "floats.h"
#include "folder_fixture.h"

#include <math.h>
#include <string.h>

enum { C = 5, D = 7, N = 11, COUNT_MOST = 8 };

static char path[64];
static float weight[C * D], bias[C], keys[N * D], scale = 30, alpha = 1.5f, beta = 2.5f;
static int64_t labels[N] = {3, 1, 4, 1, 0, 3, 4, 4, 0, 1, 3}; /* class 2 has none */

static void start(void)
{
    fixture_setup();
    snprintf(path, sizeof path, "%s/head.st", fixture_root);
    random_floats(C * D, weight, 1);
    random_floats(C, bias, 2);
    random_floats(N * D, keys, 3);
}

/* The tensors of a whole file; tests change one of them. */
static dho_tensor_view whole[7];

static void fill_whole(void)
{
    const dho_tensor_view tensors[7] = {{"scale", DHO_F32, 0, {0}, &scale, sizeof scale},
                                        {"weight", DHO_F32, 2, {C, D}, weight, sizeof weight},
                                        {"bias", DHO_F32, 1, {C}, bias, sizeof bias},
                                        {"keys", DHO_F32, 2, {N, D}, keys, sizeof keys},
                                        {"labels", DHO_I64, 1, {N}, labels, sizeof labels},
                                        {"alpha", DHO_F32, 0, {0}, &alpha, sizeof alpha},
                                        {"beta", DHO_F32, 0, {0}, &beta, sizeof beta}};
    memcpy(whole, tensors, sizeof whole);
}

static dho_status load(dho_teacher_head *head, size_t count)
{
    ck_assert_ok(dho_safetensors_save(path, whole, count, NULL, NULL));
    return dho_teacher_head_load(head, path, C, D);
}

START_TEST(test_load_sorts_and_save_repeats)
{
    dho_teacher_head head, again;
    char first[96], second[96];
    fill_whole();
    ck_assert_ok(load(&head, 7));
    ck_assert(head.classes == C && head.dim == D && head.key_count == N && head.scale == 30);
    const int expected[C + 1] = {0, 2, 5, 5, 8, 11}, order[N] = {4, 8, 1, 3, 9, 0, 5, 10, 2, 6, 7};
    ck_assert_mem_eq(head.first_key, expected, sizeof expected);
    for (int k = 0; k < N; k++)
        ck_assert_mem_eq(head.keys + k * D, keys + order[k] * D, D * sizeof *keys);
    ck_assert_ok(dho_teacher_head_save(path, &head, NULL, NULL));
    ck_assert_ok(dho_teacher_head_load(&again, path, 0, 0));
    dho_teacher_head_describe(&head, first, sizeof first);
    dho_teacher_head_describe(&again, second, sizeof second);
    ck_assert_str_eq(first, second);
    ck_assert_ptr_nonnull(strstr(first, "Tip-Adapter head of 11 keys crc32 "));
    again.beta += 1;
    dho_teacher_head_describe(&again, second, sizeof second);
    ck_assert_str_ne(first, second);
    dho_teacher_head_free(&head);
    dho_teacher_head_free(&again);
    /* Without keys; without a scale. */
    ck_assert_ok(load(&head, 3));
    dho_teacher_head_describe(&head, first, sizeof first);
    ck_assert_ptr_nonnull(strstr(first, "linear head crc32 "));
    dho_teacher_head_free(&head);
    whole[0] = whole[2];
    ck_assert_ok(load(&head, 2));
    ck_assert(head.scale == 100 && head.bias != NULL && head.key_count == 0);
    dho_teacher_head_free(&head);
}
END_TEST

static const float bad_numbers[3] = {NAN, INFINITY, -1};

static const struct {
    int tensor; /* of the whole file */
    dho_tensor_view with;
    const char *message;
    dho_status status;
} damages[] = {
    {3, {"keys", DHO_F32, 2, {D, N}, keys, sizeof keys}, "keys", DHO_ERR_FORMAT},
    {3, {"keys", DHO_F32, 2, {0, D}, keys, 0}, "expected shape [0]", DHO_ERR_FORMAT},
    {4, {"label", DHO_I64, 1, {N}, labels, sizeof labels}, "no tensor \"labels\"", DHO_ERR_FORMAT},
    {4, {"labels", DHO_I64, 1, {N - 1}, labels, sizeof labels - 8}, "labels", DHO_ERR_FORMAT},
    {4, {"labels", DHO_F64, 1, {N}, labels, sizeof labels}, "labels", DHO_ERR_FORMAT},
    {5, {"gamma", DHO_F32, 0, {0}, &alpha, 4}, "no tensor \"alpha\"", DHO_ERR_FORMAT},
    {5, {"alpha", DHO_F32, 1, {1}, &alpha, 4}, "alpha", DHO_ERR_FORMAT},
    {5, {"alpha", DHO_F32, 0, {0}, &bad_numbers[0], 4}, "\"alpha\" is", DHO_ERR_FORMAT},
    {5, {"alpha", DHO_F32, 0, {0}, &bad_numbers[2], 4}, "alpha -1", DHO_ERR_FORMAT},
    {6, {"beta", DHO_F32, 0, {0}, &bad_numbers[1], 4}, "\"beta\" is inf", DHO_ERR_FORMAT},
    {0, {"scale", DHO_F32, 0, {0}, &bad_numbers[0], 4}, "\"scale\" is", DHO_ERR_FORMAT},
    {1, {"weight", DHO_F32, 2, {D, C}, weight, sizeof weight}, "[7, 5]", DHO_ERR_CONFIG},
    {1, {"weight", DHO_F32, 2, {0, D}, weight, 0}, "shape [0, 7]", DHO_ERR_FORMAT},
    {1, {"other", DHO_F32, 2, {C, D}, weight, sizeof weight}, "\"weight\"", DHO_ERR_FORMAT},
    {0, {"prototypes", DHO_F32, 2, {C, D}, weight, sizeof weight}, "both", DHO_ERR_CONFIG},
    {2, {"bias", DHO_F32, 1, {C - 1}, bias, sizeof bias - 4}, "bias", DHO_ERR_FORMAT},
};

START_TEST(test_hostile_files)
{
    dho_teacher_head head;
    fill_whole();
    whole[damages[_i].tensor] = damages[_i].with;
    ck_assert_fails(load(&head, 7), damages[_i].status, damages[_i].message);
    ck_assert_ptr_nonnull(strstr(dho_error_message(), path));
    ck_assert(head.weight == NULL && head.key_count == 0);
}
END_TEST

START_TEST(test_hostile_values)
{
    dho_teacher_head head;
    fill_whole();
    labels[6] = C;
    ck_assert_fails(load(&head, 7), DHO_ERR_FORMAT, "label 5 of row 6 is not in 0 to 4");
    labels[6] = -1;
    ck_assert_fails(load(&head, 7), DHO_ERR_FORMAT, "label -1 of row 6");
    labels[6] = 4;
    keys[20] = NAN;
    ck_assert_fails(load(&head, 7), DHO_ERR_FORMAT, "tensor \"keys\": value [2, 6] is nan");
    keys[20] = 0;
    weight[3] = INFINITY;
    ck_assert_fails(load(&head, 7), DHO_ERR_FORMAT, "tensor \"weight\": value [0, 3] is inf");
    weight[3] = 0;
    ck_assert_ok(load(&head, 7));
    dho_teacher_head_free(&head);
    ck_assert_fails(dho_teacher_head_load(&head, "/nowhere.st", C, D), DHO_ERR_CONFIG, "no such");
}
END_TEST

START_TEST(test_every_allocation_may_fail)
{
    dho_teacher_head head;
    fill_whole();
    ck_assert_ok(dho_safetensors_save(path, whole, 7, NULL, NULL));
    ck_assert_allocations(dho_teacher_head_load(&head, path, C, D));
    dho_teacher_head_free(&head);
}
END_TEST

/* logits[c] of one embedding by the formula. */
static double formula(const dho_teacher_head *head, const float *f, int c)
{
    double norm = 0, dot = 0;
    for (int i = 0; i < head->dim; i++) norm += (double)f[i] * f[i];
    norm = head->key_count > 0 ? sqrt(norm) : 1;
    for (int i = 0; i < head->dim; i++) dot += f[i] / norm * head->weight[c * head->dim + i];
    double sum = head->scale * dot + (head->bias != NULL ? head->bias[c] : 0);
    for (int k = 0; head->key_count > 0 && k < head->key_count; k++) {
        if (k < head->first_key[c] || k >= head->first_key[c + 1]) continue;
        double affinity = 0;
        for (int i = 0; i < head->dim; i++)
            affinity += f[i] / norm * head->keys[(size_t)k * (size_t)head->dim + (size_t)i];
        sum += head->alpha * exp(-head->beta * (1 - affinity));
    }
    return sum;
}

/* More keys than a block has, classes that end and that are empty at a block's edge. */
START_TEST(test_logits)
{
    enum { ROWS = 5, CLASSES = 9, DIM = 19, KEYS = 2500 };
    static float big_keys[KEYS * DIM], embeddings[ROWS * DIM], logits[ROWS * CLASSES];
    static float own_weight[CLASSES * DIM], own_bias[CLASSES], copy[ROWS * DIM];
    static int64_t big_labels[KEYS];
    static const int ends[CLASSES] = {7, 1000, 1000, 1024, 1024, 1025, 2048, 2048, KEYS};
    dho_compute *compute;
    random_floats(KEYS * DIM, big_keys, 6);
    random_floats(ROWS * DIM, embeddings, 7);
    random_floats(CLASSES * DIM, own_weight, 8);
    random_floats(CLASSES, own_bias, 9);
    memcpy(copy, embeddings, sizeof copy);
    for (int k = 0, c = 0; k < KEYS; k++) {
        while (k >= ends[c]) c++;
        big_labels[k] = c;
    }
    for (int i = 0; i < KEYS * DIM; i++) big_keys[i] *= 0.2f;
    const dho_backend backends[] = {DHO_BACKEND_REF, DHO_BACKEND_AUTO};
    ck_assert_ok(dho_compute_create(&compute, backends[_i / 4], DHO_DTYPE_FP32, 1 + _i % 2));
    dho_teacher_head head = {.classes = CLASSES,
                             .dim = DIM,
                             .scale = 3,
                             .alpha = 0.7f,
                             .beta = 4,
                             .weight = own_weight,
                             .bias = _i / 2 % 2 ? own_bias : NULL};
    for (int with = 0; with < 2; with++) {
        if (with)
            ck_assert_ok(dho_teacher_head_set_keys(&head, KEYS, big_keys, big_labels, "test"));
        float *scratch;
        ck_assert_ok(dho_alloc(&scratch, dho_teacher_head_scratch(&head, ROWS), 4, "scratch"));
        const int64_t before = dho_alloc_get_stats().calls;
        dho_teacher_head_logits(compute, &head, ROWS, embeddings, scratch, logits);
        ck_assert_int_eq(dho_alloc_get_stats().calls, before);
        dho_free(scratch);
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < CLASSES; c++) {
                const double expected = formula(&head, embeddings + r * DIM, c);
                ck_assert_msg(fabs(logits[r * CLASSES + c] - expected) <=
                                  2e-5 * (1 + fabs(expected)),
                              "row %d class %d: %g, expected %g", r, c,
                              (double)logits[r * CLASSES + c], expected);
            }
    }
    ck_assert_mem_eq(copy, embeddings, sizeof copy);
    dho_teacher_head_drop_keys(&head);
    dho_compute_destroy(&compute);
}
END_TEST

/* s f W^T + bias is s (f W^T + b). */
START_TEST(test_inner_bias)
{
    dho_teacher_head head = {
        .classes = C, .dim = D, .scale = scale, .weight = weight, .bias = bias};
    float inner[C];
    dho_teacher_head_inner_bias(&head, inner);
    for (int c = 0; c < C; c++) ck_assert(inner[c] == bias[c] / scale && inner[c] != 0);
    head.bias = NULL;
    dho_teacher_head_inner_bias(&head, inner);
    for (int c = 0; c < C; c++) ck_assert(inner[c] == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("teacher_head");
    TCase *tests = tcase_create("head");
    tcase_add_checked_fixture(tests, start, fixture_teardown);
    tcase_add_test(tests, test_load_sorts_and_save_repeats);
    tcase_add_loop_test(tests, test_hostile_files, 0, (int)(sizeof damages / sizeof *damages));
    tcase_add_test(tests, test_hostile_values);
    tcase_add_test(tests, test_every_allocation_may_fail);
    tcase_add_test(tests, test_inner_bias);
    tcase_add_loop_test(tests, test_logits, 0, COUNT_MOST);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

/* Tip-Adapter: shots out of caches and files, the training of the keys against finite differences
 * and against the same training in double, the counting against the formula. */
#define _GNU_SOURCE
#include "base/compare.h"
#include "dho/rng.h"
#include "dho/safetensors.h"
#include "dho/tip_adapter.h"
#include "floats.h"
#include "unit/teacher/cache_fixture.h"
#include "unit/weights/pt_crafted.h"

enum { C = 4, D = 6, N = 13, VIEWS = 2 };

static void normalise(int dim, float *row)
{
    double squares = 0;
    for (int i = 0; i < dim; i++) squares += (double)row[i] * row[i];
    for (int i = 0; i < dim; i++) row[i] = (float)(row[i] / sqrt(squares));
}

/* N images of VIEWS views. */
static void make_shots(dho_shots *shots)
{
    *shots = (dho_shots){.count = N, .views = VIEWS, .dim = D};
    ck_assert_ok(dho_alloc(&shots->features, VIEWS * N * D, sizeof(float), "test"));
    ck_assert_ok(dho_alloc(&shots->keys, N * D, sizeof(float), "test"));
    ck_assert_ok(dho_alloc(&shots->labels, N, sizeof(int64_t), "test"));
    random_floats(VIEWS * N * D, shots->features, 1);
    for (int r = 0; r < VIEWS * N; r++) normalise(D, shots->features + r * D);
    for (int n = 0; n < N; n++) {
        shots->labels[n] = n * 7 % C;
        for (int i = 0; i < D; i++)
            shots->keys[n * D + i] = shots->features[n * D + i] + shots->features[(N + n) * D + i];
        normalise(D, shots->keys + n * D);
    }
}

static void make_head(dho_teacher_head *head, const dho_shots *shots)
{
    static float weight_values[C * D];
    *head = (dho_teacher_head){.classes = C, .dim = D, .scale = 3, .alpha = 2, .beta = 1.5f};
    random_floats(C * D, weight_values, 2);
    head->weight = weight_values; /* a copy of this head is used */
    dho_teacher_head copy;
    ck_assert_ok(dho_teacher_head_copy(&copy, head));
    *head = copy;
    ck_assert_ok(dho_teacher_head_set_keys(head, N, shots->keys, shots->labels, "test"));
}

static double logit(const dho_teacher_head *head, const double *keys, const float *f, int c)
{
    double sum = 0;
    for (int i = 0; i < D; i++) sum += head->scale * (double)f[i] * head->weight[c * D + i];
    for (int k = head->first_key[c]; k < head->first_key[c + 1]; k++) {
        double affinity = 0;
        for (int i = 0; i < D; i++) affinity += f[i] * keys[k * D + i];
        sum += head->alpha * exp(-head->beta * (1 - affinity));
    }
    return sum;
}

/* Mean cross-entropy of rows order[0 .. rows-1] of a view. */
static double loss_of(const dho_teacher_head *head, const double *keys, const dho_shots *shots,
                      int view, const int64_t *order, int rows)
{
    double total = 0;
    for (int r = 0; r < rows; r++) {
        const float *f = shots->features + (view * N + order[r]) * D;
        double sum = 0;
        for (int c = 0; c < C; c++) sum += exp(logit(head, keys, f, c));
        total += log(sum) - logit(head, keys, f, (int)shots->labels[order[r]]);
    }
    return total / rows;
}

static void differentiate(const dho_teacher_head *head, double *keys, const dho_shots *shots,
                          int view, const int64_t *order, int rows, double *gradient)
{
    for (int i = 0; i < N * D; i++) {
        const double kept = keys[i], step = 1e-5;
        keys[i] = kept + step;
        const double above = loss_of(head, keys, shots, view, order, rows);
        keys[i] = kept - step;
        gradient[i] = (above - loss_of(head, keys, shots, view, order, rows)) / (2 * step);
        keys[i] = kept;
    }
}

static double epoch_loss[64];
static void note_epoch(void *context, int epoch, double loss, double accuracy)
{
    *(int *)context += 1;
    ck_assert(accuracy >= 0 && accuracy <= 1);
    epoch_loss[epoch] = loss;
}

/* With eps far above every gradient AdamW's first step is -lr / eps x gradient. */
START_TEST(test_gradient)
{
    dho_shots shots;
    dho_teacher_head head;
    dho_compute *compute;
    double keys[N * D], gradient[N * D];
    int64_t order[N];
    int epochs = 0;
    make_shots(&shots);
    make_head(&head, &shots);
    for (int i = 0; i < N; i++) order[i] = i;
    for (int i = 0; i < N * D; i++) keys[i] = head.keys[i];
    differentiate(&head, keys, &shots, 0, order, N, gradient);
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 2));
    const dho_tip_training training = {.epochs = 1,
                                       .batch = 100,
                                       .lr = 1e6,
                                       .eps = 1e6,
                                       .on_epoch = note_epoch,
                                       .context = &epochs};
    ck_assert_ok(dho_tip_fine_tune(compute, &head, &shots, &training));
    ck_assert_int_eq(epochs, 1);
    ck_assert_double_eq_tol(epoch_loss[0], loss_of(&head, keys, &shots, 0, order, N), 1e-6);
    double largest = 0;
    for (int i = 0; i < N * D; i++) {
        ck_assert_double_eq_tol(keys[i] - head.keys[i], gradient[i], 3e-7);
        largest = dho_larger_or_nan(largest, fabs(gradient[i]));
    }
    ck_assert_double_gt(largest, 1e-2);
    dho_compute_destroy(&compute);
    dho_teacher_head_free(&head);
    dho_shots_free(&shots);
}
END_TEST

/* 21 steps, batches of 5, 5 and 3, both views in turn, with decay. */
START_TEST(test_training)
{
    dho_shots shots;
    dho_teacher_head head;
    dho_compute *compute;
    double keys[N * D], gradient[N * D], m[N * D] = {0}, v[N * D] = {0};
    int64_t order[N];
    enum { EPOCHS = 7, BATCH = 5, STEPS = 21 };
    make_shots(&shots);
    make_head(&head, &shots);
    for (int i = 0; i < N * D; i++) keys[i] = head.keys[i];
    for (int epoch = 0, step = 0; epoch < EPOCHS; epoch++) {
        dho_rng rng;
        for (int i = 0; i < N; i++) order[i] = i;
        dho_rng_init(&rng, 11, DHO_RNG_TIP_ADAPTER, (uint64_t)epoch, 0);
        dho_rng_shuffle(&rng, order, N);
        for (int first = 0; first < N; first += BATCH, step++) {
            const int rows = N - first < BATCH ? N - first : BATCH;
            const double lr = 0.02 * 0.5 * (1 + cos(acos(-1) * step / STEPS));
            differentiate(&head, keys, &shots, epoch % VIEWS, order + first, rows, gradient);
            for (int i = 0; i < N * D; i++) {
                m[i] = 0.9 * m[i] + 0.1 * gradient[i];
                v[i] = 0.999 * v[i] + 0.001 * gradient[i] * gradient[i];
                keys[i] *= 1 - lr * 0.1;
                keys[i] -= lr * m[i] / (1 - pow(0.9, step + 1)) /
                           (sqrt(v[i] / (1 - pow(0.999, step + 1))) + 1e-4);
            }
        }
    }
    dho_tip_training training = {
        .epochs = EPOCHS, .batch = BATCH, .lr = 0.02, .eps = 1e-4, .weight_decay = 0.1, .seed = 11};
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 1));
    ck_assert_ok(dho_tip_fine_tune(compute, &head, &shots, &training));
    double moved = 0;
    for (int i = 0; i < N * D; i++) {
        ck_assert_double_eq_tol(head.keys[i], keys[i], 1e-5);
        moved = dho_larger_or_nan(moved, fabs(keys[i]));
    }
    ck_assert_double_gt(moved, 0.5);
    /* A loss that is not finite; allocations that fail. */
    head.keys[3] = NAN;
    ck_assert_fails(dho_tip_fine_tune(compute, &head, &shots, &training), DHO_ERR_NUMERIC,
                    "epoch 1: the loss is not finite");
    ck_assert_ok(dho_teacher_head_set_keys(&head, N, shots.keys, shots.labels, "test"));
    training.epochs = 1;
    ck_assert_allocations(dho_tip_fine_tune(compute, &head, &shots, &training));
    dho_compute_destroy(&compute);
    dho_teacher_head_free(&head);
    dho_shots_free(&shots);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

static int64_t count_by_formula(const dho_teacher_head *head, const dho_shots *set, int every,
                                bool rest, float beta, float alpha)
{
    dho_teacher_head other = *head;
    double keys[N * D];
    int64_t right = 0;
    other.beta = beta;
    other.alpha = alpha;
    for (int i = 0; i < N * D; i++) keys[i] = head->keys[i];
    for (int r = 0; r < VIEWS * N; r++) {
        const int image = r % N;
        if ((image % every != 0) != rest) continue;
        int above = 0;
        const float *f = set->features + r * D;
        for (int c = 0; c < C; c++)
            above += logit(&other, keys, f, c) >= logit(&other, keys, f, (int)set->labels[image]);
        right += above == 1;
    }
    return right;
}

START_TEST(test_count)
{
    dho_shots set;
    dho_teacher_head head;
    dho_compute *compute;
    dho_comm *comm;
    const float betas[3] = {0.1f, 2, 30}, alphas[4] = {0, 0.5f, 3, 200};
    int64_t right[12];
    make_shots(&set);
    make_head(&head, &set);
    ck_assert_ok(dho_comm_create_serial(&comm));
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 2));
    for (int rest = 0; rest < 2; rest++) {
        const dho_tip_rows rows = {3, rest == 1};
        ck_assert_int_eq(dho_tip_row_count(&set, rows), rest ? 16 : 10);
        ck_assert_ok(dho_tip_count(compute, comm, &head, &set, rows,
                                   &(dho_tip_values){betas, alphas, 3, 4}, right));
        for (int b = 0; b < 3; b++)
            for (int a = 0; a < 4; a++)
                ck_assert_int_eq(right[b * 4 + a],
                                 count_by_formula(&head, &set, 3, rest, betas[b], alphas[a]));
    }
    ck_assert_int_gt(right[6], right[4]); /* keys help on their own images */
    /* Two equal classes: a tie is no hit. */
    memcpy(head.weight + D, head.weight, D * sizeof(float));
    dho_teacher_head_drop_keys(&head);
    const dho_tip_rows all = {1, false};
    const dho_tip_values one = {betas, alphas, 1, 1};
    ck_assert_ok(dho_tip_count(compute, comm, &head, &set, all, &one, right));
    for (int n = 0; n < N; n++) set.labels[n] = n % 2;
    ck_assert_ok(dho_tip_count(compute, comm, &head, &set, all, &one, right));
    ck_assert_int_eq(right[0], 0);
    dho_comm_destroy(&comm);
    dho_compute_destroy(&compute);
    dho_teacher_head_free(&head);
    dho_shots_free(&set);
}
END_TEST

START_TEST(test_split)
{
    dho_shots shots, rest, held;
    make_shots(&shots);
    ck_assert_ok(dho_shots_split(&shots, C, 1, &rest, &held));
    ck_assert(rest.count == N - C && held.count == C && held.views == VIEWS);
    for (int n = 0; n < C; n++) { /* the last image of each class, in order */
        const int at = N - C + n;
        ck_assert_int_eq(held.labels[n], shots.labels[at]);
        ck_assert_mem_eq(held.features + (C + n) * D, shots.features + (N + at) * D, D * 4);
        ck_assert_mem_eq(held.keys + n * D, shots.keys + at * D, D * 4);
    }
    ck_assert_mem_eq(rest.keys, shots.keys, (N - C) * D * 4);
    dho_shots_free(&rest);
    dho_shots_free(&held);
    ck_assert_fails(dho_shots_split(&shots, C, 3, &rest, &held), DHO_ERR_CONFIG,
                    "has 3 images: with 3 held out");
    dho_shots_free(&shots);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_shots_from_cache)
{
    const dho_cache_spec spec = small_spec();
    const int64_t ids[3] = {5, 0, 2}, labels[3] = {1, 0, 3};
    dho_cache *cache;
    dho_shots shots;
    write_all(&spec);
    ck_assert_ok(dho_cache_open(&cache, fixture_root));
    ck_assert_ok(dho_cache_read_shots(cache, ids, labels, 3, &shots));
    ck_assert(shots.count == 3 && shots.views == 2 && shots.dim == 6 && shots.labels[2] == 3);
    for (int n = 0; n < 3; n++) {
        float stored[2][6], mean[6];
        for (int view = 0; view < 2; view++) {
            dho_cache_record record = {.payload = stored[view]};
            ck_assert_ok(dho_cache_read(cache, ids[n], view, &record));
        }
        for (int i = 0; i < 6; i++) mean[i] = stored[0][i] + stored[1][i];
        normalise(6, mean);
        for (int view = 0; view < 2; view++) normalise(6, stored[view]);
        for (int i = 0; i < 6; i++) {
            ck_assert_float_eq_tol(shots.keys[n * 6 + i], mean[i], 1e-6f);
            ck_assert_float_eq_tol(shots.features[(3 + n) * 6 + i], stored[1][i], 1e-6f);
        }
    }
    dho_shots_free(&shots);
    dho_cache_close(&cache);
}
END_TEST

START_TEST(test_shots_from_files)
{
    static float features[N * D], one_hot[N * C];
    int64_t labels[N];
    dho_shots shots;
    char file[64];
    snprintf(file, sizeof file, "%s/shots.st", fixture_root);
    random_floats(N * D, features, 4);
    for (int n = 0; n < N; n++) {
        labels[n] = n % C;
        one_hot[n * C + n % C] = 1;
    }
    const dho_tensor_view tensors[4] = {
        {"features", DHO_F32, 2, {N, D}, features, sizeof features},
        {"labels", DHO_I64, 1, {N}, labels, sizeof labels},
        {"cache_keys", DHO_F32, 2, {N, D}, features, sizeof features},
        {"cache_values", DHO_F32, 2, {N, C}, one_hot, sizeof one_hot}};
    for (int of = 0; of < 4; of += 2) {
        ck_assert_ok(dho_safetensors_save(file, tensors + of, 2, NULL, NULL));
        ck_assert_ok(dho_shots_load(&shots, file, D, C, of == 0));
        ck_assert(shots.count == N && shots.views == 1 && shots.keys == NULL);
        ck_assert_mem_eq(shots.labels, labels, sizeof labels);
        if (of == 0) normalise(D, features + 3 * D);
        ck_assert_float_eq_tol(shots.features[3 * D], features[3 * D], 1e-6f);
        dho_shots_free(&shots);
    }
    ck_assert_fails(dho_shots_load(&shots, file, D + 1, C, true), DHO_ERR_CONFIG,
                    "embeddings of 6 values; the head has 7");
    ck_assert_fails(dho_shots_load(&shots, file, D, C + 1, true), DHO_ERR_FORMAT, "cache_values");
    one_hot[5 * C] = 0.5f;
    ck_assert_ok(dho_safetensors_save(file, tensors + 2, 2, NULL, NULL));
    ck_assert_fails(dho_shots_load(&shots, file, D, C, true), DHO_ERR_FORMAT,
                    "row 5 is not one-hot");
    labels[2] = C;
    ck_assert_ok(dho_safetensors_save(file, tensors, 2, NULL, NULL));
    ck_assert_fails(dho_shots_load(&shots, file, D, C, true), DHO_ERR_FORMAT,
                    "label 4 of row 2 is not in 0 to 3");
    labels[2] = 2;
    features[4 * D + 1] = NAN;
    ck_assert_ok(dho_safetensors_save(file, tensors, 2, NULL, NULL));
    ck_assert_fails(dho_shots_load(&shots, file, D, C, true), DHO_ERR_FORMAT,
                    "value 1 of row 4 is");
    memset(features + 4 * D, 0, D * sizeof *features);
    ck_assert_ok(dho_safetensors_save(file, tensors, 2, NULL, NULL));
    ck_assert_fails(dho_shots_load(&shots, file, D, C, true), DHO_ERR_NUMERIC, "row 4");
    ck_assert_ok(dho_safetensors_save(file, tensors + 1, 1, NULL, NULL));
    ck_assert_fails(dho_shots_load(&shots, file, D, C, true), DHO_ERR_FORMAT, "\"features\"");
}
END_TEST

/* Tip-Adapter's own files: key n is 1 + (6 n + i) / 4, of the classes 0, 1, 2, 3, 0. */
START_TEST(test_shots_from_torch_files)
{
    static const int64_t expected[5] = {0, 1, 2, 3, 0};
    static const char *const keys[] = {"tip_keys.pt", "tip_adapter.pt"};
    dho_shots shots;
    for (int i = 0; i < 2; i++) {
        ck_assert_ok(
            dho_shots_load_torch(&shots, golden(keys[i]), golden("tip_values.pt"), D, C, false));
        ck_assert(shots.count == 5 && shots.dim == D && shots.views == 1);
        ck_assert_mem_eq(shots.labels, expected, sizeof expected);
        for (int n = 0; n < 5 * D; n++) ck_assert(shots.features[n] == 1 + (float)n / 4);
        dho_shots_free(&shots);
    }
    ck_assert_ok(
        dho_shots_load_torch(&shots, golden("tip_keys.pt"), golden("tip_values.pt"), D, C, true));
    double squares = 0;
    for (int i = 0; i < D; i++) squares += (double)shots.features[i] * shots.features[i];
    ck_assert(fabs(squares - 1) < 1e-6);
    dho_shots_free(&shots);

    static const struct {
        const char *keys, *values, *message;
        int dim, classes;
        dho_status status;
    } wrong[] = {
        {"tip_keys.pt", "tip_values.pt", "keys of 6 x 5; the head has embeddings of 7 values",
         D + 1, C, DHO_ERR_CONFIG},
        {"tip_keys.pt", "tip_values.pt", "values of 5 x 4, expected 5 keys x 5 classes", D, C + 1,
         DHO_ERR_CONFIG},
        {"tip_keys.pt", "tip_values.pt", "values of 5 x 4, expected 6 keys x 4 classes", D - 1, C,
         DHO_ERR_CONFIG},
        {"tip_keys.pt", "tip_adapter.pt", "values of 5 x 6", D, C, DHO_ERR_CONFIG},
        {"tip_keys.pt", "tip_adapter.pt", "row 0 is not one-hot", D, 6, DHO_ERR_FORMAT},
        {"tensor.pt", "tip_values.pt", "expected one tensor of two dimensions", D, C,
         DHO_ERR_FORMAT},
        {"list.pt", "tip_values.pt", "expected one tensor of two dimensions", D, C, DHO_ERR_FORMAT},
        {"tip_keys.pt", "nowhere.pt", "no such file", D, C, DHO_ERR_CONFIG},
        {"plain.pt", "tip_values.pt", "not a list", D, C, DHO_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_fails(dho_shots_load_torch(&shots, golden(wrong[i].keys), golden(wrong[i].values),
                                             wrong[i].dim, wrong[i].classes, false),
                        wrong[i].status, wrong[i].message);
        ck_assert_ptr_null(shots.features);
    }
    ck_assert_allocations(
        dho_shots_load_torch(&shots, golden("tip_keys.pt"), golden("tip_values.pt"), D, C, true));
    dho_shots_free(&shots);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tip_adapter");
    TCase *tests = tcase_create("tip_adapter");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_gradient);
    tcase_add_test(tests, test_training);
    tcase_add_test(tests, test_count);
    tcase_add_test(tests, test_split);
    tcase_add_test(tests, test_shots_from_cache);
    tcase_add_test(tests, test_shots_from_files);
    tcase_add_test(tests, test_shots_from_torch_files);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

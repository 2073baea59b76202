/* Import of features, and what the encodings cost: with ../shared/data/caltech101 there, the real
 * check prints the table of docs/teacher-cache.md. */
#define _GNU_SOURCE
#include "base/compare.h"
#include "dho/safetensors.h"
#include "dho/teacher.h"
#include "dho/teacher_cache.h"
#include "folder_fixture.h"

#include <math.h>
#include <string.h>

#define REAL "../shared/data/caltech101/caltech101_"

enum { N = 10, D = 3, C = 4 };

static char cache_folder[64], features_path[64], head_path[64];
static float features[N * D], weight[C * D];
static const float bias[C] = {1, 2, 3, 4};
static int64_t labels[N];
static int32_t dataset_labels[N];

static const dho_tensor_view features_file[2] = {
    {"features", DHO_F32, 2, {N, D}, features, sizeof features},
    {"labels", DHO_I64, 1, {N}, labels, sizeof labels}};
static const dho_tensor_view head_file[3] = {
    {"weight", DHO_F32, 2, {C, D}, weight, sizeof weight},
    {"bias", DHO_F32, 1, {C}, bias, sizeof bias},
    {"prototypes", DHO_F32, 2, {C, D}, weight, sizeof weight}};

static void setup(void)
{
    fixture_setup();
    snprintf(cache_folder, sizeof cache_folder, "%s", fixture_path("cache"));
    snprintf(features_path, sizeof features_path, "%s", fixture_path("features.st"));
    snprintf(head_path, sizeof head_path, "%s", fixture_path("head.st"));
    for (int i = 0; i < N; i++) labels[i] = dataset_labels[i] = i % C;
    for (int i = 0; i < N * D; i++) features[i] = (float)(i % 7) - 2.5f;
    for (int i = 0; i < C * D; i++) weight[i] = (float)i;
    ck_assert_ok(dho_safetensors_save(features_path, features_file, 2, NULL, NULL));
    ck_assert_ok(dho_safetensors_save(head_path, head_file, 2, NULL, NULL));
}

static dho_status import(int64_t count, int classes)
{
    return dho_cache_import(&(dho_tensor_import){.out = cache_folder,
                                                 .rows = features_path,
                                                 .head = head_path,
                                                 .scale = 30,
                                                 .encoding = DHO_CACHE_FP16,
                                                 .shards = 3,
                                                 .fingerprint = 77,
                                                 .count = count,
                                                 .labels = dataset_labels,
                                                 .classes = classes});
}

START_TEST(test_import)
{
    ck_assert_ok(import(N, C));
    ck_assert_ok(import(N, C)); /* all shards are there: only the manifest is written again */
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, cache_folder));
    ck_assert_ok(dho_cache_check_dataset(cache, 77, N));
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    ck_assert(spec->free_crops && spec->views == 1 && spec->shards == 3);
    ck_assert_ptr_nonnull(strstr(spec->teacher, "features.st crc32 "));
    const dho_teacher_head *head = dho_cache_get_head(cache);
    ck_assert(head->scale == 30);
    ck_assert_mem_eq(head->weight, weight, sizeof weight);
    ck_assert_mem_eq(head->bias, bias, sizeof bias);
    for (int64_t id = 0; id < N; id++) {
        float payload[D], norm = 0;
        dho_cache_record record = {.payload = payload};
        ck_assert_ok(dho_cache_read(cache, id, 0, &record));
        ck_assert_int_eq(record.box.width, 0);
        for (int i = 0; i < D; i++) norm += features[id * D + i] * features[id * D + i];
        for (int i = 0; i < D; i++)
            ck_assert(fabsf(payload[i] - features[id * D + i] / sqrtf(norm)) < 6e-4f);
    }
    ck_assert_ok(dho_cache_verify(cache, 0, 1));
    dho_cache_close(&cache);
    /* Other features under the same name are another teacher. */
    features[5] += 1;
    ck_assert_ok(dho_safetensors_save(features_path, features_file, 2, NULL, NULL));
    ck_assert_fails(import(N, C), DHO_ERR_CONFIG, "teacher is \"imported features.st crc32");
}
END_TEST

START_TEST(test_import_refuses)
{
    ck_assert_fails(import(N + 1, C), DHO_ERR_CONFIG, "features of 10 images; the dataset has 11");
    ck_assert_fails(import(N, C + 1), DHO_ERR_CONFIG, "a head of [4, 3]; the dataset has 5");
    dataset_labels[7] = 0;
    ck_assert_fails(import(N, C), DHO_ERR_CONFIG, "label 3 of row 7 is not the dataset's 0");
    dataset_labels[7] = 3;
    ck_assert_ok(dho_safetensors_save(head_path, head_file, 3, NULL, NULL));
    ck_assert_fails(import(N, C), DHO_ERR_CONFIG, "both \"prototypes\" and \"weight\"");
    ck_assert_ok(dho_safetensors_save(head_path, head_file + 1, 1, NULL, NULL));
    ck_assert_fails(import(N, C), DHO_ERR_CONFIG, "no tensor \"weight\"");
    ck_assert_ok(dho_safetensors_save(head_path, head_file + 2, 1, NULL, NULL));
    ck_assert_ok(dho_safetensors_save(features_path, features_file + 1, 1, NULL, NULL));
    ck_assert_fails(import(N, C), DHO_ERR_CONFIG, "no tensor \"features\"");
    memset(features, 0, sizeof features);
    ck_assert_ok(dho_safetensors_save(features_path, features_file, 2, NULL, NULL));
    ck_assert_fails(import(N, C), DHO_ERR_CONFIG, "features.st: features of row 0 are all 0");
    for (int i = 0; i < N * D; i++) features[i] = (float)(i % 5) - 1;
    ck_assert_ok(dho_safetensors_save(features_path, features_file, 1, NULL, NULL)); /* no labels */
    ck_assert_ok(import(N, C));
}
END_TEST

/* A Tip-Adapter head goes into the cache, keys and all; a manifest that is silent about them is
 * not its. Logits at reading are those of the head. */
START_TEST(test_import_of_a_head_with_keys)
{
    static const float keys[2 * D] = {1, 0, 0, 0, 1, 0};
    const int64_t key_labels[2] = {3, 1};
    float payload[D], logits[C];
    dho_teacher_head head;
    dho_cache *cache;
    dho_compute *compute;
    ck_assert_ok(dho_teacher_head_load(&head, head_path, C, D));
    ck_assert_ok(dho_teacher_head_set_keys(&head, 2, keys, key_labels, "test"));
    head.alpha = 2;
    head.beta = 0.5f;
    ck_assert_ok(dho_teacher_head_save(head_path, &head, NULL, NULL));
    ck_assert_ok(import(N, C));
    ck_assert_ok(dho_cache_open(&cache, cache_folder));
    const dho_teacher_head *own = dho_cache_get_head(cache);
    ck_assert(own->key_count == 2 && own->scale == 30 && own->alpha == 2 && own->beta == 0.5f);
    ck_assert_mem_eq(own->keys, head.keys, sizeof keys);
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 1));
    const dho_draw draw = {.id = 4, .pass = 3};
    float scratch[3]; /* one row, two keys */
    ck_assert_uint_eq(dho_teacher_head_scratch(own, 1), 3);
    ck_assert_ok(dho_teacher_logits(compute, cache, own, &draw, 1, payload, scratch, logits));
    for (int c = 0; c < C; c++) {
        double expected = bias[c];
        for (int i = 0; i < D; i++) expected += 30.0 * payload[i] * weight[c * D + i];
        if (c == 1) expected += 2 * exp(-0.5 * (1 - payload[1]));
        if (c == 3) expected += 2 * exp(-0.5 * (1 - payload[0]));
        ck_assert(fabs(logits[c] - expected) < 1e-3 * (1 + fabs(expected)));
    }
    dho_compute_destroy(&compute);
    dho_cache_close(&cache);
    dho_teacher_head_free(&head);
}
END_TEST

START_TEST(test_every_allocation_of_an_import_may_fail)
{
    for (int64_t n = 1; out_of_memory_at(n, import(N, C)); n++) {
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
        ck_assert_ok(dho_remove_tree(cache_folder));
    }
}
END_TEST

/* --- real features: accuracy, and the error of the teacher's probabilities --- */

/* logits = scale f W^T; returns the best class. */
static int classify(const float *f, const float *w, int classes, int dim, float scale,
                    double *logits)
{
    int best = 0;
    for (int c = 0; c < classes; c++) {
        double sum = 0;
        for (int i = 0; i < dim; i++) sum += (double)f[i] * w[c * dim + i];
        logits[c] = scale * sum;
        if (logits[c] > logits[best]) best = c;
    }
    return best;
}

static void soften(double *logits, int classes, double temperature)
{
    double largest = logits[0], sum = 0;
    for (int c = 1; c < classes; c++) largest = dho_larger_or_nan(largest, logits[c]);
    for (int c = 0; c < classes; c++) {
        logits[c] = exp((logits[c] - largest) / temperature);
        sum += logits[c];
    }
    for (int c = 0; c < classes; c++) logits[c] /= sum;
}

typedef struct real_split {
    const char *name;
    int64_t count;
    int right; /* of count: 91.4 % and 92.4 % */
} real_split;

/* normalise: the float features that come of it are not fp16 numbers already. */
static void measure(const real_split *split, dho_cache_encoding encoding, bool normalise, int top,
                    bool logits)
{
    enum { CLASSES = 100, DIM = 512 };
    char real[128];
    snprintf(real, sizeof real, REAL "%s_clip_vitb32.safetensors", split->name);
    dho_safetensors *file;
    const dho_tensor_view *tensor;
    ck_assert_ok(dho_safetensors_open(&file, real));
    ck_assert_ok(dho_safetensors_require(file, "labels", 1, &split->count, &tensor));
    int64_t *truth = malloc((size_t)split->count * sizeof *truth);
    int32_t *same = malloc((size_t)split->count * sizeof *same);
    float *exact = malloc((size_t)split->count * DIM * sizeof *exact);
    ck_assert_ok(dho_tensor_to_int64(tensor, truth));
    for (int64_t i = 0; i < split->count; i++) same[i] = (int32_t)truth[i];
    ck_assert_ok(
        dho_safetensors_require(file, "features", 2, (int64_t[]){split->count, DIM}, &tensor));
    dho_tensor_to_float(tensor, exact);
    dho_safetensors_close(&file);
    for (int64_t id = 0; normalise && id < split->count; id++) {
        double squares = 0;
        for (int i = 0; i < DIM; i++) squares += (double)exact[id * DIM + i] * exact[id * DIM + i];
        for (int i = 0; i < DIM; i++)
            exact[id * DIM + i] = (float)(exact[id * DIM + i] / sqrt(squares));
    }

    float *dense = malloc((size_t)split->count * CLASSES * sizeof *dense);
    float *weights = malloc(CLASSES * DIM * sizeof *weights);
    ck_assert_ok(dho_safetensors_open(&file, REAL "fewshot16_clip_vitb32.safetensors"));
    ck_assert_ok(
        dho_safetensors_require(file, "prototypes", 2, (int64_t[]){CLASSES, DIM}, &tensor));
    dho_tensor_to_float(tensor, weights);
    dho_safetensors_close(&file);
    double p[CLASSES], q[CLASSES];
    for (int64_t id = 0; id < split->count; id++) {
        classify(exact + id * DIM, weights, CLASSES, DIM, 100, p);
        for (int c = 0; c < CLASSES; c++) dense[id * CLASSES + c] = (float)p[c];
    }
    const dho_tensor_view dense_file = {"logits", DHO_F32,
                                        2,        {split->count, CLASSES},
                                        dense,    (size_t)split->count * CLASSES * sizeof *dense};
    if (logits) ck_assert_ok(dho_safetensors_save(features_path, &dense_file, 1, NULL, NULL));
    const dho_tensor_import import = {.out = cache_folder,
                                      .rows = logits ? features_path : real,
                                      .head =
                                          logits ? NULL : REAL "fewshot16_clip_vitb32.safetensors",
                                      .scale = 100,
                                      .no_normalise = !normalise,
                                      .encoding = encoding,
                                      .top = top,
                                      .shards = 4,
                                      .fingerprint = 1,
                                      .count = split->count,
                                      .labels = same,
                                      .classes = CLASSES};
    ck_assert_ok(dho_cache_import(&import));
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, cache_folder));
    ck_assert_ok(dho_cache_verify(cache, 0, 1));
    int right_exact = 0, right = 0;
    double largest = 0, largest_logit = 0, tv_sum = 0, tv_max = 0, kl_sum = 0, kl_max = 0;
    for (int64_t id = 0; id < split->count; id++) {
        float payload[DIM];
        dho_cache_record record = {.payload = payload};
        ck_assert_ok(dho_cache_read(cache, id, 0, &record));
        right_exact += classify(exact + id * DIM, weights, CLASSES, DIM, 100, p) == truth[id];
        int best = 0;
        if (!logits) best = classify(payload, weights, CLASSES, DIM, 100, q);
        for (int c = 0; logits && c < CLASSES; c++) {
            q[c] = payload[c];
            if (q[c] > q[best]) best = c;
        }
        right += best == truth[id];
        for (int c = 0; c < CLASSES; c++)
            largest_logit = dho_larger_or_nan(largest_logit, fabs(p[c] - q[c]));
        soften(p, CLASSES, 2);
        soften(q, CLASSES, 2);
        double tv = 0, kl = 0;
        for (int c = 0; c < CLASSES; c++) {
            largest = dho_larger_or_nan(largest, fabs(p[c] - q[c]));
            tv += fabs(p[c] - q[c]) / 2;
            kl += p[c] * log(p[c] / q[c]);
        }
        tv_sum += tv, tv_max = dho_larger_or_nan(tv_max, tv);
        kl_sum += kl, kl_max = dho_larger_or_nan(kl_max, kl);
    }
    const double n = (double)split->count;
    printf("%-4s %s %s%s: %zu B; %.2f %% (%.2f %% without the cache); T=2: TV mean %.1e, max %.1e; "
           "KL mean %.1e, max %.1e; p error max %.1e; logit error: max %.2g\n",
           split->name, logits ? "logits" : "embedding", dho_cache_encoding_name(encoding),
           normalise ? ", normalised" : "", dho_cache_record_bytes(dho_cache_get_spec(cache)),
           100.0 * right / n, 100.0 * right_exact / n, tv_sum / n, tv_max, kl_sum / n, kl_max,
           largest, largest_logit);
    fflush(stdout);
    ck_assert_int_eq(lround(1000.0 * right_exact / (double)split->count), split->right);
    ck_assert_int_le(labs(lround(1000.0 * right / (double)split->count) - split->right), 1);
    const double bound = encoding == DHO_CACHE_TOPK    ? 0.1
                         : encoding == DHO_CACHE_INT8X ? (logits ? 0.02 : 0.006)
                         : logits                      ? 0.01
                         : normalise                   ? 1e-3
                                                       : 0;
    ck_assert(largest <= bound);
    free(dense);
    free(weights);
    dho_cache_close(&cache);
    ck_assert_ok(dho_remove_tree(cache_folder));
    free(exact);
    free(same);
    free(truth);
}

START_TEST(test_real_features)
{
    static const real_split splits[] = {{"test", 2465, 914}, {"val", 1649, 924}};
    if (!dho_path_exists(REAL "fewshot16_clip_vitb32.safetensors")) skip_test("no " REAL "*");
    for (int i = 0; i < 2; i++) {
        measure(&splits[i], DHO_CACHE_FP16, false, 0, false);
        measure(&splits[i], DHO_CACHE_FP16, true, 0, false);
        measure(&splits[i], DHO_CACHE_INT8X, false, 0, false);
        measure(&splits[i], DHO_CACHE_FP16, false, 0, true);
        measure(&splits[i], DHO_CACHE_INT8X, false, 0, true);
        measure(&splits[i], DHO_CACHE_TOPK, false, 32, true);
        measure(&splits[i], DHO_CACHE_TOPK, false, 64, true);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache_import");
    TCase *tests = tcase_create("cache_import");
    tcase_add_checked_fixture(tests, setup, fixture_teardown);
    tcase_set_timeout(tests, 0); /* CTest has the timeout */
    tcase_add_test(tests, test_import);
    tcase_add_test(tests, test_import_refuses);
    tcase_add_test(tests, test_import_of_a_head_with_keys);
    tcase_add_test(tests, test_every_allocation_of_an_import_may_fail);
    TCase *published = dho_check_case(suite, "published");
    tcase_add_checked_fixture(published, setup, fixture_teardown);
    tcase_add_test(published, test_real_features);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

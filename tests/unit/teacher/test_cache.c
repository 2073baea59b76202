/* Writing and reading a teacher cache. */
#define _GNU_SOURCE
#include "unit/teacher/cache_fixture.h"

#include <float.h>
#include <pthread.h>
#include <stdatomic.h>

/* --- round trips --- */

/* How many of the cache's shards this process has mapped (Linux). */
static int mapped_shards(void)
{
    char line[4096];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps) != NULL) count += strstr(line, fixture_root) != NULL;
    fclose(maps);
    return count;
}

START_TEST(test_record_bytes)
{
    dho_cache_spec spec = small_spec();
    spec.dim = 1024;
    ck_assert_uint_eq(dho_cache_record_bytes(&spec), 1062);
    spec.encoding = DHO_CACHE_FP16;
    ck_assert_uint_eq(dho_cache_record_bytes(&spec), 2058);
    spec.free_crops = true;
    ck_assert_uint_eq(dho_cache_record_bytes(&spec), 2048);
    spec.dim = spec.classes = 1000;
    spec.payload = DHO_CACHE_LOGITS;
    ck_assert_uint_eq(dho_cache_record_bytes(&spec), 2000);
}
END_TEST

/* Every combination of encoding, free crops and payload; shards 1, 3 and more than images. */
START_TEST(test_round_trip)
{
    static const int shards[] = {1, 3, 9};
    dho_cache_spec spec = _i < 24 ? small_spec() : recorded_spec();
    spec.encoding = _i & 1 ? DHO_CACHE_FP16 : DHO_CACHE_INT8X;
    spec.shards = shards[_i / 8 % 3];
    if (_i & 2 && _i >= 24) {
        spec.transform.resize = _i & 4 ? DHO_CACHE_SQUASH : DHO_CACHE_SHORTEST;
        spec.transform.short_side = _i & 4 ? 0 : 256;
    }
    if (_i & 2) {
        spec.free_crops = true;
        spec.flip = false;
        memset(spec.crop_scale, 0, sizeof spec.crop_scale);
        memset(spec.crop_ratio, 0, sizeof spec.crop_ratio);
    }
    if (_i & 4) {
        spec.payload = DHO_CACHE_LOGITS;
        spec.classes = spec.dim;
    }
    write_all(&spec);
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, fixture_root));
    ck_assert_ok(cache_spec_compare(dho_cache_get_spec(cache), &spec, DHO_ERR_INTERNAL, "spec"));
    const dho_teacher_head *head = dho_cache_get_head(cache);
    ck_assert_int_eq(head->dim, spec.dim);
    ck_assert_int_eq(head->classes, spec.classes);
    if (spec.payload == DHO_CACHE_LOGITS) {
        ck_assert(head->weight == NULL && head->bias == NULL && head->scale == 1);
    } else {
        ck_assert(head->scale == 100);
        ck_assert_mem_eq(head->weight, weights, sizeof weights);
        ck_assert_mem_eq(head->bias, biases, sizeof biases);
    }
    float payload[6];
    for (int64_t id = 0; id < spec.count; id++) {
        for (int view = 0; view < spec.views; view++) check_record(cache, id, view, payload);
    }
    ck_assert_int_eq(mapped_shards(), spec.shards < 7 ? spec.shards : 7);
    ck_assert_ok(dho_cache_verify(cache, 0, 1));
    dho_cache_record record = {.payload = payload};
    ck_assert_int_eq(dho_cache_read(cache, spec.count, 0, &record), DHO_ERR_INTERNAL);
    ck_assert_int_eq(dho_cache_read(cache, -1, 0, &record), DHO_ERR_INTERNAL);
    ck_assert_int_eq(dho_cache_read(cache, 0, 2, &record), DHO_ERR_INTERNAL);
    dho_cache_close(&cache);
}
END_TEST

/* A rank that owns virtual shard v of V maps only the cache shards s with s mod V == v. */
START_TEST(test_mapped_shards)
{
    enum { V = 2 };
    dho_cache_spec spec = small_spec();
    spec.shards = 6;
    spec.count = 40;
    write_all(&spec);
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, fixture_root));
    ck_assert_int_eq(mapped_shards(), 0);
    dho_box box;
    bool flip;
    for (int64_t id = 1; id < spec.count; id += V) {
        ck_assert_ok(dho_cache_read_view(cache, id, 1, &box, &flip));
        const dho_box expected = box_of(id, 1);
        ck_assert_mem_eq(&box, &expected, sizeof box);
        ck_assert_int_eq(flip, (id + 1) % 2);
    }
    ck_assert_int_eq(mapped_shards(), 3);
    dho_cache_close(&cache);
}
END_TEST

START_TEST(test_check_dataset)
{
    const dho_cache_spec spec = small_spec();
    write_all(&spec);
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, fixture_root));
    ck_assert_ok(dho_cache_check_dataset(cache, spec.fingerprint, 7));
    ck_assert_fails(dho_cache_check_dataset(cache, 5, 7), DHO_ERR_CONFIG, "fedcba9876543210");
    ck_assert_fails(dho_cache_check_dataset(cache, 5, 7), DHO_ERR_CONFIG, "0000000000000005");
    ck_assert_fails(dho_cache_check_dataset(cache, spec.fingerprint, 8), DHO_ERR_CONFIG,
                    "has 7 images");
    dho_cache_close(&cache);
}
END_TEST

/* --- what a writer refuses --- */

static void set_spec(dho_cache_spec *spec, int which)
{
    switch (which) {
    case 0:
        spec->count = 0;
        break;
    case 1:
        spec->count = CACHE_MAX_COUNT + 1;
        break;
    case 2:
        spec->shards = 0;
        break;
    case 3:
        spec->shards = DHO_CACHE_MAX_SHARDS + 1;
        break;
    case 4:
        spec->views = 0;
        break;
    case 5:
        spec->views = DHO_CACHE_MAX_VIEWS + 1;
        break;
    case 6:
        spec->dim = 0;
        break;
    case 7:
        spec->dim = CACHE_MAX_DIM + 1;
        break;
    case 8:
        spec->classes = 0;
        break;
    case 9:
        spec->image_size = -1;
        break;
    case 10:
        spec->payload = (dho_cache_payload)2;
        break;
    case 11:
        spec->encoding = DHO_CACHE_ENCODINGS;
        break;
    case 12:
        spec->payload = DHO_CACHE_LOGITS;
        break; /* dim is not classes */
    case 13:
        spec->crop_scale[0] = 0;
        break;
    case 14:
        spec->crop_scale[1] = NAN;
        break;
    case 15:
        spec->crop_ratio[1] = INFINITY;
        break;
    case 16:
        spec->crop_ratio[0] = 2;
        break;
    case 17:
        spec->free_crops = true;
        break; /* with a distribution of boxes */
    case 18:
        memset(spec->teacher, 'x', sizeof spec->teacher);
        break;
    case 19:
        spec->teacher[0] = '\n';
        break;
    case 20:
        spec->teacher[0] = '\xff';
        break;
    case 21:
        spec->teacher[100] = 'x';
        break;
    case 22:
        spec->encoding = DHO_CACHE_TOPK; /* of embeddings */
        spec->top = 1;
        break;
    case 23:
        spec->encoding = DHO_CACHE_INT8X;
        spec->dim = CACHE_MAX_INDEX + 1;
        break;
    case 24:
        spec->top = 1; /* with int8x */
        break;
    case 25:
        *spec = recorded_spec();
        spec->transform.resize = DHO_CACHE_SHORTEST; /* with boxes */
        break;
    case 26:
        *spec = recorded_spec();
        spec->transform.short_side = 256; /* of a crop */
        break;
    case 27:
        *spec = recorded_spec();
        spec->transform.std[1] = 0;
        break;
    case 28:
        *spec = recorded_spec();
        memset(spec->transform.compute, 'x', sizeof spec->transform.compute);
        break;
    }
}

START_TEST(test_impossible_specs)
{
    dho_cache_spec spec = small_spec();
    bool written;
    set_spec(&spec, _i);
    ck_assert_int_eq(write_one(&spec, 0, &written), DHO_ERR_CONFIG);
    ck_assert_int_eq(finish(&spec), DHO_ERR_CONFIG);
}
END_TEST

static const struct {
    const char *message;
    dho_status status;
    dho_box box;
    float value;
    dho_cache_encoding encoding;
} bad_records[] = {
    {"value 3 is nan", DHO_ERR_NUMERIC, {0, 0, 1, 1}, NAN, DHO_CACHE_FP16},
    {"value 3 is nan", DHO_ERR_NUMERIC, {0, 0, 1, 1}, NAN, DHO_CACHE_INT8X},
    {"value 3 is inf", DHO_ERR_NUMERIC, {0, 0, 1, 1}, INFINITY, DHO_CACHE_INT8X},
    {"value 3 is 65520, which fp16", DHO_ERR_NUMERIC, {0, 0, 1, 1}, 65520, DHO_CACHE_FP16},
    {"crop box of 0 x 1", DHO_ERR_CONFIG, {0, 0, 0, 1}, 0, DHO_CACHE_FP16},
    {"crop box of 1 x 0", DHO_ERR_CONFIG, {0, 0, 1, 0}, 0, DHO_CACHE_FP16},
    {"at (-1, 0)", DHO_ERR_CONFIG, {-1, 0, 1, 1}, 0, DHO_CACHE_FP16},
    {"at (65535, 0)", DHO_ERR_CONFIG, {65535, 0, 1, 1}, 0, DHO_CACHE_FP16},
    {"at (0, 2147483647)", DHO_ERR_CONFIG, {0, INT32_MAX, 1, 1}, 0, DHO_CACHE_FP16},
    {"crop box of 2147483647", DHO_ERR_CONFIG, {0, 0, INT32_MAX, 1}, 0, DHO_CACHE_FP16},
};

static dho_status fill_bad(void *context, int64_t id, dho_cache_record *views)
{
    const int which = *(const int *)context;
    for (int v = 0; v < 2; v++) {
        memset(views[v].payload, 0, 6 * sizeof(float));
        views[v].box = (dho_box){0, 0, 1, 1};
    }
    if (id == 3) {
        views[1].payload[3] = bad_records[which].value;
        views[1].box = bad_records[which].box;
    }
    return DHO_OK;
}

START_TEST(test_impossible_records)
{
    dho_cache_spec spec = small_spec();
    bool written;
    spec.encoding = bad_records[_i].encoding;
    ck_assert_fails(dho_cache_write_shard(fixture_root, &spec, 0, fill_bad, &_i, &written),
                    bad_records[_i].status, bad_records[_i].message);
    ck_assert_ptr_nonnull(strstr(dho_error_message(), "shard-00000-of-00003.bin: image 3, view 1"));
    dho_name_list list;
    ck_assert_ok(dho_list_folder(&list, fixture_root));
    ck_assert_uint_eq(list.count, 0);
    dho_name_list_free(&list);
}
END_TEST

/* int8x of extreme values: zero, subnormal, the largest float; beside four that are exact. */
START_TEST(test_int8_extremes)
{
    dho_cache_spec spec = small_spec();
    enum { DIM = CACHE_EXACT + 1 };
    spec.dim = DIM;
    uint8_t bytes[64];
    static const float values[] = {0, -0.0f, 1e-45f, -1e-44f, 3e-38f, 3.4e38f, -3.4e38f};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        float all[DIM], back[DIM];
        for (int k = 0; k < CACHE_EXACT; k++) all[k] = FLT_MAX;
        all[CACHE_EXACT] = values[i];
        dho_cache_record record = {.box = {0, 0, 1, 1}, .payload = all}, read = {.payload = back};
        ck_assert_ok(cache_record_encode(&spec, &record, bytes));
        ck_assert_ok(cache_record_decode(&spec, bytes, &read));
        for (int k = 0; k < CACHE_EXACT; k++) ck_assert(back[k] == FLT_MAX);
        ck_assert(fabsf(back[CACHE_EXACT] - values[i]) <= fabsf(values[i]) * 1e-6f + 1e-43f);
    }
}
END_TEST

/* --- threads and memory --- */

typedef struct reader {
    dho_cache *cache;
    int index;
    atomic_int *failures;
} reader;

/* No assertions here: Check's are for the test's own thread. */
static void *read_everything(void *argument)
{
    const reader *self = argument;
    const dho_cache_spec *spec = dho_cache_get_spec(self->cache);
    float *payload = malloc((size_t)spec->dim * sizeof *payload);
    for (int64_t k = 0; k < spec->count; k++) {
        const int64_t id = (k * (self->index + 1) * 7 + self->index) % spec->count;
        for (int v = 0; v < spec->views; v++) {
            dho_cache_record record = {.payload = payload};
            const dho_box box = box_of(id, v);
            if (dho_cache_read(self->cache, id, v, &record) != DHO_OK ||
                memcmp(&record.box, &box, sizeof box) != 0 ||
                fabsf(payload[99] - value_of(id, v, 99)) > 1e-3f)
                atomic_fetch_add(self->failures, 1);
        }
    }
    free(payload);
    return NULL;
}

START_TEST(test_four_threads_read)
{
    dho_cache_spec spec = large_spec();
    spec.dim = 3000;
    spec.count = 300;
    spec.shards = 10;
    write_all(&spec);
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, fixture_root));
    atomic_int failures = 0;
    pthread_t threads[4];
    reader readers[4];
    for (int i = 0; i < 4; i++) {
        readers[i] = (reader){cache, i, &failures};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_everything, &readers[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    ck_assert_int_eq(failures, 0);
    ck_assert_int_eq(mapped_shards(), 10);
    dho_cache_close(&cache);
}
END_TEST

static dho_status write_step(const dho_cache_spec *spec)
{
    bool written;
    DHO_TRY(dho_remove_tree(fixture_root));
    for (int s = 0; s < spec->shards; s++) DHO_TRY(write_one(spec, s, &written));
    return DHO_OK;
}

static dho_status read_step(const dho_cache_spec *spec)
{
    dho_cache *cache;
    float payload[6];
    dho_cache_record record = {.payload = payload};
    DHO_TRY(dho_cache_open(&cache, fixture_root));
    dho_status status = DHO_OK;
    for (int64_t id = 0; id < spec->count && status == DHO_OK; id++)
        status = dho_cache_read(cache, id, 0, &record);
    if (status == DHO_OK) status = dho_cache_verify(cache, 0, 1);
    dho_cache_close(&cache);
    return status;
}

START_TEST(test_every_allocation_may_fail)
{
    const dho_cache_spec spec = small_spec();
    dho_status (*const steps[])(const dho_cache_spec *) = {write_step, finish, read_step};
    for (int i = 0; i < 3; i++) {
        ck_assert_allocations(steps[i](&spec));
    }
    ck_assert_ok(open_and_verify());
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache");
    TCase *tests = tcase_create("cache");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_set_timeout(tests, 0); /* CTest has the timeout */
    tcase_add_test(tests, test_record_bytes);
    tcase_add_loop_test(tests, test_round_trip, 0, 48);
    tcase_add_test(tests, test_mapped_shards);
    tcase_add_test(tests, test_check_dataset);
    tcase_add_loop_test(tests, test_impossible_specs, 0, 29);
    tcase_add_loop_test(tests, test_impossible_records, 0, COUNT_OF(bad_records));
    tcase_add_test(tests, test_int8_extremes);
    tcase_add_test(tests, test_four_threads_read);
    tcase_add_test(tests, test_every_allocation_may_fail);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

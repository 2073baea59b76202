/* Writing, resuming and reading a teacher cache. */
#define _GNU_SOURCE
#include "unit/teacher/cache_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

/* --- round trips --- */

START_TEST(test_record_bytes)
{
    dho_cache_spec spec = small_spec();
    spec.dim = 1024;
    ck_assert_uint_eq(dho_cache_record_bytes(&spec), 1038);
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
    dho_cache_spec spec = small_spec();
    spec.encoding = _i & 1 ? DHO_CACHE_FP16 : DHO_CACHE_INT8;
    spec.shards = shards[_i / 8];
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
    make_folder();
    write_all(&spec);
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, folder));
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
    ck_assert_int_eq(dho_cache_mapped_shards(cache), spec.shards < 7 ? spec.shards : 7);
    ck_assert_ok(dho_cache_verify(cache, 0, 1));
    dho_cache_record record = {.payload = payload};
    ck_assert_int_eq(dho_cache_read(cache, spec.count, 0, &record), DHO_ERR_INTERNAL);
    ck_assert_int_eq(dho_cache_read(cache, -1, 0, &record), DHO_ERR_INTERNAL);
    ck_assert_int_eq(dho_cache_read(cache, 0, 2, &record), DHO_ERR_INTERNAL);
    dho_cache_close(&cache);
    remove_folder();
}
END_TEST

/* A rank that owns virtual shard v of V maps only the cache shards s with s mod V == v. */
START_TEST(test_mapped_shards)
{
    enum { V = 2 };
    dho_cache_spec spec = small_spec();
    spec.shards = 6;
    spec.count = 40;
    make_folder();
    write_all(&spec);
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, folder));
    ck_assert_int_eq(dho_cache_mapped_shards(cache), 0);
    dho_box box;
    bool flip;
    for (int64_t id = 1; id < spec.count; id += V) {
        ck_assert_ok(dho_cache_read_view(cache, id, 1, &box, &flip));
        const dho_box expected = box_of(id, 1);
        ck_assert_mem_eq(&box, &expected, sizeof box);
        ck_assert_int_eq(flip, (id + 1) % 2);
    }
    ck_assert_int_eq(dho_cache_mapped_shards(cache), 3);
    dho_cache_close(&cache);
    remove_folder();
}
END_TEST

START_TEST(test_check_dataset)
{
    const dho_cache_spec spec = small_spec();
    make_folder();
    write_all(&spec);
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, folder));
    ck_assert_ok(dho_cache_check_dataset(cache, spec.fingerprint, 7));
    ck_assert_fails(dho_cache_check_dataset(cache, 5, 7), DHO_ERR_CONFIG, "fedcba9876543210");
    ck_assert_fails(dho_cache_check_dataset(cache, 5, 7), DHO_ERR_CONFIG, "0000000000000005");
    ck_assert_fails(dho_cache_check_dataset(cache, spec.fingerprint, 8), DHO_ERR_CONFIG,
                    "has 7 images");
    dho_cache_close(&cache);
    remove_folder();
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
        spec->shards = CACHE_MAX_SHARDS + 1;
        break;
    case 4:
        spec->views = 0;
        break;
    case 5:
        spec->views = CACHE_MAX_VIEWS + 1;
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
        spec->encoding = (dho_cache_encoding)2;
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
    }
}

START_TEST(test_impossible_specs)
{
    dho_cache_spec spec = small_spec();
    bool written;
    set_spec(&spec, _i);
    make_folder();
    ck_assert_int_eq(write_one(&spec, 0, &written), DHO_ERR_CONFIG);
    ck_assert_int_eq(finish(&spec), DHO_ERR_CONFIG);
    remove_folder();
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
    {"value 3 is nan", DHO_ERR_NUMERIC, {0, 0, 1, 1}, NAN, DHO_CACHE_INT8},
    {"value 3 is inf", DHO_ERR_NUMERIC, {0, 0, 1, 1}, INFINITY, DHO_CACHE_INT8},
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
    make_folder();
    ck_assert_fails(dho_cache_write_shard(folder, &spec, 0, fill_bad, &_i, &written),
                    bad_records[_i].status, bad_records[_i].message);
    ck_assert_ptr_nonnull(strstr(dho_error_message(), "shard-00000-of-00003.bin: image 3, view 1"));
    dho_name_list list;
    ck_assert_ok(dho_list_folder(&list, folder));
    ck_assert_uint_eq(list.count, 0);
    dho_name_list_free(&list);
    remove_folder();
}
END_TEST

/* int8 of extreme values: zero, subnormal, the largest float. */
START_TEST(test_int8_extremes)
{
    dho_cache_spec spec = small_spec();
    spec.dim = 1;
    uint8_t bytes[32];
    static const float values[] = {0, -0.0f, 1e-45f, -1e-44f, 3e-38f, 3.4e38f, -3.4e38f};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        float value = values[i], back;
        dho_cache_record record = {.box = {0, 0, 1, 1}, .payload = &value},
                         read = {.payload = &back};
        ck_assert_ok(cache_record_encode(&spec, &record, bytes));
        ck_assert_ok(cache_record_decode(&spec, bytes, &read));
        ck_assert(fabsf(back - value) <= fabsf(value) * 1e-6f + 1e-43f);
    }
}
END_TEST

/* --- resuming --- */

START_TEST(test_other_spec_is_refused)
{
    static const char *const messages[] = {
        "fingerprint is fedcba9876543210, expected 0000000000000001",
        "count is 7, expected 8",
        "views is 2, expected 1",
        "free_crops is 0, expected 1",
        "payload is \"embedding\", expected \"logits\"",
        "encoding is \"int8\", expected \"fp16\"",
        "dim is 6, expected 5",
        "classes is 4, expected 5",
        "image_size is 224, expected 336",
        "crop_scale is [0.5, 1], expected [0.25, 1]",
        "crop_ratio is [0.75, 1.33333333], expected [0.75, 1]",
        "flip is 1, expected 0",
        "seed is ffffffffffffffff, expected 0000000000000003",
        "teacher is \"caf\xc3\xa9 \"teacher\"\", expected \"other\"",
        "shards is 3, expected 2",
    };
    const dho_cache_spec spec = small_spec();
    make_folder();
    bool written;
    for (int finished = 0; finished < 2; finished++) {
        if (finished)
            write_all(&spec);
        else
            ck_assert_ok(write_one(&spec, 0, &written));
        for (int i = 0; i < (finished ? 15 : 14); i++) {
            dho_cache_spec other = spec;
            switch (i) {
            case 0:
                other.fingerprint = 1;
                break;
            case 1:
                other.count = 8;
                break;
            case 2:
                other.views = 1;
                break;
            case 3:
                other.free_crops = true;
                other.flip = false;
                memset(other.crop_scale, 0, sizeof other.crop_scale);
                memset(other.crop_ratio, 0, sizeof other.crop_ratio);
                break;
            case 4:
                other.payload = DHO_CACHE_LOGITS;
                other.classes = other.dim;
                break;
            case 5:
                other.encoding = DHO_CACHE_FP16;
                break;
            case 6:
                other.dim = 5;
                break;
            case 7:
                other.classes = 5;
                break;
            case 8:
                other.image_size = 336;
                break;
            case 9:
                other.crop_scale[0] = 0.25;
                break;
            case 10:
                other.crop_ratio[1] = 1;
                break;
            case 11:
                other.flip = false;
                break;
            case 12:
                other.seed = 3;
                break;
            case 13:
                memset(other.teacher, 0, sizeof other.teacher);
                strcpy(other.teacher, "other");
                break;
            case 14:
                other.shards = 2;
                break;
            }
            ck_assert_fails(write_one(&other, 0, &written), DHO_ERR_CONFIG, messages[i]);
            ck_assert(!written);
            ck_assert_int_eq(finish(&other), DHO_ERR_CONFIG);
        }
    }
    ck_assert_ok(open_and_verify());
    remove_folder();
}
END_TEST

START_TEST(test_resume)
{
    const dho_cache_spec spec = large_spec();
    bool written;
    make_folder();
    fill_plan plan = {&spec, 4, -1, 0}; /* the second image of shard 1 */
    ck_assert_fails(dho_cache_write_shard(folder, &spec, 1, fill, &plan, &written), DHO_ERR_IO,
                    "image 4 is broken");
    ck_assert_int_eq(plan.calls, 2);
    ck_assert(!dho_path_exists(in_folder("shard-00001-of-00003.bin")));
    ck_assert_ok(write_one(&spec, 0, &written));
    ck_assert(written);
    /* Killed in the middle of shard 1. */
    const pid_t child = fork();
    if (child == 0) {
        plan = (fill_plan){&spec, -1, 16, 0};
        (void)!dho_cache_write_shard(folder, &spec, 1, fill, &plan, &written);
        _exit(0);
    }
    int how;
    waitpid(child, &how, 0);
    ck_assert(WIFSIGNALED(how));
    ck_assert_fails(finish(&spec), DHO_ERR_CONFIG, "shard-00001-of-00003.bin: missing");
    plan = (fill_plan){&spec, -1, -1, 0};
    for (int s = 0; s < 3; s++) {
        ck_assert_ok(dho_cache_write_shard(folder, &spec, s, fill, &plan, &written));
        ck_assert_int_eq(written, s > 0);
    }
    ck_assert_int_eq(plan.calls, 22);
    /* A damaged record, a damaged header and a short file are written again. */
    flip_byte(in_folder("shard-00000-of-00003.bin"), 300000, 4);
    flip_byte(in_folder("shard-00001-of-00003.bin"), 30, 4);
    ck_assert_int_eq(truncate(in_folder("shard-00002-of-00003.bin"), 5000), 0);
    for (int s = 0; s < 3; s++) {
        ck_assert_ok(write_one(&spec, s, &written));
        ck_assert(written);
    }
    ck_assert_ok(finish(&spec));
    ck_assert_ok(open_and_verify());
    /* Finishing twice is fine; a shard that is there is kept then, too. */
    ck_assert_ok(write_one(&spec, 0, &written));
    ck_assert(!written);
    ck_assert_ok(finish(&spec));
    ck_assert_ok(open_and_verify());
    /* The killed run's temporary file is gone: 3 shards, head, manifest. */
    dho_name_list list;
    ck_assert_ok(dho_list_folder(&list, folder));
    ck_assert_uint_eq(list.count, 5);
    dho_name_list_free(&list);
    remove_folder();
}
END_TEST

START_TEST(test_a_damaged_manifest_is_repaired)
{
    const dho_cache_spec spec = small_spec();
    bool written;
    make_folder();
    write_all(&spec);
    flip_byte(in_folder("cache.json"), 20, 1);
    ck_assert_int_eq(open_and_verify(), DHO_ERR_FORMAT);
    ck_assert_ok(write_one(&spec, 0, &written));
    ck_assert(!written);
    ck_assert_ok(finish(&spec));
    ck_assert_ok(open_and_verify());
    remove_folder();
}
END_TEST

START_TEST(test_incomplete_is_not_opened)
{
    const dho_cache_spec spec = small_spec();
    dho_cache *cache;
    bool written;
    ck_assert_fails(dho_cache_open(&cache, "/nonexistent/cache"), DHO_ERR_CONFIG, "no such folder");
    make_folder();
    ck_assert_fails(dho_cache_open(&cache, folder), DHO_ERR_CONFIG, "no teacher cache there");
    ck_assert_ok(write_one(&spec, 0, &written));
    ck_assert_ok(write_one(&spec, 2, &written));
    ck_assert_fails(dho_cache_open(&cache, folder), DHO_ERR_CONFIG, "not complete: 2 shards");
    ck_assert_fails(finish(&spec), DHO_ERR_CONFIG, "shard-00001-of-00003.bin: missing");
    ck_assert_ptr_null(cache);
    ck_assert_ok(write_one(&spec, 1, &written));
    ck_assert_ok(finish(&spec));
    ck_assert_ok(open_and_verify());
    /* A shard that vanishes later is named. */
    ck_assert_int_eq(unlink(in_folder("shard-00001-of-00003.bin")), 0);
    ck_assert_fails(open_and_verify(), DHO_ERR_IO, "shard-00001-of-00003.bin");
    remove_folder();
}
END_TEST

START_TEST(test_finish_refuses_bad_heads)
{
    const dho_cache_spec spec = small_spec();
    bool written;
    float weight[24] = {0}, bias[4] = {0, 0, NAN, 0};
    dho_teacher_head head = {.classes = 4, .dim = 6, .scale = 1, .weight = weight};
    make_folder();
    for (int s = 0; s < 3; s++) ck_assert_ok(write_one(&spec, s, &written));
    ck_assert_int_eq(dho_cache_finish(folder, &spec, NULL), DHO_ERR_INTERNAL);
    head.dim = 5;
    ck_assert_fails(dho_cache_finish(folder, &spec, &head), DHO_ERR_INTERNAL, "[4, 5]");
    head.dim = 6;
    head.bias = bias;
    ck_assert_int_eq(dho_cache_finish(folder, &spec, &head), DHO_ERR_NUMERIC);
    head.bias = NULL;
    weight[23] = INFINITY;
    ck_assert_int_eq(dho_cache_finish(folder, &spec, &head), DHO_ERR_NUMERIC);
    weight[23] = 0;
    ck_assert_ok(dho_cache_finish(folder, &spec, &head));
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, folder));
    ck_assert_ptr_null(dho_cache_get_head(cache)->bias);
    dho_cache_close(&cache);
    remove_folder();
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
    make_folder();
    write_all(&spec);
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, folder));
    atomic_int failures = 0;
    pthread_t threads[4];
    reader readers[4];
    for (int i = 0; i < 4; i++) {
        readers[i] = (reader){cache, i, &failures};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_everything, &readers[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    ck_assert_int_eq(failures, 0);
    ck_assert_int_eq(dho_cache_mapped_shards(cache), 10);
    dho_cache_close(&cache);
    remove_folder();
}
END_TEST

static dho_status write_step(const dho_cache_spec *spec)
{
    bool written;
    DHO_TRY(dho_remove_tree(folder));
    for (int s = 0; s < spec->shards; s++) DHO_TRY(write_one(spec, s, &written));
    return DHO_OK;
}

static dho_status read_step(const dho_cache_spec *spec)
{
    dho_cache *cache;
    float payload[6];
    dho_cache_record record = {.payload = payload};
    DHO_TRY(dho_cache_open(&cache, folder));
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
    make_folder();
    for (int i = 0; i < 3; i++) {
        dho_status status = DHO_ERR_MEMORY;
        for (int64_t n = 1; status != DHO_OK; n++) {
            dho_alloc_fail_at(n);
            status = steps[i](&spec);
            dho_alloc_fail_at(0);
            ck_assert_msg(status == DHO_OK || status == DHO_ERR_MEMORY, "step %d, n %ld: %s", i,
                          (long)n, dho_error_message());
            ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
            ck_assert_int_lt(n, 200);
        }
    }
    ck_assert_ok(open_and_verify());
    remove_folder();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache");
    TCase *tests = tcase_create("cache");
    tcase_set_timeout(tests, 0); /* CTest has the timeout */
    tcase_add_test(tests, test_record_bytes);
    tcase_add_loop_test(tests, test_round_trip, 0, 24);
    tcase_add_test(tests, test_mapped_shards);
    tcase_add_test(tests, test_check_dataset);
    tcase_add_loop_test(tests, test_impossible_specs, 0, 22);
    tcase_add_loop_test(tests, test_impossible_records, 0, COUNT_OF(bad_records));
    tcase_add_test(tests, test_int8_extremes);
    tcase_add_test(tests, test_other_spec_is_refused);
    tcase_add_test(tests, test_resume);
    tcase_add_test(tests, test_a_damaged_manifest_is_repaired);
    tcase_add_test(tests, test_incomplete_is_not_opened);
    tcase_add_test(tests, test_finish_refuses_bad_heads);
    tcase_add_test(tests, test_four_threads_read);
    tcase_add_test(tests, test_every_allocation_may_fail);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

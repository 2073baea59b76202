/* Resuming a teacher cache: what is kept, what is written again, what is refused. */
#define _GNU_SOURCE
#include "unit/teacher/cache_fixture.h"

#include "base/folder_lock.h"

#include <sys/wait.h>

START_TEST(test_other_spec_is_refused)
{
    static const char *const messages[] = {
        "fingerprint is fedcba9876543210, expected 0000000000000001",
        "count is 7, expected 8",
        "views is 2, expected 1",
        "free_crops is 0, expected 1",
        "payload is \"embedding\", expected \"logits\"",
        "encoding is \"int8x\", expected \"fp16\"",
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
}
END_TEST

/* Every part of a transform keeps a shard from being taken over. */
START_TEST(test_other_transform_is_refused)
{
    static const char *const messages[] = {
        "transform is \"recorded\", expected \"not recorded\"",
        "interpolation is \"bicubic\", expected \"bilinear\"",
        "mean is [0.100000001, 0.200000003, 0.300000012], expected [0, ",
        "std is [1, 2, 0.100000001], expected [1, 2, 3]",
        "compute is \"blis fp32\", expected \"onednn bf16\"",
        "short_side is 40, expected 64",
        "resize is \"shortest\", expected \"squash\"",
    };
    dho_cache_spec spec = recorded_spec(), other;
    bool written;
    if (_i > 4) {
        spec.free_crops = true;
        spec.flip = false;
        memset(spec.crop_scale, 0, sizeof spec.crop_scale);
        memset(spec.crop_ratio, 0, sizeof spec.crop_ratio);
        spec.transform.resize = DHO_CACHE_SHORTEST;
        spec.transform.short_side = 40;
    }
    ck_assert_ok(write_one(&spec, 0, &written));
    other = spec;
    switch (_i) {
    case 0:
        other.transform.known = false;
        break;
    case 1:
        other.transform.filter = DHO_FILTER_BILINEAR;
        break;
    case 2:
        other.transform.mean[0] = 0;
        break;
    case 3:
        other.transform.std[2] = 3;
        break;
    case 4:
        snprintf(other.transform.compute, sizeof other.transform.compute, "onednn bf16");
        break;
    case 5:
        other.transform.short_side = 64;
        break;
    case 6:
        other.transform.resize = DHO_CACHE_SQUASH;
        other.transform.short_side = 0;
        break;
    }
    ck_assert_fails(write_one(&other, 0, &written), DHO_ERR_CONFIG, messages[_i]);
    ck_assert(!written);
    ck_assert_ok(write_one(&spec, 0, &written));
    ck_assert(!written);
}
END_TEST

/* Another build could begin right after it. */
static void begin(const dho_cache_spec *spec)
{
    int lock;
    ck_assert_ok(dho_cache_begin(fixture_root, spec, &lock));
    ck_assert_int_eq(dho_folder_lock_state(fixture_root), DHO_LOCK_HELD);
    dho_folder_unlock(&lock);
    ck_assert_int_eq(dho_folder_lock_state(fixture_root), DHO_LOCK_FREE);
}

START_TEST(test_another_number_of_shards_is_refused)
{
    const dho_cache_spec spec = small_spec();
    dho_cache_spec other = spec;
    bool written;
    begin(&spec);
    ck_assert_ok(write_one(&spec, 1, &written));
    begin(&spec);
    other.shards = 2;
    int lock;
    ck_assert_fails(dho_cache_begin(fixture_root, &other, &lock), DHO_ERR_CONFIG,
                    "shard-00001-of-00003.bin: shards is 3, expected 2");
    ck_assert_int_eq(lock, -1);
    ck_assert_int_eq(unlink(fixture_path("shard-00001-of-00003.bin")), 0);
    ck_assert_ok(dho_file_write_text(fixture_path("shard-00001-of-00003.bin.tmp.7"), "left"));
    begin(&other); /* what finishing removes is in nobody's way */
}
END_TEST

START_TEST(test_resume)
{
    const dho_cache_spec spec = large_spec();
    bool written;
    fill_plan plan = {&spec, 4, -1, 0}; /* the second image of shard 1 */
    ck_assert_fails(dho_cache_write_shard(fixture_root, &spec, 1, fill, &plan, &written),
                    DHO_ERR_IO, "image 4 is broken");
    ck_assert_int_eq(plan.calls, 2);
    ck_assert(!dho_path_exists(fixture_path("shard-00001-of-00003.bin")));
    ck_assert_ok(write_one(&spec, 0, &written));
    ck_assert(written);
    /* Killed in the middle of shard 1. */
    const pid_t child = fork();
    if (child == 0) {
        plan = (fill_plan){&spec, -1, 16, 0};
        (void)!dho_cache_write_shard(fixture_root, &spec, 1, fill, &plan, &written);
        _exit(0);
    }
    int how;
    waitpid(child, &how, 0);
    ck_assert(WIFSIGNALED(how));
    ck_assert_fails(finish(&spec), DHO_ERR_CONFIG, "shard-00001-of-00003.bin: missing");
    plan = (fill_plan){&spec, -1, -1, 0};
    for (int s = 0; s < 3; s++) {
        ck_assert_ok(dho_cache_write_shard(fixture_root, &spec, s, fill, &plan, &written));
        ck_assert_int_eq(written, s > 0);
    }
    ck_assert_int_eq(plan.calls, 22);
    /* A damaged record, a damaged header and a short file are written again. */
    flip_byte(fixture_path("shard-00000-of-00003.bin"), 300000, 4);
    flip_byte(fixture_path("shard-00001-of-00003.bin"), 30, 4);
    ck_assert_int_eq(truncate(fixture_path("shard-00002-of-00003.bin"), 5000), 0);
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
    ck_assert_ok(dho_list_folder(&list, fixture_root));
    ck_assert_uint_eq(list.count, 5);
    dho_name_list_free(&list);
}
END_TEST

START_TEST(test_a_damaged_manifest_is_repaired)
{
    const dho_cache_spec spec = small_spec();
    bool written;
    write_all(&spec);
    flip_byte(fixture_path("cache.json"), 20, 1);
    ck_assert_int_eq(open_and_verify(), DHO_ERR_FORMAT);
    ck_assert_ok(write_one(&spec, 0, &written));
    ck_assert(!written);
    ck_assert_ok(finish(&spec));
    ck_assert_ok(open_and_verify());
}
END_TEST

START_TEST(test_incomplete_is_not_opened)
{
    const dho_cache_spec spec = small_spec();
    dho_cache *cache;
    bool written;
    ck_assert_fails(dho_cache_open(&cache, "/nonexistent/cache"), DHO_ERR_CONFIG, "no such folder");
    ck_assert_fails(dho_cache_open(&cache, fixture_root), DHO_ERR_CONFIG, "no teacher cache there");
    ck_assert_ok(write_one(&spec, 0, &written));
    ck_assert_ok(write_one(&spec, 2, &written));
    ck_assert_fails(dho_cache_open(&cache, fixture_root), DHO_ERR_CONFIG, "not complete: 2 shards");
    ck_assert_fails(finish(&spec), DHO_ERR_CONFIG, "shard-00001-of-00003.bin: missing");
    ck_assert_ptr_null(cache);
    ck_assert_ok(write_one(&spec, 1, &written));
    ck_assert_ok(finish(&spec));
    ck_assert_ok(open_and_verify());
    /* A shard that vanishes later is named. */
    ck_assert_int_eq(unlink(fixture_path("shard-00001-of-00003.bin")), 0);
    ck_assert_fails(open_and_verify(), DHO_ERR_IO, "shard-00001-of-00003.bin");
}
END_TEST

START_TEST(test_finish_refuses_bad_heads)
{
    const dho_cache_spec spec = small_spec();
    bool written;
    float weight[24] = {0}, bias[4] = {0, 0, NAN, 0};
    dho_teacher_head head = {.classes = 4, .dim = 6, .scale = 1, .weight = weight};
    for (int s = 0; s < 3; s++) ck_assert_ok(write_one(&spec, s, &written));
    ck_assert_int_eq(dho_cache_finish(fixture_root, &spec, NULL), DHO_ERR_INTERNAL);
    head.dim = 5;
    ck_assert_fails(dho_cache_finish(fixture_root, &spec, &head), DHO_ERR_INTERNAL, "[4, 5]");
    head.dim = 6;
    head.bias = bias;
    ck_assert_int_eq(dho_cache_finish(fixture_root, &spec, &head), DHO_ERR_NUMERIC);
    head.bias = NULL;
    weight[23] = INFINITY;
    ck_assert_int_eq(dho_cache_finish(fixture_root, &spec, &head), DHO_ERR_NUMERIC);
    weight[23] = 0;
    ck_assert_ok(dho_cache_finish(fixture_root, &spec, &head));
    dho_cache *cache;
    ck_assert_ok(dho_cache_open(&cache, fixture_root));
    ck_assert_ptr_null(dho_cache_get_head(cache)->bias);
    dho_cache_close(&cache);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache_resume");
    TCase *tests = tcase_create("cache_resume");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_set_timeout(tests, 0); /* CTest has the timeout */
    tcase_add_test(tests, test_other_spec_is_refused);
    tcase_add_loop_test(tests, test_other_transform_is_refused, 0, 7);
    tcase_add_test(tests, test_another_number_of_shards_is_refused);
    tcase_add_test(tests, test_resume);
    tcase_add_test(tests, test_a_damaged_manifest_is_repaired);
    tcase_add_test(tests, test_incomplete_is_not_opened);
    tcase_add_test(tests, test_finish_refuses_bad_heads);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

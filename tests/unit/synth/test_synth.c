#define _GNU_SOURCE /* mkdtemp */

#include "dho/image.h"
#include "folder_fixture.h"
#include "load_image.h"
#include "synth/synth.h"
#include "synth/synth_classes.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void teardown(void)
{
    chmod(fixture_root, 0700);
    fixture_teardown();
}

static dho_synth_options tiny(const char *out)
{
    return (dho_synth_options){
        .out = out, .train_per_class = 2, .val_per_class = 1, .test_per_class = 1, .threads = 1};
}

/* Number of files below a fixture_root, and a CRC of their names and contents in byte order. */
static int digest(const char *path, uint32_t *crc)
{
    if (!dho_path_is_folder(path)) {
        uint8_t *data = NULL;
        size_t capacity = 0, size;
        ck_assert_ok(dho_file_read(path, 1 << 24, &data, &capacity, &size));
        *crc = dho_crc32(*crc, data, size);
        dho_free(data);
        return 1;
    }
    dho_name_list list;
    int files = 0;
    ck_assert_ok(dho_list_folder(&list, path));
    for (size_t i = 0; i < list.count; i++) {
        char *below;
        ck_assert_ok(dho_path_join(&below, path, list.names[i]));
        *crc = dho_crc32(*crc, list.names[i], strlen(list.names[i]));
        files += digest(below, crc);
        dho_free(below);
    }
    dho_name_list_free(&list);
    return files;
}

static uint32_t digest_of(const char *path)
{
    uint32_t crc = 0;
    digest(path, &crc);
    return crc;
}

static int count_files(const char *path)
{
    uint32_t crc = 0;
    return digest(path, &crc);
}

START_TEST(test_bytes_do_not_depend_on_threads)
{
    dho_synth_options one = tiny(fixture_path("one")), four = tiny(fixture_path("four"));
    four.threads = 4;
    ck_assert_ok(dho_synth_write(&one));
    ck_assert_ok(dho_synth_write(&four));
    ck_assert_uint_eq(digest_of(one.out), digest_of(four.out));
}
END_TEST

START_TEST(test_seeds_and_splits_differ_and_sets_extend)
{
    dho_synth_options zero = tiny(fixture_path("zero")), other = tiny(fixture_path("other"));
    other.seed = 1;
    other.train_per_class = 1;
    ck_assert_ok(dho_synth_write(&zero));
    ck_assert_ok(dho_synth_write(&other));
    const uint32_t first = digest_of(fixture_path("zero/train/star/star_00000.jpg"));
    ck_assert_uint_ne(first, digest_of(fixture_path("other/train/star/star_00000.jpg")));
    ck_assert_uint_ne(first, digest_of(fixture_path("zero/train/star/star_00001.jpg")));
    ck_assert_uint_ne(first, digest_of(fixture_path("zero/val/star/star_00000.jpg")));
    ck_assert_uint_ne(first, digest_of(fixture_path("zero/test_v2/star/star_00000.jpg")));
    /* Fewer images per class: the same first ones. */
    dho_synth_options fewer = tiny(fixture_path("fewer"));
    fewer.train_per_class = 1;
    ck_assert_ok(dho_synth_write(&fewer));
    ck_assert_uint_eq(first, digest_of(fixture_path("fewer/train/star/star_00000.jpg")));
}
END_TEST

START_TEST(test_layout)
{
    const dho_synth_options options = tiny(fixture_path("set"));
    ck_assert_ok(dho_synth_write(&options));
    const int classes = dho_synth_class_count();
    const char *const whole[5] = {"train", "val", "test_v2", "test_r", "test_sketch"};
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "set/%s", whole[i]);
        ck_assert_int_eq(count_files(fixture_path(name)), i == 0 ? 2 * classes : classes);
    }
    int some = 0;
    for (int c = 0; c < classes; c++) {
        char name[64];
        if (c > 0)
            ck_assert_int_lt(strcmp(dho_synth_classes[c - 1].name, dho_synth_classes[c].name), 0);
        snprintf(name, sizeof name, "set/test_a/%s", dho_synth_classes[c].name);
        ck_assert_int_eq(dho_path_is_folder(fixture_path(name)), dho_synth_classes[c].in_test_a);
        some += dho_synth_classes[c].in_test_a;
    }
    ck_assert(some > 1 && some < classes);
    ck_assert_int_eq(count_files(fixture_path("set/test_a")), some);
    ck_assert_int_eq(count_files(fixture_path("set")), 6 * classes + some + 1); /* + synth.json */
}
END_TEST

START_TEST(test_images_decode_and_are_not_blank)
{
    const dho_synth_options options = tiny(fixture_path("set"));
    ck_assert_ok(dho_synth_write(&options));
    dho_image image = {0};
    uint8_t *buffer = NULL;
    size_t capacity = 0;
    for (int c = 0; c < dho_synth_class_count(); c++) {
        char name[128];
        snprintf(name, sizeof name, "set/test_sketch/%s/%s_00000.jpg", dho_synth_classes[c].name,
                 dho_synth_classes[c].name);
        ck_assert_ok(load_image(&image, fixture_path(name), &buffer, &capacity));
        ck_assert(image.width >= 160 && image.width <= 320);
        ck_assert(image.height >= 160 && image.height <= 320);
        int darkest = 255, brightest = 0, colour = 0;
        for (int i = 0; i < image.width * image.height; i++) {
            const uint8_t *p = image.pixels + 3 * (size_t)i;
            if (p[1] < darkest) darkest = p[1];
            if (p[1] > brightest) brightest = p[1];
            if (abs(p[0] - p[1]) > colour) colour = abs(p[0] - p[1]);
        }
        ck_assert_int_gt(brightest - darkest, 60);
        ck_assert_int_lt(colour, 40); /* grey, but for the noise */
    }
    dho_image_free(&image);
    dho_free(buffer);
}
END_TEST

START_TEST(test_again_is_left_alone_and_other_options_are_refused)
{
    dho_synth_options options = tiny(fixture_path("set"));
    const char *image = fixture_path("set/train/fish/fish_00000.jpg");
    ck_assert_ok(dho_synth_write(&options));
    ck_assert_int_eq(unlink(image), 0);
    ck_assert_ok(dho_synth_write(&options)); /* nothing is drawn again */
    ck_assert(!dho_path_exists(image));
    options.seed = 5;
    ck_assert_fails(dho_synth_write(&options), DHO_ERR_CONFIG, "other options");
}
END_TEST

START_TEST(test_interrupted_set_is_written_again)
{
    const dho_synth_options options = tiny(fixture_path("set"));
    ck_assert_ok(dho_synth_write(&options));
    const uint32_t whole = digest_of(options.out);
    ck_assert_int_eq(unlink(fixture_path("set/synth.json")), 0);
    /* Without the marker these are somebody's images. */
    ck_assert_fails(dho_synth_write(&options), DHO_ERR_CONFIG, "holds something else");
    ck_assert_ok(dho_file_write_text(fixture_path("set/.synth-incomplete"), "half"));
    ck_assert_ok(dho_file_write_text(fixture_path("set/train/stale.jpg"), "half"));
    ck_assert_ok(dho_synth_write(&options));
    ck_assert_uint_eq(digest_of(options.out), whole);
}
END_TEST

START_TEST(test_refuses_foreign_folders)
{
    dho_synth_options options = tiny(fixture_root);
    ck_assert_ok(dho_file_write_text(fixture_path("thesis.tex"), "years"));
    ck_assert_fails(dho_synth_write(&options), DHO_ERR_CONFIG, "thesis.tex");
    options.out = fixture_path("thesis.tex");
    ck_assert_fails(dho_synth_write(&options), DHO_ERR_CONFIG, "is not a folder");
    /* A marker does not make other files ours. */
    ck_assert_ok(dho_file_write_text(fixture_path(".synth-incomplete"), "half"));
    options.out = fixture_root;
    ck_assert_fails(dho_synth_write(&options), DHO_ERR_CONFIG, "thesis.tex");
    ck_assert(dho_path_exists(fixture_path("thesis.tex")));
}
END_TEST

START_TEST(test_unwritable_path)
{
    dho_synth_options options = tiny("/proc/dho_synth/set");
    ck_assert_fails(dho_synth_write(&options), DHO_ERR_IO, "/proc/dho_synth");
    ck_assert_ptr_null(strchr(dho_error_message(), '\n'));
}
END_TEST

START_TEST(test_options_are_checked)
{
    dho_synth_options options = tiny(NULL);
    ck_assert_fails(dho_synth_write(&options), DHO_ERR_CONFIG, "output folder");
    options.out = fixture_path("set");
    options.val_per_class = 0;
    ck_assert_fails(dho_synth_write(&options), DHO_ERR_CONFIG, "val_per_class");
    options.val_per_class = 1;
    options.threads = -1;
    ck_assert_fails(dho_synth_write(&options), DHO_ERR_CONFIG, "threads");
    ck_assert(!dho_path_exists(options.out));
}
END_TEST

/* Every allocation of a run fails once: an error with its cause, no leak, and a run after it
 * completes the set. */
START_TEST(test_allocation_failures)
{
    dho_synth_options options = tiny(fixture_path("set"));
    options.train_per_class = 1;
    const int64_t live = dho_alloc_get_stats().live_blocks;
    for (int64_t n = 1; n < 60; n += n < 40 ? 1 : 7) {
        dho_alloc_fail_at(n);
        const dho_status status = dho_synth_write(&options);
        dho_alloc_fail_at(0);
        ck_assert_int_eq(status, DHO_ERR_MEMORY);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, live);
    }
    ck_assert_ok(dho_synth_write(&options));
    ck_assert(dho_path_exists(fixture_path("set/synth.json")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("synth");
    TCase *tests = tcase_create("synth");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, fixture_setup, teardown);
    tcase_add_test(tests, test_bytes_do_not_depend_on_threads);
    tcase_add_test(tests, test_seeds_and_splits_differ_and_sets_extend);
    tcase_add_test(tests, test_layout);
    tcase_add_test(tests, test_images_decode_and_are_not_blank);
    tcase_add_test(tests, test_again_is_left_alone_and_other_options_are_refused);
    tcase_add_test(tests, test_interrupted_set_is_written_again);
    tcase_add_test(tests, test_refuses_foreign_folders);
    tcase_add_test(tests, test_unwritable_path);
    tcase_add_test(tests, test_options_are_checked);
    tcase_add_test(tests, test_allocation_failures);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

/* Images without labels, broken rows that are kept, and what people call the classes. */
#define _GNU_SOURCE
#include "dho/comm.h"
#include "dho/loader.h"
#include "dho/tar.h"
#include "unit/data/data_fixture.h"

START_TEST(test_files_keep_their_order)
{
    const char *const names[] = {"b.jpg", "/nowhere/a.png", "b.jpg"};
    dho_dataset files;
    ck_assert_ok(dho_dataset_open_files(&files, names, 3));
    ck_assert_int_eq(files.count, 3);
    ck_assert_int_eq(files.classes, 0);
    ck_assert_str_eq(files.root, "");
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(files.samples[i].path, names[i]);
        ck_assert_int_eq(files.samples[i].label, DHO_NO_LABEL);
    }
    dho_dataset_free(&files);
    ck_assert_ok(dho_dataset_open_files(&files, NULL, 0));
    ck_assert_int_eq(files.count, 0);
    dho_dataset_free(&files);
    const char *const latin[] = {"caf\xe9.jpg"};
    ck_assert_fails(dho_dataset_open_files(&files, latin, 1), DHO_ERR_FORMAT, "not UTF-8");
}
END_TEST

START_TEST(test_heap_of_any_depth)
{
    static const char *const wanted[] = {"a.jpg", "z.png", "deep/b.jpg", "deep/er/c.jpg"};
    dho_dataset heap;
    char name[64], folder[512];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "heap/%s", wanted[i]);
        fixture_image(name, i);
    }
    fixture_write("heap/notes.txt", "not an image");
    fixture_write("heap/deep/.hidden.jpg", "hidden");
    snprintf(folder, sizeof folder, "%s//", fixture_path("heap"));
    ck_assert_ok(dho_dataset_open_unlabelled(&heap, folder));
    ck_assert_str_eq(heap.root, fixture_path("heap"));
    ck_assert_int_eq(heap.count, 4);
    for (int i = 0; i < 4; i++) ck_assert_str_eq(heap.samples[i].path, wanted[i]);
    uint8_t *bytes = NULL;
    size_t capacity = 0, size;
    ck_assert_ok(dho_dataset_read(&heap, 3, &bytes, &capacity, &size));
    ck_assert_uint_gt(size, 100);
    dho_free(bytes);
    dho_dataset_free(&heap);
    ck_assert_ok(dho_make_folders(fixture_path("empty")));
    ck_assert_ok(dho_dataset_open_unlabelled(&heap, fixture_path("empty")));
    ck_assert_int_eq(heap.count, 0);
    dho_dataset_free(&heap);
    ck_assert_fails(dho_dataset_open_unlabelled(&heap, fixture_path("none")), DHO_ERR_CONFIG,
                    "none");
}
END_TEST

/* A packed set's tar: its labels are passed over, its images have their bytes. */
START_TEST(test_tar_without_labels)
{
    dho_dataset set, tar;
    dho_comm *comm;
    uint8_t *bytes[2] = {NULL, NULL};
    size_t capacity[2] = {0, 0}, size[2];
    fixture_folder(&set, 2, 3);
    ck_assert_ok(dho_comm_create_serial(&comm));
    ck_assert_ok(dho_pack(&set, comm, fixture_path("tars"), 1, false));
    dho_comm_destroy(&comm);
    ck_assert_ok(dho_dataset_open_unlabelled(&tar, fixture_path("tars/shard-00000-of-00001.tar")));
    ck_assert_int_eq(tar.count, set.count);
    ck_assert_int_eq(tar.classes, 0);
    for (int64_t i = 0; i < set.count; i++) {
        ck_assert_str_eq(tar.samples[i].path, set.samples[i].path);
        ck_assert_int_eq(tar.samples[i].label, DHO_NO_LABEL);
        ck_assert_ok(dho_dataset_read(&set, i, &bytes[0], &capacity[0], &size[0]));
        ck_assert_ok(dho_dataset_read(&tar, i, &bytes[1], &capacity[1], &size[1]));
        ck_assert_uint_eq(size[0], size[1]);
        ck_assert_int_eq(memcmp(bytes[0], bytes[1], size[0]), 0);
    }
    dho_free(bytes[0]);
    dho_free(bytes[1]);
    dho_dataset_free(&tar);
    dho_dataset_free(&set);
    fixture_write("bad.tar", "no tar at all, though the name says so: longer than sixteen bytes");
    ck_assert_fails(dho_dataset_open_unlabelled(&tar, fixture_path("bad.tar")), DHO_ERR_FORMAT,
                    "bad.tar");
    ck_assert(dho_tar_is_name("a/b.TAR.GZ"));
    ck_assert(!dho_tar_is_name("a.tar/b.jpg"));
    ck_assert(!dho_tar_is_name("a/.tar"));
}
END_TEST

enum { SIDE = 16, PIXELS = SIDE * SIDE * 3 };

START_TEST(test_broken_rows_are_kept)
{
    dho_dataset set;
    int64_t ids[7];
    fixture_folder(&set, 1, 7);
    fixture_write("set/c00/c00_i02.jpg", "not a JPEG, though its name says so");
    ck_assert_ok(dho_remove_tree(fixture_path("set/c00/c00_i05.jpg")));
    for (int i = 0; i < 7; i++) ids[i] = i;
    const dho_loader_options options = {.dataset = &set,
                                        .image_size = SIDE,
                                        .transform = {.resize_short = SIDE},
                                        .normalise = {.mean = {2, 2, 2}, .std = {1, 1, 1}},
                                        .threads = 2,
                                        .prefetch = 1,
                                        .keep_broken = true};
    const dho_eval_rows rows = {.ids = ids, .count = 7, .views = 1, .batch = 3};
    dho_eval_loader *loader;
    dho_batch batch;
    int seen = 0;
    ck_assert_ok(dho_eval_loader_create(&loader, &options, &rows));
    for (;;) {
        ck_assert_ok(dho_eval_loader_next(loader, &batch));
        if (batch.count == 0) break;
        for (int i = 0; i < batch.count; i++, seen++) {
            const bool broken = seen == 2 || seen == 5;
            const float *row = (const float *)batch.images + i * PIXELS;
            ck_assert_int_eq(batch.errors[i] != NULL, broken);
            /* The mean is above every pixel: none of a real image is 0. */
            for (int k = 0; k < PIXELS; k++) ck_assert((row[k] == 0) == broken);
            if (broken) ck_assert_ptr_nonnull(strstr(batch.errors[i], seen == 2 ? "_i02" : "_i05"));
        }
        dho_eval_loader_release(loader, &batch);
    }
    ck_assert_int_eq(seen, 7);
    dho_eval_loader_destroy(&loader);
    dho_dataset_free(&set);
}
END_TEST

START_TEST(test_titles)
{
    char *names[3] = {(char[]){"n01"}, (char[]){"Sea Lake"}, (char[]){"n03"}};
    dho_dataset set = {.class_names = names, .classes = 3, .root = (char[]){"set"}};
    fixture_write("names/map.txt", "# comment\n\nn99 other\nn01\ttench, Tinca tinca\n"
                                   "Sea Lake\t sea  \n");
    ck_assert_ok(dho_dataset_load_titles(&set, fixture_path("names/map.txt")));
    ck_assert_str_eq(set.class_titles[0], "tench, Tinca tinca");
    ck_assert_str_eq(set.class_titles[1], "sea");
    ck_assert_str_eq(set.class_titles[2], "n03");
    static const char *const bad[][2] = {{"n01 tench\nn01 carp\n", "stands there twice"},
                                         {"n01\n", "expected a class and its name"},
                                         {"n77 other\n", "names none of the 3 classes"},
                                         {"", "names none of the 3 classes"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dho_dataset again = {.class_names = names, .classes = 3, .root = (char[]){"set"}};
        fixture_write("names/bad.txt", bad[i][0]);
        ck_assert_int_ne(dho_dataset_load_titles(&again, fixture_path("names/bad.txt")), DHO_OK);
        ck_assert_msg(strstr(dho_error_message(), bad[i][1]) != NULL, "%s", dho_error_message());
        for (int c = 0; again.class_titles != NULL && c < 3; c++) dho_free(again.class_titles[c]);
        dho_free(again.class_titles);
    }
    for (int c = 0; c < 3; c++) dho_free(set.class_titles[c]);
    dho_free(set.class_titles);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("open files");
    TCase *tests = tcase_create("open files");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_files_keep_their_order);
    tcase_add_test(tests, test_heap_of_any_depth);
    tcase_add_test(tests, test_tar_without_labels);
    tcase_add_test(tests, test_broken_rows_are_kept);
    tcase_add_test(tests, test_titles);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

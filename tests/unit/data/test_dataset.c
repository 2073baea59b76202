#define _GNU_SOURCE
#include "data/unused.h"
#include "unit/data/data_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

static const char *const coop_text =
    "{\"train\": [[\"a/1.jpg\", 0, \"ant\"], [\"b/1.jpg\", 1, \"bee\"], [\"a/2.jpg\", 0, \"ant\"]],"
    " \"val\": [[\"c/1.jpg\", 2, \"cat\"]], \"test\": []}";

static void assert_sample(const dho_dataset *dataset, int64_t id, const char *path, int label)
{
    ck_assert_str_eq(dataset->samples[id].path, path);
    ck_assert_int_eq(dataset->samples[id].label, label);
}

START_TEST(test_folder_listing)
{
    static const char *const files[] = {"s/dog/b.JPEG",     "s/dog/a.png",      "s/dog/.hidden.jpg",
                                        "s/dog/notes.txt",  "s/dog/jpg",        "s/cat/x.Jpe",
                                        "s/cat/deep/y.jpg", "s/.git/z.jpg",     "s/top.jpg",
                                        "s/cat/d.jpg/in",   "s/Zebra/1.jpg.jpg"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) fixture_write(files[i], "x");
    ck_assert_int_eq(symlink("a.png", fixture_path("s/dog/link.jpg")), 0);
    ck_assert_int_eq(symlink("dog", fixture_path("s/eel")), 0);
    dho_dataset dataset;
    ck_assert_ok(dho_dataset_open_folder(&dataset, fixture_path("s"), NULL));
    ck_assert_int_eq(dataset.classes, 4);
    ck_assert_str_eq(dataset.class_names[0], "Zebra");
    ck_assert_str_eq(dataset.class_names[3], "eel");
    ck_assert_int_eq(dataset.count, 9);
    assert_sample(&dataset, 0, "Zebra/1.jpg.jpg", 0);
    assert_sample(&dataset, 1, "cat/x.Jpe", 1);
    assert_sample(&dataset, 2, "cat/deep/y.jpg", 1);
    assert_sample(&dataset, 3, "dog/a.png", 2);
    assert_sample(&dataset, 4, "dog/b.JPEG", 2);
    assert_sample(&dataset, 5, "dog/link.jpg", 2);
    assert_sample(&dataset, 8, "eel/link.jpg", 3);
    for (int i = 0; i < 4; i++) ck_assert(dataset.class_present[i]);
    dho_dataset_free(&dataset);
}
END_TEST

/* As torchvision's ImageFolder lists them: os.walk's folders, then their names. */
START_TEST(test_nested_order)
{
    static const char *const order[] = {"c/Z.JPG",   "c/a.jpg",     "c/b.jpg",     "c/B/1.jpg",
                                        "c/a/x.jpg", "c/a-b/x.jpg", "c/a/z/q.jpg", "d/1.jpg"};
    enum { COUNT = sizeof order / sizeof *order };
    dho_dataset dataset;
    for (size_t i = COUNT; i > 0; i--) {
        char name[64];
        snprintf(name, sizeof name, "s/%s", order[i - 1]);
        fixture_write(name, "x");
    }
    ck_assert_int_eq(symlink("..", fixture_path("s/c/a/up")), 0); /* a circle */
    ck_assert_ok(dho_dataset_open_folder(&dataset, fixture_path("s"), NULL));
    ck_assert_int_eq(dataset.count, COUNT);
    for (int i = 0; i < COUNT; i++) assert_sample(&dataset, i, order[i], i == COUNT - 1);
    dho_dataset_free(&dataset);
}
END_TEST

START_TEST(test_fingerprint)
{
    fixture_write("s/a/1.jpg", "x");
    fixture_write("s/b/2.jpg", "x");
    dho_dataset dataset;
    ck_assert_ok(dho_dataset_open_folder(&dataset, fixture_path("s"), NULL));
    uint64_t hash = fnv(UINT64_C(14695981039346656037), "a/1.jpg\0\0\0\0\0", 12);
    hash = fnv(hash, "b/2.jpg\0\1\0\0\0", 12);
    hash = fnv(hash, "\2\0\0\0\0\0\0\0", 8);
    ck_assert(dataset.fingerprint == hash);
    dho_dataset_free(&dataset);
    fixture_write("s/b/3.jpg", "x");
    ck_assert_ok(dho_dataset_open_folder(&dataset, fixture_path("s"), NULL));
    ck_assert(dataset.fingerprint != hash);
    dho_dataset_free(&dataset);
}
END_TEST

START_TEST(test_folder_errors)
{
    dho_dataset dataset;
    ck_assert_fails(dho_dataset_open_folder(&dataset, fixture_path("none"), NULL), DHO_ERR_CONFIG,
                    "none: no such folder");
    ck_assert_fails(dho_dataset_open_folder(&dataset, "", NULL), DHO_ERR_CONFIG, "no such folder");
    fixture_write("s/file.jpg", "x");
    ck_assert_fails(dho_dataset_open_folder(&dataset, fixture_path("s"), NULL), DHO_ERR_CONFIG,
                    "no class folder");
    fixture_write("s/a/1.jpg", "x");
    fixture_write("s/empty/notes.txt", "x");
    ck_assert_fails(dho_dataset_open_folder(&dataset, fixture_path("s"), NULL), DHO_ERR_CONFIG,
                    "s/empty: class folder without an image");
    fixture_write("s/empty/1.jpg", "x");
    if (geteuid() != 0) { /* root reads anything */
        ck_assert_int_eq(chmod(fixture_path("s/a"), 0), 0);
        ck_assert_fails(dho_dataset_open_folder(&dataset, fixture_path("s"), NULL), DHO_ERR_IO,
                        "s/a: cannot open folder");
        ck_assert_int_eq(chmod(fixture_path("s/a"), 0700), 0);
    }
    ck_assert_ptr_null(dataset.samples);
    ck_assert_ptr_null(dataset.root);
}
END_TEST

static void make_reference(dho_dataset *out, int classes)
{
    for (int i = 0; i < classes; i++) {
        char name[64];
        snprintf(name, sizeof name, "ref/n%04d/1.jpg", i);
        fixture_write(name, "x");
    }
    ck_assert_ok(dho_dataset_open_folder(out, fixture_path("ref"), NULL));
}

START_TEST(test_class_subset)
{
    dho_dataset reference, dataset;
    make_reference(&reference, 5);
    fixture_write("s/n0003/a.jpg", "x");
    fixture_write("s/n0001/b.jpg", "x");
    ck_assert_ok(dho_dataset_open_folder(&dataset, fixture_path("s"), &reference));
    ck_assert_int_eq(dataset.classes, 5);
    ck_assert_str_eq(dataset.class_names[4], "n0004");
    assert_sample(&dataset, 0, "n0001/b.jpg", 1);
    assert_sample(&dataset, 1, "n0003/a.jpg", 3);
    const bool present[5] = {false, true, false, true, false};
    ck_assert_mem_eq(dataset.class_present, present, sizeof present);
    dho_dataset_free(&dataset);
    fixture_write("s/1/a.jpg", "x"); /* an integer among names is no label */
    ck_assert_fails(dho_dataset_open_folder(&dataset, fixture_path("s"), &reference),
                    DHO_ERR_CONFIG, "folder \"1\" is none of the 5 classes");
    dho_dataset_free(&reference);
}
END_TEST

START_TEST(test_integer_folders)
{
    dho_dataset reference, dataset;
    make_reference(&reference, 12);
    for (int i = 0; i < 12; i++) {
        char name[32];
        snprintf(name, sizeof name, "v2/%d/%d.jpeg", i, 100 - i);
        fixture_write(name, "x");
    }
    ck_assert_ok(dho_dataset_open_folder(&dataset, fixture_path("v2"), &reference));
    ck_assert_int_eq(dataset.count, 12);
    for (int i = 0; i < 12; i++) {
        char path[32];
        snprintf(path, sizeof path, "%d/%d.jpeg", i, 100 - i);
        assert_sample(&dataset, i, path, i);
    }
    ck_assert_str_eq(dataset.class_names[2], "n0002");
    dho_dataset_free(&dataset);
    static const char *const bad[] = {"12", "07", "99999999999999999999", "-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char name[64], text[64];
        snprintf(name, sizeof name, "v2/%s/a.jpg", bad[i]);
        snprintf(text, sizeof text, "folder \"%s\" is none", bad[i]);
        fixture_write(name, "x");
        ck_assert_fails(dho_dataset_open_folder(&dataset, fixture_path("v2"), &reference),
                        DHO_ERR_CONFIG, text);
        snprintf(name, sizeof name, "v2/%s", bad[i]);
        ck_assert_ok(dho_remove_tree(fixture_path(name)));
    }
    dho_dataset_free(&reference);
}
END_TEST

START_TEST(test_coop)
{
    fixture_write("split.json", coop_text);
    dho_dataset dataset;
    ck_assert_ok(
        dho_dataset_open_coop(&dataset, fixture_root, fixture_path("split.json"), "train"));
    ck_assert_int_eq(dataset.classes, 3);
    ck_assert_str_eq(dataset.class_names[2], "cat");
    ck_assert_int_eq(dataset.count, 3);
    assert_sample(&dataset, 1, "b/1.jpg", 1);
    assert_sample(&dataset, 2, "a/2.jpg", 0);
    ck_assert(dataset.class_present[1] && !dataset.class_present[2]);
    dho_dataset_free(&dataset);
    ck_assert_fails(
        dho_dataset_open_coop(&dataset, fixture_root, fixture_path("split.json"), "test"),
        DHO_ERR_CONFIG, "nothing in split \"test\"");
    ck_assert_fails(
        dho_dataset_open_coop(&dataset, fixture_root, fixture_path("split.json"), "all"),
        DHO_ERR_CONFIG, "has no split \"all\"");
    ck_assert_fails(dho_dataset_open_coop(&dataset, fixture_root, fixture_path("no.json"), "train"),
                    DHO_ERR_CONFIG, "no.json: no such file");
}
END_TEST

START_TEST(test_coop_other_lists)
{
    dho_dataset dataset;
    fixture_write("split.json", "{\"train\": [[\"a.jpg\", 0, \"a\"]], \"note\": \"mine\", "
                                "\"unlabelled\": [[\"b.jpg\"], [\"c.jpg\"]]}");
    ck_assert_ok(
        dho_dataset_open_coop(&dataset, fixture_root, fixture_path("split.json"), "train"));
    ck_assert_int_eq(dho_unused_count(dataset.unused, 0, DHO_UNUSED_REASONS), 2);
    ck_assert_int_eq(dho_unused_count(dataset.unused, DHO_UNUSED_SPLIT, DHO_UNUSED_SPLIT + 1), 2);
    ck_assert_str_eq(dataset.unused->first.pool + dataset.unused->first.entries[0].offset,
                     "unlabelled/[0]");
    dho_dataset_free(&dataset);
}
END_TEST

START_TEST(test_coop_malformed)
{
    static const char *const cases[][2] = {
        {"{\"train\": [[\"a\", 0, \"ant\"]", "split.json: line 1"},
        {"[]", "expected an object"},
        {"{\"train\": {}}", "train: expected an array"},
        {"{\"train\": [[\"a\", 0]]}", "train[0]: expected [path"},
        {"{\"train\": [[\"a\", 0, \"x\"], 7]}", "train[1]: expected [path"},
        {"{\"train\": [[\"a\", \"0\", \"x\"]]}", "train[0]: expected [path"},
        {"{\"train\": [[\"a\", 0.5, \"x\"]]}", "train[0]: expected [path"},
        {"{\"train\": [[\"a\", -1, \"x\"]]}", "label -1 is out of range"},
        {"{\"train\": [[\"a\", 0, \"x\"]], \"val\": [[\"b\", 2147483647, \"y\"]]}",
         "val[0]: label 2147483647 is out of range"},
        {"{\"train\": [[\"a\", 0, \"x\"], [\"b\", 2, \"y\"], [\"c\", 2, \"y\"]]}",
         "no sample has label 1"},
        {"{\"train\": [[\"a\", 0, \"x\"]], \"test\": [[\"b\", 0, \"y\"]]}",
         "test[0]: label 0 is \"y\" here and \"x\" before"},
        {"{\"train\": [[\"/etc/x.jpg\", 0, \"x\"]]}", "absolute"},
        {"{\"train\": [[\"\", 0, \"x\"]]}", "is empty"},
        {"{\"train\": [[\"..\", 0, \"x\"]]}", "has a \"..\""},
        {"{\"train\": [[\"a/../../b\", 0, \"x\"]]}", "has a \"..\""},
        {"{\"train\": [[\"a/..\", 0, \"x\"]]}", "has a \"..\""},
    };
    dho_dataset dataset;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_write("split.json", cases[i][0]);
        ck_assert_fails(
            dho_dataset_open_coop(&dataset, fixture_root, fixture_path("split.json"), "train"),
            DHO_ERR_FORMAT, cases[i][1]);
    }
    fixture_write("split.json", "{\"train\": [[\"..a/b..\", 0, \"x\"]]}"); /* dots are no harm */
    ck_assert_ok(
        dho_dataset_open_coop(&dataset, fixture_root, fixture_path("split.json"), "train"));
    dho_dataset_free(&dataset);
}
END_TEST

static dho_status open_kind(int kind, dho_dataset *out, const dho_dataset *reference)
{
    if (kind == 0) return dho_dataset_open_folder(out, fixture_path("ref"), NULL);
    if (kind == 1) return dho_dataset_open_folder(out, fixture_path("s"), reference);
    return dho_dataset_open_coop(out, fixture_root, fixture_path("split.json"), "train");
}

/* Every allocation of an opening fails once: no leak, no crash, and always the same status. */
START_TEST(test_allocation_failures)
{
    dho_dataset reference, dataset;
    make_reference(&reference, 3);
    fixture_write("s/0/1.jpg", "x");
    fixture_write("s/2/1.jpg", "x");
    fixture_write("split.json", coop_text);
    const int64_t live = dho_alloc_get_stats().live_blocks;
    for (int kind = 0; kind < 3; kind++) {
        int64_t n = 1;
        while (out_of_memory_at(n, open_kind(kind, &dataset, &reference))) {
            ck_assert_int_eq(dho_alloc_get_stats().live_blocks, live);
            n++;
        }
        ck_assert_int_gt(n, 8);
        dho_dataset_free(&dataset);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, live);
    }
    dho_dataset_free(&reference);
}
END_TEST

START_TEST(test_real_splits)
{
    static const struct {
        const char *file, *split;
        int64_t count;
        int classes;
    } cases[] = {{"../shared/data/caltech101/split_zhou_Caltech101.json", "val", 1649, 100},
                 {"../shared/data/caltech101/split_zhou_Caltech101.json", "test", 2465, 100},
                 {"../shared/data/eurosat/split_subset_EuroSAT.json", "train", 3000, 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!dho_path_exists(cases[i].file)) skip_test("no %s", cases[i].file);
        dho_dataset dataset;
        ck_assert_ok(dho_dataset_open_coop(&dataset, fixture_root, cases[i].file, cases[i].split));
        ck_assert_int_eq(dataset.count, cases[i].count);
        ck_assert_int_eq(dataset.classes, cases[i].classes);
        dho_dataset_free(&dataset);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dataset");
    TCase *tests = tcase_create("dataset");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_folder_listing);
    tcase_add_test(tests, test_nested_order);
    tcase_add_test(tests, test_fingerprint);
    tcase_add_test(tests, test_folder_errors);
    tcase_add_test(tests, test_class_subset);
    tcase_add_test(tests, test_integer_folders);
    tcase_add_test(tests, test_coop);
    tcase_add_test(tests, test_coop_other_lists);
    tcase_add_test(tests, test_coop_malformed);
    tcase_add_test(tests, test_allocation_failures);
    suite_add_tcase(suite, tests);
    TCase *published = dho_check_case(suite, "published");
    tcase_add_checked_fixture(published, fixture_setup, fixture_teardown);
    tcase_add_test(published, test_real_splits);
    return dho_check_run(suite);
}

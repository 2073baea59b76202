/* The subsets and lists of published experiments: the method's balanced split against numbers that
 * numpy gave, SimCLR's lists, class lists, FGVC-Aircraft's own split files. */
#define _GNU_SOURCE
#include "unit/data/data_fixture.h"

#include <unistd.h>

/* A listing without files: sizes[c] samples of class c. */
static void make_listing(dho_dataset *out, const int *sizes, int classes)
{
    *out = (dho_dataset){.classes = classes};
    for (int c = 0; c < classes; c++) out->count += sizes[c];
    ck_assert_ok(dho_alloc(&out->samples, (size_t)out->count, sizeof *out->samples, "listing"));
    int64_t id = 0;
    for (int c = 0; c < classes; c++)
        for (int i = 0; i < sizes[c]; i++) out->samples[id++] = (dho_sample){.label = c};
}

/* ImageNet's training images: 1,281,167 of 1,000 classes, 895 with 1,300, the least with 732. The
 * split depends on the sizes of classes only where one has fewer images than its share, 129. */
START_TEST(test_balanced_imagenet)
{
    int sizes[1000], counts[1000];
    int64_t left = 1281167 - 895 * 1300 - 732;
    for (int c = 0; c < 1000; c++) sizes[c] = c < 895 ? 1300 : 732;
    for (int c = 895; c < 999; c++) {
        sizes[c] = (int)(left / (999 - c));
        left -= sizes[c];
    }
    ck_assert_int_eq(left, 0);
    dho_dataset dataset;
    make_listing(&dataset, sizes, 1000);
    ck_assert_int_eq(dataset.count, 1281167);
    static const struct {
        double percent;
        int64_t images;
        int low, high; /* of a class */
    } cases[] = {{1, 13000, 13, 13}, {10, 128286, 128, 129}};
    for (size_t i = 0; i < 2; i++) {
        dho_id_list list;
        memset(counts, 0, sizeof counts);
        ck_assert_ok(dho_subset_balanced(&list, &dataset, cases[i].percent, 13));
        ck_assert_int_eq(list.count, cases[i].images);
        for (int64_t k = 0; k < list.count; k++) counts[dataset.samples[list.ids[k]].label]++;
        for (int c = 0; c < 1000; c++)
            ck_assert(counts[c] >= cases[i].low && counts[c] <= cases[i].high);
        dho_id_list_free(&list);
    }
    dho_free(dataset.samples);
}
END_TEST

/* Expected: the formula of dho/dataset.h by numpy 2.4 (numpy.random.seed(13), choice). */
START_TEST(test_balanced)
{
    static const int sizes[] = {20, 4, 0, 30, 11};
    static const int64_t ten[] = {11, 12, 22, 23, 28, 49, 56, 62};
    static const int64_t third[] = {0,  1,  5,  8,  11, 12, 20, 21, 22, 23, 24,
                                    28, 38, 40, 44, 49, 54, 55, 56, 59, 61, 62};
    dho_dataset dataset;
    dho_id_list list;
    make_listing(&dataset, sizes, 5);
    ck_assert_ok(dho_subset_balanced(&list, &dataset, 10, 13));
    ck_assert_int_eq(list.count, 8);
    ck_assert_mem_eq(list.ids, ten, sizeof ten);
    dho_id_list_free(&list);
    ck_assert_ok(dho_subset_balanced(&list, &dataset, 33, 13));
    ck_assert_int_eq(list.count, 22);
    ck_assert_mem_eq(list.ids, third, sizeof third);
    dho_id_list_free(&list);
    ck_assert_ok(dho_subset_balanced(&list, &dataset, 100, 13));
    ck_assert_int_eq(list.count, 65);
    dho_id_list_free(&list);
    ck_assert_fails(dho_subset_balanced(&list, &dataset, 0, 13), DHO_ERR_CONFIG, "0 percent");
    dho_dataset_free(&dataset);
}
END_TEST

/* As many classes and images as ImageNet has, about. */
START_TEST(test_balanced_large)
{
    static int sizes[1000];
    static const struct {
        double percent;
        int64_t count;
        uint32_t crc;
    } expected[] = {{1, 10450, 2158145016u}, {10, 102000, 1407178885u}};
    dho_dataset dataset;
    for (int i = 0; i < 1000; i++) sizes[i] = 732 + i * 37 % 569;
    make_listing(&dataset, sizes, 1000);
    for (int i = 0; i < 2; i++) {
        dho_id_list list;
        ck_assert_ok(dho_subset_balanced(&list, &dataset, expected[i].percent, 13));
        ck_assert_int_eq(list.count, expected[i].count);
        ck_assert_uint_eq(dho_crc32(0, list.ids, (size_t)list.count * sizeof *list.ids),
                          expected[i].crc);
        dho_id_list_free(&list);
    }
    dho_dataset_free(&dataset);
}
END_TEST

/* SimCLR's list of 12,811 names over a tree of empty files of those names. */
START_TEST(test_simclr_list)
{
    const char *const list_file = "../shared/data/imagenet/imagenet_1percent.txt";
    dho_dataset dataset;
    dho_id_list list;
    char line[128], name[256];
    int64_t names = 0;
    FILE *file = fopen(list_file, "r");
    if (file == NULL) skip_test("%s is not there", list_file);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(name, sizeof name, "train/%.9s", line);
        ck_assert_ok(dho_make_folders(fixture_path(name)));
        snprintf(name, sizeof name, "train/%.9s/%.100s", line, line);
        FILE *empty = fopen(fixture_path(name), "w");
        ck_assert_ptr_nonnull(empty);
        fclose(empty);
        names++;
    }
    fclose(file);
    ck_assert_int_eq(names, 12811);
    ck_assert_ok(dho_dataset_open_folder(&dataset, fixture_path("train"), NULL));
    ck_assert_int_eq(dataset.classes, 1000);
    ck_assert_ok(dho_dataset_check_classes(&dataset, "configs/imagenet/wnids.txt"));
    for (int32_t c = 1; c < 1000; c++) /* index order is byte order */
        ck_assert_int_lt(strcmp(dataset.class_names[c - 1], dataset.class_names[c]), 0);
    ck_assert_ok(dho_subset_file(&list, &dataset, list_file));
    ck_assert_int_eq(list.count, 12811);
    dho_id_list_free(&list);
    ck_assert_fails(dho_dataset_check_classes(&dataset, "configs/imagenet/wnids_a.txt"),
                    DHO_ERR_CONFIG, "not among them: n01440764");
    dho_dataset_free(&dataset);
}
END_TEST

START_TEST(test_class_lists)
{
    dho_dataset dataset;
    fixture_image("set/n01/a.jpg", 1);
    fixture_image("set/n02/b.jpg", 1);
    fixture_image("set/n05/c.jpg", 1);
    ck_assert_ok(dho_dataset_open_folder(&dataset, fixture_path("set"), NULL));
    fixture_write("good.txt", "# three\n n05\r\nn01\n\nn02");
    ck_assert_ok(dho_dataset_check_classes(&dataset, fixture_path("good.txt")));
    fixture_write("bad.txt", "n01\nn02\nn03\nn04\nn06\nn07\nn08\nn09\nn10\n");
    ck_assert_fails(dho_dataset_check_classes(&dataset, fixture_path("bad.txt")), DHO_ERR_CONFIG,
                    "2 of the 9 classes");
    ck_assert_fails(dho_dataset_check_classes(&dataset, fixture_path("bad.txt")), DHO_ERR_CONFIG,
                    "missing: n03, n04, n06, n07, n08 and 2 more; not among them: n05");
    ck_assert_fails(dho_dataset_check_classes(&dataset, fixture_path("no.txt")), DHO_ERR_CONFIG,
                    "no such file");
    FILE *file = fopen(fixture_path("nul.txt"), "w");
    fwrite("n01\0n02", 1, 7, file);
    fclose(file);
    ck_assert_fails(dho_dataset_check_classes(&dataset, fixture_path("nul.txt")), DHO_ERR_FORMAT,
                    "offset 3: a NUL");
    dho_dataset_free(&dataset);
}
END_TEST

START_TEST(test_fgvc)
{
    dho_dataset dataset;
    fixture_image("images/1025794.jpg", 1);
    fixture_write("variants.txt", "707-320\n727-200\nA300B4\nCessna 172\n");
    fixture_write("images_variant_train.txt", "1025794 707-320\n0000002 Cessna 172\n");
    fixture_write("images_variant_val.txt", "0000003 A300B4\n");
    char root[128];
    snprintf(root, sizeof root, "%s", fixture_path("images"));
    ck_assert_ok(dho_dataset_open_coop(&dataset, root, fixture_path("variants.txt"), "train"));
    ck_assert_int_eq(dataset.count, 2);
    ck_assert_int_eq(dataset.classes, 4);
    ck_assert_str_eq(dataset.samples[1].path, "0000002.jpg");
    ck_assert_int_eq(dataset.samples[1].label, 3);
    ck_assert_str_eq(dataset.class_names[3], "Cessna 172");
    ck_assert(!dataset.class_present[2]);
    dho_dataset_free(&dataset);
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"1 707-321\n", "images_variant_test.txt:1: expected an image and a variant"},
        {"1 707-320\nx\n", "images_variant_test.txt:2: "},
        {"../1 707-320\n", "is no image's name"},
        {"\n\n", "lists no image"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fixture_write("images_variant_test.txt", wrong[i].text);
        const dho_status status =
            dho_dataset_open_coop(&dataset, root, fixture_path("variants.txt"), "test");
        ck_assert_int_ne(status, DHO_OK);
        ck_assert_msg(strstr(dho_error_message(), wrong[i].message) != NULL, "%s",
                      dho_error_message());
    }
    ck_assert_int_eq(unlink(fixture_path("images_variant_test.txt")), 0);
    ck_assert_fails(dho_dataset_open_coop(&dataset, root, fixture_path("variants.txt"), "test"),
                    DHO_ERR_CONFIG, "no such file (the test split");
    fixture_write("variants.txt", "707-320\n707-320\n");
    ck_assert_fails(dho_dataset_open_coop(&dataset, root, fixture_path("variants.txt"), "train"),
                    DHO_ERR_FORMAT, "named twice");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("published_splits");
    TCase *tests = tcase_create("published_splits");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_balanced);
    tcase_add_test(tests, test_balanced_imagenet);
    tcase_add_test(tests, test_balanced_large);
    tcase_add_test(tests, test_class_lists);
    tcase_add_test(tests, test_fgvc);
    suite_add_tcase(suite, tests);
    TCase *published = dho_check_case(suite, "published");
    tcase_add_checked_fixture(published, fixture_setup, fixture_teardown);
    tcase_add_test(published, test_simclr_list);
    return dho_check_run(suite);
}

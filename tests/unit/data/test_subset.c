#define _GNU_SOURCE
#include "unit/data/data_fixture.h"

/* Classes c0, c1, ... of sizes[] files that hold no image. */
static void make_set(dho_dataset *out, const int *sizes, int classes)
{
    for (int c = 0; c < classes; c++) {
        for (int i = 0; i < sizes[c]; i++) {
            char name[64];
            snprintf(name, sizeof name, "set/c%d/c%d_%03d.JPEG", c, c, i);
            fixture_write(name, "x");
        }
    }
    ck_assert_ok(dho_dataset_open_folder(out, fixture_path("set"), NULL));
}

static void assert_sorted(const dho_id_list *list)
{
    for (int64_t i = 1; i < list->count; i++) ck_assert(list->ids[i - 1] < list->ids[i]);
}

static int64_t count_class(const dho_id_list *list, const dho_dataset *dataset, int label)
{
    int64_t count = 0;
    for (int64_t i = 0; i < list->count; i++)
        count += dataset->samples[list->ids[i]].label == label;
    return count;
}

START_TEST(test_all)
{
    dho_dataset dataset;
    dho_id_list list;
    make_set(&dataset, (const int[]){3, 2}, 2);
    ck_assert_ok(dho_subset_all(&list, &dataset));
    ck_assert_int_eq(list.count, 5);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(list.ids[i], i);
    dho_id_list_free(&list);
    dho_dataset_free(&dataset);
}
END_TEST

START_TEST(test_shots)
{
    dho_dataset dataset;
    dho_id_list one, four, other;
    make_set(&dataset, (const int[]){20, 4, 30}, 3);
    ck_assert_ok(dho_subset_shots(&one, &dataset, 1, false, 7));
    ck_assert_ok(dho_subset_shots(&four, &dataset, 4, false, 7));
    ck_assert_ok(dho_subset_shots(&other, &dataset, 4, false, 8));
    assert_sorted(&four);
    for (int c = 0; c < 3; c++) ck_assert_int_eq(count_class(&four, &dataset, c), 4);
    for (int i = 0; i < 3; i++) ck_assert(contains(&four, one.ids[i]));
    ck_assert_int_ne(memcmp(four.ids, other.ids, 12 * sizeof(int64_t)), 0);
    dho_id_list_free(&one);
    ck_assert_fails(dho_subset_shots(&one, &dataset, 0, false, 7), DHO_ERR_CONFIG, "at least 1");
    dho_id_list_free(&four);
    dho_id_list_free(&other);
    /* A class with fewer images than shots gives all it has, and no other class gives more. */
    dho_id_list many;
    ck_assert_ok(dho_subset_shots(&many, &dataset, 9, false, 7));
    for (int c = 0; c < 3; c++) ck_assert_int_eq(count_class(&many, &dataset, c), c == 1 ? 4 : 9);
    /* With repetition each class has as many, those of the others as without. */
    dho_id_list repeated, again;
    ck_assert_ok(dho_subset_shots(&repeated, &dataset, 9, true, 7));
    ck_assert_ok(dho_subset_shots(&again, &dataset, 9, true, 7));
    ck_assert_int_eq(repeated.count, 27);
    ck_assert_mem_eq(repeated.ids, again.ids, 27 * sizeof(int64_t));
    for (int c = 0; c < 3; c++) ck_assert_int_eq(count_class(&repeated, &dataset, c), 9);
    for (int64_t i = 1; i < 27; i++) ck_assert_int_ge(repeated.ids[i], repeated.ids[i - 1]);
    for (int64_t i = 0; i < 27; i++) ck_assert(contains(&many, repeated.ids[i]));
    dho_id_list_free(&repeated);
    dho_id_list_free(&again);
    dho_id_list_free(&many);
    dho_dataset_free(&dataset);
}
END_TEST

/* A class's draw is named by (seed, class): another class's size does not change it. */
START_TEST(test_draw_does_not_depend_on_other_classes)
{
    dho_dataset dataset;
    dho_id_list before, after;
    make_set(&dataset, (const int[]){20, 9}, 2);
    ck_assert_ok(dho_subset_shots(&before, &dataset, 4, false, 7));
    dho_dataset_free(&dataset);
    make_set(&dataset, (const int[]){21, 9}, 2);
    ck_assert_ok(dho_subset_shots(&after, &dataset, 4, false, 7));
    for (int i = 4; i < 8; i++) ck_assert_int_eq(before.ids[i] + 1, after.ids[i]);
    dho_id_list_free(&before);
    dho_id_list_free(&after);
    dho_dataset_free(&dataset);
}
END_TEST

START_TEST(test_percent)
{
    dho_dataset dataset;
    dho_id_list list;
    make_set(&dataset, (const int[]){30, 4, 14}, 3);
    ck_assert_ok(dho_subset_percent(&list, &dataset, 10, 7));
    assert_sorted(&list);
    ck_assert_int_eq(count_class(&list, &dataset, 0), 3);
    ck_assert_int_eq(count_class(&list, &dataset, 1), 1); /* 0.4: at least one */
    ck_assert_int_eq(count_class(&list, &dataset, 2), 1); /* 1.4 */
    dho_id_list_free(&list);
    ck_assert_ok(dho_subset_percent(&list, &dataset, 100, 7));
    ck_assert_int_eq(list.count, 48);
    dho_id_list_free(&list);
    const double bad[] = {0, -1, 100.1, 0.0 / 0.0};
    for (int i = 0; i < 4; i++)
        ck_assert_fails(dho_subset_percent(&list, &dataset, bad[i], 7), DHO_ERR_CONFIG, "percent");
    dho_dataset_free(&dataset);
}
END_TEST

START_TEST(test_file)
{
    dho_dataset dataset;
    dho_id_list list;
    make_set(&dataset, (const int[]){3, 3}, 2);
    fixture_write("list.txt", "# ours\n\nc1_002.JPEG\r\n  c0/c0_001.JPEG\t\nc0_000.JPEG");
    ck_assert_ok(dho_subset_file(&list, &dataset, fixture_path("list.txt")));
    ck_assert_int_eq(list.count, 3);
    const int64_t expected[] = {0, 1, 5};
    ck_assert_mem_eq(list.ids, expected, sizeof expected);
    dho_id_list_free(&list);
    dho_dataset_free(&dataset);
}
END_TEST

/* With a class behind a tab; written and read again. */
START_TEST(test_file_with_classes)
{
    dho_dataset dataset;
    dho_id_list list;
    make_set(&dataset, (const int[]){3, 3}, 2);
    fixture_write("set/c1/a\tb.jpg", "x");
    dho_dataset_free(&dataset);
    ck_assert_ok(dho_dataset_open_folder(&dataset, fixture_path("set"), NULL));
    fixture_write("list.txt", "c1_002.JPEG \t c1\nc0/c0_001.JPEG\t\na\tb.jpg\nc0_000.JPEG\tc0");
    ck_assert_ok(dho_subset_file(&list, &dataset, fixture_path("list.txt")));
    const int64_t expected[] = {0, 1, 3, 6}; /* 3: a TAB b.jpg, the first of c1 */
    ck_assert_int_eq(list.count, 4);
    ck_assert_mem_eq(list.ids, expected, sizeof expected);
    ck_assert_fails(dho_subset_file_save(fixture_path("saved.txt"), &dataset, &list),
                    DHO_ERR_CONFIG, "rename it");
    list.ids[2] = 4;
    ck_assert_ok(dho_subset_file_save(fixture_path("saved.txt"), &dataset, &list));
    dho_id_list_free(&list);
    ck_assert_ok(dho_subset_file(&list, &dataset, fixture_path("saved.txt")));
    ck_assert_int_eq(list.count, 4);
    ck_assert_int_eq(list.ids[2], 4);
    dho_id_list_free(&list);
    dho_dataset_free(&dataset);
}
END_TEST

START_TEST(test_file_errors)
{
    static const char *const cases[][2] = {
        {"c0_000.JPEG\nc0_00.JPEG\n", "list.txt:2: \"c0_00.JPEG\" is not in the dataset"},
        {"c1/c0_000.JPEG\n", "list.txt:1: \"c1/c0_000.JPEG\" is not in"},
        {"/c0/c0_000.JPEG\n", "is not in"},
        {"set/c0/c0_000.JPEG\n", "is not in"},
        {"c0/\n", "is not in"},
        {"c0_000.JPEG\n\nc0/c0_000.JPEG\n", "list.txt:3: \"c0/c0_000.JPEG\" occurs twice"},
        {"same.jpg\n", "\"same.jpg\" is ambiguous: c0/same.jpg or c1/same.jpg"},
        {"c0_000.JPEG\tc1\n", "list.txt:1: c0/c0_000.JPEG is of class \"c0\", not \"c1\""},
        {"c0_000.JPEG\tc\n", "not \"c\""},
        {"c0_00.JPEG\tc0\n", "\"c0_00.JPEG\" is not in the dataset"},
        {"# nothing\n\n", "list.txt: lists no file"},
        {"", "lists no file"},
    };
    dho_dataset dataset;
    dho_id_list list;
    fixture_write("set/c0/same.jpg", "x");
    fixture_write("set/c1/same.jpg", "x");
    make_set(&dataset, (const int[]){2, 2}, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_write("list.txt", cases[i][0]);
        ck_assert_fails(dho_subset_file(&list, &dataset, fixture_path("list.txt")), DHO_ERR_CONFIG,
                        cases[i][1]);
        ck_assert_ptr_null(list.ids);
    }
    fixture_write("list.txt", "c1/same.jpg\n");
    ck_assert_ok(dho_subset_file(&list, &dataset, fixture_path("list.txt")));
    ck_assert_int_eq(list.count, 1);
    dho_id_list_free(&list);
    ck_assert_fails(dho_subset_file(&list, &dataset, fixture_path("none.txt")), DHO_ERR_IO,
                    "none.txt");
    dho_dataset_free(&dataset);
}
END_TEST

static dho_status make_subset(int kind, dho_id_list *list, dho_dataset *dataset)
{
    switch (kind) {
    case 0:
        return dho_subset_all(list, dataset);
    case 1:
        return dho_subset_shots(list, dataset, 2, false, 7);
    default:
        return dho_subset_file(list, dataset, fixture_path("list.txt"));
    }
}

START_TEST(test_allocation_failures)
{
    dho_dataset dataset;
    dho_id_list list;
    make_set(&dataset, (const int[]){3, 3}, 2);
    fixture_write("list.txt", "c1_002.JPEG\n");
    for (int kind = 0; kind < 3; kind++) {
        ck_assert_allocations(make_subset(kind, &list, &dataset));
        dho_id_list_free(&list);
    }
    dho_dataset_free(&dataset);
}
END_TEST

/* The published 1 % list against a listing made of the 10 % list's names. */
START_TEST(test_real_lists)
{
    static const char *const one = "../shared/data/imagenet/imagenet_1percent.txt";
    static const char *const ten = "../shared/data/imagenet/imagenet_10percent.txt";
    if (!dho_path_exists(one) || !dho_path_exists(ten)) skip_test("no %s", one);
    uint8_t *text = NULL;
    size_t capacity = 0, size;
    ck_assert_ok(dho_file_read(ten, 1 << 30, &text, &capacity, &size));
    dho_sample *samples;
    ck_assert_ok(dho_alloc_zero(&samples, 200000, sizeof *samples, "samples"));
    dho_dataset dataset = {.root = fixture_root, .samples = samples};
    char *state, *line = strtok_r((char *)text, "\n", &state);
    for (; line != NULL; line = strtok_r(NULL, "\n", &state)) samples[dataset.count++].path = line;
    ck_assert_int_eq(dataset.count, 128116);
    dho_id_list list;
    ck_assert_ok(dho_subset_file(&list, &dataset, ten));
    ck_assert_int_eq(list.count, 128116);
    dho_id_list_free(&list);
    const dho_status status = dho_subset_file(&list, &dataset, one);
    if (status == DHO_OK)
        ck_assert_int_eq(list.count, 12811);
    else /* the lists were drawn apart: then the first name of no sample is told */
        ck_assert_fails(status, DHO_ERR_CONFIG, "is not in the dataset");
    dho_id_list_free(&list);
    dho_free(samples);
    dho_free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("subset");
    TCase *tests = tcase_create("subset");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_all);
    tcase_add_test(tests, test_shots);
    tcase_add_test(tests, test_draw_does_not_depend_on_other_classes);
    tcase_add_test(tests, test_percent);
    tcase_add_test(tests, test_file);
    tcase_add_test(tests, test_file_with_classes);
    tcase_add_test(tests, test_file_errors);
    tcase_add_test(tests, test_allocation_failures);
    suite_add_tcase(suite, tests);
    TCase *published = dho_check_case(suite, "published");
    tcase_add_checked_fixture(published, fixture_setup, fixture_teardown);
    tcase_add_test(published, test_real_lists);
    return dho_check_run(suite);
}

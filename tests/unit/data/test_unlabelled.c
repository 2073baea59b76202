#define _GNU_SOURCE
#include "data/unused.h"
#include "dho/tar.h"
#include "unit/data/data_fixture.h"

#include <unistd.h>

static const char *const names[] = {"b.jpg", "a/2.jpg", "a/10.png", "a/deep/er/1.jpg", "c d.jpeg"};
enum { IMAGES = sizeof names / sizeof *names };

/* heap/: the five images, each with bytes of its own. */
static void write_heap(void)
{
    for (size_t i = 0; i < IMAGES; i++) {
        char name[64];
        snprintf(name, sizeof name, "heap/%s", names[i]);
        fixture_image(name, (int)i + 100);
    }
}

static void assert_bytes(const dho_dataset *dataset, int64_t id, const char *file)
{
    uint8_t *a = NULL, *b = NULL;
    size_t capacity_a = 0, capacity_b = 0, size_a, size_b;
    ck_assert_ok(dho_dataset_read(dataset, id, &a, &capacity_a, &size_a));
    ck_assert_ok(dho_file_read(fixture_path(file), 1 << 20, &b, &capacity_b, &size_b));
    ck_assert_uint_eq(size_a, size_b);
    ck_assert_mem_eq(a, b, size_a);
    dho_free(a);
    dho_free(b);
}

START_TEST(test_folder)
{
    dho_dataset heap;
    write_heap();
    fixture_write("heap/notes.txt", "x");
    fixture_write("heap/.hidden.jpg", "x");
    fixture_write("heap/a/x.avif", "x");
    ck_assert_ok(dho_dataset_open_unlabelled(&heap, fixture_path("heap")));
    ck_assert_int_eq(heap.count, IMAGES);
    ck_assert_int_eq(heap.classes, 0);
    static const char *const order[] = {"b.jpg", "c d.jpeg", "a/10.png", "a/2.jpg",
                                        "a/deep/er/1.jpg"};
    for (int i = 0; i < IMAGES; i++) {
        ck_assert_str_eq(heap.samples[i].path, order[i]);
        ck_assert_int_eq(heap.samples[i].label, DHO_NO_LABEL);
    }
    ck_assert_int_eq(dho_unused_count(heap.unused, DHO_UNUSED_OTHER, DHO_UNUSED_OTHER + 1), 1);
    ck_assert_int_eq(dho_unused_count(heap.unused, DHO_UNUSED_HIDDEN, DHO_UNUSED_HIDDEN + 1), 1);
    ck_assert_int_eq(dho_unused_count(heap.unused, 0, 1), 1);
    assert_bytes(&heap, 4, "heap/a/deep/er/1.jpg");
    dho_dataset_free(&heap);
}
END_TEST

/* A list of the folder's images, in any order, is the folder. */
START_TEST(test_list)
{
    dho_dataset folder, list;
    char text[2048];
    write_heap();
    fixture_write("heap/list.txt", "# all\n./a/deep/er/1.jpg\n\n  c d.jpeg\r\na/2.jpg\nb.jpg\n"
                                   "a/10.png\n");
    ck_assert_ok(dho_dataset_open_unlabelled(&folder, fixture_path("heap")));
    ck_assert_ok(dho_dataset_open_unlabelled(&list, fixture_path("heap/list.txt")));
    ck_assert_uint_eq(list.fingerprint, folder.fingerprint);
    assert_bytes(&list, 1, "heap/c d.jpeg");
    dho_dataset_free(&list);
    dho_dataset_free(&folder);
    snprintf(text, sizeof text, "%s\n../heap/b.jpg\n", fixture_path("heap/a/2.jpg"));
    fixture_write("other/list", text);
    ck_assert_ok(dho_dataset_open_unlabelled(&list, fixture_path("other/list")));
    ck_assert_int_eq(list.count, 2);
    ck_assert_str_eq(list.samples[0].path, "../heap/b.jpg");
    ck_assert_str_eq(dho_dataset_root_of(&list, 0), fixture_path("other"));
    ck_assert_str_eq(dho_dataset_root_of(&list, 1), "");
    assert_bytes(&list, 0, "heap/b.jpg");
    assert_bytes(&list, 1, "heap/a/2.jpg");
    dho_dataset_free(&list);
}
END_TEST

static void assert_refused(const char *list, const char *text)
{
    dho_dataset heap;
    fixture_write("heap/list", list);
    const char *path = fixture_path("heap/list");
    dho_status status = dho_dataset_open_unlabelled(&heap, path);
    if (status == DHO_OK) status = dho_dataset_require_images(&heap, path);
    ck_assert_fails(status, DHO_ERR_CONFIG, text);
    dho_dataset_free(&heap);
}

START_TEST(test_refusals)
{
    dho_dataset heap;
    write_heap();
    ck_assert_fails(dho_dataset_open_unlabelled(&heap, fixture_path("none")), DHO_ERR_CONFIG,
                    "no such folder, tar or list");
    assert_refused("b.jpg\na/2.jpg\n./b.jpg\n", "list: \"b.jpg\" is listed twice");
    assert_refused("b.jpg,cat\na/2.jpg,dog\n",
                   "list: no image in it (not used: 2 not images by their names)");
    assert_refused("# nothing\n", "list: no image in it");
    assert_refused("b.avif\n", "no image in it (not used: 1 in a format that dho does not read)");
    ck_assert_ok(dho_make_folders(fixture_path("empty/in")));
    ck_assert_ok(dho_dataset_open_unlabelled(&heap, fixture_path("empty")));
    ck_assert_fails(dho_dataset_require_images(&heap, "empty"), DHO_ERR_CONFIG,
                    "empty: no image in it");
    dho_dataset_free(&heap);
    fixture_write("x.tar", "no tar at all, though the name says so: longer than sixteen bytes");
    ck_assert_fails(dho_dataset_open_unlabelled(&heap, fixture_path("x.tar")), DHO_ERR_FORMAT,
                    "x.tar");
    ck_assert_fails(dho_dataset_open_unlabelled(&heap, fixture_path("heap/b.jpg")), DHO_ERR_CONFIG,
                    "is an image: expected a folder");
}
END_TEST

/* Packed without labels: the same images, order and fingerprint, from the index and from a scan. */
START_TEST(test_tars)
{
    dho_dataset folder, packed;
    dho_comm *comm;
    write_heap();
    ck_assert_ok(dho_comm_create_serial(&comm));
    ck_assert_ok(dho_dataset_open_unlabelled(&folder, fixture_path("heap")));
    ck_assert_ok(dho_pack(&folder, comm, fixture_path("tars"), 2, false));
    ck_assert_ok(dho_pack(&folder, comm, fixture_path("tars"), 2, false)); /* is complete */
    for (int scan = 0; scan < 2; scan++) {
        ck_assert_ok(dho_dataset_open_unlabelled(&packed, fixture_path("tars")));
        ck_assert_uint_eq(packed.fingerprint, folder.fingerprint);
        ck_assert_int_eq(packed.classes, 0);
        assert_bytes(&packed, 3, "heap/a/2.jpg");
        dho_dataset_free(&packed);
        if (scan == 0) {
            ck_assert_fails(dho_dataset_open_shards(&packed, fixture_path("tars"), NULL),
                            DHO_ERR_CONFIG, "its images have no labels (data.unlabelled takes");
            ck_assert_ok(dho_remove_tree(fixture_path("tars/shards.index")));
        }
    }
    ck_assert_fails(dho_dataset_open_shards(&packed, fixture_path("tars"), NULL), DHO_ERR_FORMAT,
                    "has no label: no member");
    ck_assert_ok(dho_pack_index(fixture_path("tars"), true));
    ck_assert_ok(dho_dataset_open_unlabelled(&packed, fixture_path("tars")));
    ck_assert_uint_eq(packed.fingerprint, folder.fingerprint);
    dho_dataset_free(&packed);
    dho_dataset_free(&folder);
    dho_comm_destroy(&comm);
}
END_TEST

/* Labelled tars are a heap, too; labels are forgotten. */
START_TEST(test_labelled_tars)
{
    dho_dataset set, heap;
    dho_comm *comm;
    ck_assert_ok(dho_comm_create_serial(&comm));
    fixture_folder(&set, 3, 4);
    ck_assert_ok(dho_pack(&set, comm, fixture_path("tars"), 2, false));
    ck_assert_ok(dho_dataset_open_unlabelled(&heap, fixture_path("tars")));
    ck_assert_int_eq(heap.count, 12);
    for (int i = 0; i < 12; i++) ck_assert_int_eq(heap.samples[i].label, DHO_NO_LABEL);
    dho_dataset_free(&heap);
    dho_dataset_free(&set);
    dho_comm_destroy(&comm);
}
END_TEST

START_TEST(test_joined)
{
    dho_dataset set, heap;
    dho_id_list list;
    write_heap();
    fixture_folder(&set, 3, 2);
    uint64_t hash = UINT64_C(14695981039346656037);
    for (int i = 0; i < 6; i++) {
        const char label[4] = {(char)(i / 2)};
        hash = fnv(hash, set.samples[i].path, strlen(set.samples[i].path) + 1);
        hash = fnv(hash, label, 4);
    }
    ck_assert_ok(dho_dataset_open_unlabelled(&heap, fixture_path("heap")));
    for (int i = 0; i < IMAGES; i++) {
        hash = fnv(hash, heap.samples[i].path, strlen(heap.samples[i].path) + 1);
        hash = fnv(hash, "\xff\xff\xff\xff", 4);
    }
    hash = fnv(hash, "\13\0\0\0\0\0\0\0", 8);
    ck_assert_ok(dho_dataset_add_heap(&set, &heap));
    ck_assert_ptr_null(heap.root);
    ck_assert_int_eq(set.count, 6 + IMAGES);
    ck_assert_int_eq(dho_dataset_heap_start(&set), 6);
    ck_assert_uint_eq(set.fingerprint, hash);
    assert_bytes(&set, 5, "set/c02/c02_i01.jpg");
    assert_bytes(&set, 6 + 3, "heap/a/2.jpg");
    ck_assert_str_eq(dho_dataset_root_of(&set, 5), fixture_path("set"));
    ck_assert_str_eq(dho_dataset_root_of(&set, 6), fixture_path("heap"));
    /* Labels are those of images with a class alone. */
    ck_assert_ok(dho_subset_all(&list, &set));
    ck_assert_int_eq(list.count, 6);
    dho_id_list_free(&list);
    ck_assert_ok(dho_subset_percent(&list, &set, 50, 1));
    ck_assert_int_eq(list.count, 3);
    dho_id_list_free(&list);
    ck_assert_ok(dho_subset_balanced(&list, &set, 50, 13));
    ck_assert_int_eq(list.count, 3);
    dho_id_list_free(&list);
    fixture_write("list.txt", "b.jpg\n");
    ck_assert_fails(dho_subset_file(&list, &set, fixture_path("list.txt")), DHO_ERR_CONFIG,
                    "list.txt:1: b.jpg has no class yet");
    fixture_write("list.txt", "b.jpg\tc09\n");
    ck_assert_fails(dho_subset_file(&list, &set, fixture_path("list.txt")), DHO_ERR_CONFIG,
                    "b.jpg: \"c09\" is no class of");
    fixture_write("list.txt", "b.jpg\tc01\nc00_i00.jpg\n");
    ck_assert_ok(dho_subset_file(&list, &set, fixture_path("list.txt")));
    ck_assert_int_eq(list.count, 2);
    ck_assert_str_eq(set.samples[list.ids[1]].path, "b.jpg");
    ck_assert_int_eq(set.samples[list.ids[1]].label, 1);
    list.ids[1]++; /* without a class */
    ck_assert_ok(dho_subset_file_save(fixture_path("saved.txt"), &set, &list));
    dho_id_list_free(&list);
    ck_assert_fails(dho_subset_file(&list, &set, fixture_path("saved.txt")), DHO_ERR_CONFIG,
                    "saved.txt:2: ");
    const int64_t kept[] = {1, 2, 5};
    dho_dataset_keep(&set, kept, 3);
    ck_assert_int_eq(set.count, 3);
    ck_assert_str_eq(set.samples[1].path, "c01/c01_i00.jpg");
    ck_assert_int_eq(set.samples[2].label, 2);
    assert_bytes(&set, 2, "set/c02/c02_i01.jpg");
    dho_dataset_free(&set);
}
END_TEST

START_TEST(test_allocation_failures)
{
    dho_dataset set, heap;
    write_heap();
    fixture_write("heap/list", "b.jpg\na/2.jpg\n");
    for (int list = 0; list < 2; list++) {
        const char *path = fixture_path(list ? "heap/list" : "heap");
        ck_assert_allocations(dho_dataset_open_unlabelled(&heap, path));
        dho_dataset_free(&heap);
    }
    bool failed = true;
    for (int64_t n = 1; failed; n++) {
        fixture_folder(&set, 2, 1);
        ck_assert_ok(dho_dataset_open_unlabelled(&heap, fixture_path("heap")));
        failed = out_of_memory_at(n, dho_dataset_add_heap(&set, &heap));
        dho_dataset_free(&set);
        if (!failed) dho_dataset_free(&heap);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
    }
}
END_TEST

/* --- held-out images --- */

static void hold_out(const dho_dataset *set, double percent, int64_t images, uint64_t seed,
                     dho_id_list *labelled, dho_id_list *out)
{
    const dho_holdout share = {.percent = percent, .images = images};
    ck_assert_ok(dho_subset_all(labelled, set));
    ck_assert_ok(dho_subset_hold_out(labelled, out, set, &share, seed));
    ck_assert_int_eq(labelled->count + out->count, set->count);
}

START_TEST(test_hold_out)
{
    dho_dataset set;
    dho_id_list labelled, out, more, rest;
    fixture_folder(&set, 4, 10);
    hold_out(&set, 20, 0, 1, &labelled, &out);
    ck_assert_int_eq(out.count, 8);
    for (int64_t i = 0; i < 8; i++) {
        ck_assert_int_eq(set.samples[out.ids[i]].label, i / 2);
        ck_assert(i == 0 || out.ids[i] > out.ids[i - 1]);
        ck_assert(!contains(&labelled, out.ids[i]));
    }
    hold_out(&set, 0, 5, 1, &rest, &more); /* a larger share has the smaller one in it */
    ck_assert_int_eq(more.count, 20);
    for (int64_t i = 0; i < 8; i++) ck_assert(contains(&more, out.ids[i]));
    dho_id_list_free(&rest);
    dho_id_list_free(&more);
    hold_out(&set, 1, 0, 2, &rest, &more); /* at least one of each class; another seed */
    ck_assert_int_eq(more.count, 4);
    int same = 0;
    for (int64_t i = 0; i < 4; i++) same += contains(&out, more.ids[i]);
    ck_assert_int_lt(same, 4);
    dho_id_list_free(&rest);
    dho_id_list_free(&more);
    dho_id_list_free(&labelled);
    dho_id_list_free(&out);
    dho_dataset_free(&set);
}
END_TEST

/* A new image in a class in front changes nothing of the others; repeated labels go together. */
START_TEST(test_hold_out_by_path)
{
    dho_dataset set, grown;
    dho_id_list labelled, out, later;
    const dho_holdout one = {.images = 1};
    fixture_folder(&set, 2, 6);
    hold_out(&set, 0, 2, 7, &labelled, &out);
    dho_id_list_free(&labelled);
    fixture_image("set/c00/c00_a.jpg", 5);
    ck_assert_ok(dho_dataset_open_folder(&grown, fixture_path("set"), NULL));
    hold_out(&grown, 0, 2, 7, &labelled, &later);
    for (int64_t i = 2; i < 4; i++)
        ck_assert_str_eq(grown.samples[later.ids[i]].path, set.samples[out.ids[i]].path);
    dho_id_list_free(&labelled);
    dho_id_list_free(&later);
    dho_id_list_free(&out);
    dho_dataset_free(&grown);
    ck_assert_ok(dho_alloc(&labelled.ids, 5, sizeof *labelled.ids, "test"));
    memcpy(labelled.ids, (const int64_t[]){1, 1, 2, 2, 8}, 5 * sizeof *labelled.ids);
    labelled.count = 4;
    ck_assert_ok(dho_subset_hold_out(&labelled, &out, &set, &one, 1));
    ck_assert_int_eq(out.count, 1);
    ck_assert_int_eq(labelled.count, 2);
    ck_assert_int_eq(labelled.ids[0], labelled.ids[1]);
    ck_assert_int_eq(labelled.ids[0] + out.ids[0], 3);
    dho_id_list_free(&out);
    ck_assert_fails(dho_subset_hold_out(&labelled, &out, &set, &one, 1), DHO_ERR_CONFIG,
                    "data.holdout: class 0 \"c00\" has 1 labelled image: with 1 held out none is "
                    "left to train on");
    dho_id_list_free(&labelled);
    dho_dataset_free(&set);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unlabelled");
    TCase *tests = tcase_create("unlabelled");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_folder);
    tcase_add_test(tests, test_list);
    tcase_add_test(tests, test_refusals);
    tcase_add_test(tests, test_tars);
    tcase_add_test(tests, test_labelled_tars);
    tcase_add_test(tests, test_joined);
    tcase_add_test(tests, test_allocation_failures);
    tcase_add_test(tests, test_hold_out);
    tcase_add_test(tests, test_hold_out_by_path);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

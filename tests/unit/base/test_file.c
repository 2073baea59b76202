#define _GNU_SOURCE
#include "folder_fixture.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t entries(void)
{
    dho_name_list list;
    ck_assert_ok(dho_list_folder(&list, fixture_root));
    const size_t count = list.count;
    dho_name_list_free(&list);
    return count;
}

START_TEST(test_atomic_file_appears_whole)
{
    const char *path = fixture_path("a");
    dho_atomic_file *file;
    ck_assert_ok(dho_file_write_text(path, "old"));
    ck_assert_ok(dho_atomic_file_create(&file, path));
    ck_assert_ok(dho_atomic_file_write(file, "123", 3));
    ck_assert_ok(dho_atomic_file_write(file, NULL, 0));
    ck_assert_ok(dho_atomic_file_write(file, "456789", 6));
    ck_assert_uint_eq(dho_atomic_file_size(file), 9);
    ck_assert_uint_eq(dho_atomic_file_crc(file), 0xcbf43926); /* CRC-32's check value */
    check_file(path, "old");
    ck_assert_ok(dho_atomic_file_commit(&file));
    ck_assert_ptr_null(file);
    check_file(path, "123456789");
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(test_discard_leaves_nothing)
{
    dho_atomic_file *file;
    ck_assert_ok(dho_atomic_file_create(&file, fixture_path("a")));
    ck_assert_ok(dho_atomic_file_write(file, "x", 1));
    ck_assert_uint_eq(entries(), 1); /* the temporary file */
    dho_atomic_file_discard(&file);
    ck_assert_ptr_null(file);
    dho_atomic_file_discard(&file);
    ck_assert_uint_eq(entries(), 0);
}
END_TEST

/* Sizes around the buffer's; the first three together are one buffer. */
static void check_buffering(const uint8_t *pattern, size_t writes)
{
    const size_t sizes[] = {1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3, 5 << 20, 7};
    dho_atomic_file *file;
    const char *path = fixture_path("big");
    ck_assert_ok(dho_atomic_file_create(&file, path));
    for (size_t i = 0; i < writes; i++)
        ck_assert_ok(dho_atomic_file_write(file, pattern, sizes[i]));
    const uint32_t crc = dho_atomic_file_crc(file);
    const uint64_t size = dho_atomic_file_size(file);
    ck_assert_ok(dho_atomic_file_commit(&file));
    dho_mapping mapping;
    ck_assert_ok(dho_mapping_open(&mapping, path));
    ck_assert_uint_eq(mapping.size, size);
    ck_assert_uint_eq(dho_crc32(0, mapping.data, mapping.size), crc);
    size_t at = 0;
    for (size_t i = 0; i < writes; at += sizes[i++])
        ck_assert_mem_eq(mapping.data + at, pattern, sizes[i]);
    dho_mapping_close(&mapping);
    ck_assert_ptr_null(mapping.data);
}

START_TEST(test_buffering_keeps_every_byte)
{
    uint8_t *pattern;
    ck_assert_ok(dho_alloc(&pattern, 5 << 20, 1, "pattern"));
    for (size_t i = 0; i < 5 << 20; i++) pattern[i] = (uint8_t)(i * 2654435761u >> 13);
    for (size_t writes = 1; writes <= 7; writes++) check_buffering(pattern, writes);
    dho_free(pattern);
}
END_TEST

START_TEST(test_create_and_rename_fail)
{
    dho_atomic_file *file = NULL;
    const char *path = fixture_path("no/such/a");
    ck_assert_fails(dho_atomic_file_create(&file, path), DHO_ERR_IO, path);
    ck_assert_ptr_null(file);
    path = fixture_path("taken");
    ck_assert_ok(dho_make_folders(fixture_path("taken/x")));
    ck_assert_ok(dho_atomic_file_create(&file, path));
    ck_assert_ok(dho_atomic_file_write(file, "x", 1));
    ck_assert_fails(dho_atomic_file_commit(&file), DHO_ERR_IO, "rename");
    ck_assert_ptr_null(file);
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(test_every_allocation_can_fail)
{
    const int64_t before = dho_alloc_get_stats().live_blocks;
    for (int64_t n = 1; out_of_memory_at(n, dho_file_write_text(fixture_path("a"), "text")); n++) {
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
        ck_assert_uint_eq(entries(), 0);
    }
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

/* A disk of 64 KiB: the write fails, the old file stays, nothing else does. */
START_TEST(test_full_disk)
{
    if (mount("tmpfs", fixture_root, "tmpfs", 0, "size=64k") != 0) {
        printf("cannot mount a tmpfs: the full disk is not tested\n");
        return;
    }
    const char *path = fixture_path("a");
    static char block[1 << 18];
    dho_status created = dho_file_write_text(path, "old"), written = DHO_OK, committed = DHO_OK;
    dho_atomic_file *file = NULL;
    if (created == DHO_OK) created = dho_atomic_file_create(&file, path);
    char first[256] = "", second[256] = "";
    if (created == DHO_OK) {
        for (int i = 0; i < 8 && written == DHO_OK; i++)
            written = dho_atomic_file_write(file, block, sizeof block);
        snprintf(first, sizeof first, "%s", dho_error_message());
        dho_fail(DHO_ERR_INTERNAL, "something else in between");
        committed = dho_atomic_file_commit(&file);
        snprintf(second, sizeof second, "%s", dho_error_message());
    }
    uint8_t *data = NULL;
    size_t capacity = 0, size = 0;
    const dho_status read = dho_file_read(path, 100, &data, &capacity, &size);
    const size_t left = entries();
    ck_assert_int_eq(umount(fixture_root), 0); /* before any check can end the test */
    ck_assert_int_eq(created, DHO_OK);
    ck_assert_int_eq(written, DHO_ERR_IO);
    ck_assert_int_eq(committed, DHO_ERR_IO);
    ck_assert_ptr_nonnull(strstr(first, "No space left"));
    ck_assert_str_eq(first, second);
    ck_assert_int_eq(read, DHO_OK);
    ck_assert_str_eq((char *)data, "old");
    ck_assert_uint_eq(left, 1);
    dho_free(data);
}
END_TEST

START_TEST(test_read_limits_and_reuse)
{
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    const char *path = fixture_path("a");
    ck_assert_ok(dho_file_write_text(path, "12345"));
    ck_assert_ok(dho_file_read(path, 5, &data, &capacity, &size));
    ck_assert_uint_eq(size, 5);
    const uint8_t *const block = data;
    ck_assert_fails(dho_file_read(path, 4, &data, &capacity, &size), DHO_ERR_FORMAT,
                    "5 bytes, more than the 4 allowed");
    ck_assert_ok(dho_file_write_text(path, ""));
    ck_assert_ok(dho_file_read(path, 0, &data, &capacity, &size));
    ck_assert_uint_eq(size, 0);
    ck_assert_str_eq((char *)data, "");
    ck_assert_ptr_eq(data, block); /* grown once, used again */
    ck_assert_fails(dho_file_read(fixture_root, 9, &data, &capacity, &size), DHO_ERR_IO, "regular");
    ck_assert_fails(dho_file_read(fixture_path("no"), 9, &data, &capacity, &size), DHO_ERR_IO,
                    "/no");
    dho_free(data);
    dho_mapping mapping;
    ck_assert_ok(dho_mapping_open(&mapping, path)); /* empty */
    ck_assert_uint_eq(mapping.size, 0);
    dho_mapping_close(&mapping);
    ck_assert_fails(dho_mapping_open(&mapping, fixture_root), DHO_ERR_IO, "regular");
    ck_assert_fails(dho_mapping_open(&mapping, fixture_path("no")), DHO_ERR_IO, "/no");
}
END_TEST

START_TEST(test_crc_of_parts_is_that_of_the_whole)
{
    ck_assert_uint_eq(dho_crc32(0, "123456789", 9), 0xcbf43926);
    ck_assert_uint_eq(dho_crc32(dho_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
    ck_assert_uint_eq(dho_crc32(0, "", 0), 0);
    ck_assert_uint_eq(dho_crc32(7, "", 0), 7);
}
END_TEST

START_TEST(test_remove_tree_does_not_follow_links)
{
    ck_assert_ok(dho_make_folders(fixture_path("kept")));
    ck_assert_ok(dho_file_write_text(fixture_path("kept/file"), "x"));
    ck_assert_ok(dho_make_folders(fixture_path("gone/a/b")));
    ck_assert_ok(dho_file_write_text(fixture_path("gone/a/b/file"), "x"));
    ck_assert_int_eq(symlink(fixture_path("kept"), fixture_path("gone/link")), 0);
    ck_assert_int_eq(symlink("nowhere", fixture_path("gone/dangling")), 0);
    ck_assert_int_eq(symlink(fixture_path("kept"), fixture_path("top")), 0);
    ck_assert_ok(dho_remove_tree(fixture_path("gone")));
    ck_assert_ok(dho_remove_tree(fixture_path("top")));
    ck_assert_ok(dho_remove_tree(fixture_path("never/was")));
    check_file(fixture_path("kept/file"), "x");
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(test_list_is_in_byte_order)
{
    static const char *const names[] = {"b", "a", "B", "10", "9", ".hidden", "a.b", "\xc3\xa9"};
    static const char *const sorted[] = {".hidden", "10", "9", "B", "a", "a.b", "b", "\xc3\xa9"};
    for (size_t i = 0; i < 8; i++) ck_assert_ok(dho_file_write_text(fixture_path(names[i]), ""));
    dho_name_list list;
    ck_assert_ok(dho_list_folder(&list, fixture_root));
    ck_assert_uint_eq(list.count, 8);
    for (size_t i = 0; i < 8; i++) ck_assert_str_eq(list.names[i], sorted[i]);
    dho_name_list_free(&list);
    ck_assert_uint_eq(list.count, 0);
    ck_assert_fails(dho_list_folder(&list, fixture_path("no")), DHO_ERR_IO, "/no");
    const int64_t before = dho_alloc_get_stats().live_blocks;
    for (int64_t n = 1; n <= 9; n++) {
        dho_alloc_fail_at(n);
        ck_assert_int_eq(dho_list_folder(&list, fixture_root), DHO_ERR_MEMORY);
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
    }
    dho_alloc_fail_at(0);
}
END_TEST

START_TEST(test_make_folders)
{
    ck_assert_ok(dho_make_folders(fixture_path("a/b//c/")));
    ck_assert(dho_path_is_folder(fixture_path("a/b/c")));
    ck_assert_ok(dho_make_folders(fixture_path("a/b")));
    ck_assert_ok(dho_file_write_text(fixture_path("file"), ""));
    ck_assert(!dho_path_is_folder(fixture_path("file")));
    ck_assert(dho_path_exists(fixture_path("file")));
    ck_assert_fails(dho_make_folders(fixture_path("file")), DHO_ERR_IO, "/file: is not a folder");
    ck_assert_fails(dho_make_folders(fixture_path("file/x")), DHO_ERR_IO, "/file/x: cannot create");
    static char longest[8000];
    memset(longest, 'x', sizeof longest - 1);
    ck_assert_fails(dho_make_folders(longest), DHO_ERR_IO, "too long");
    ck_assert_ok(dho_sync_folder(fixture_root));
    ck_assert_int_eq(dho_sync_folder(fixture_path("file")), DHO_ERR_IO);
}
END_TEST

START_TEST(test_places)
{
    char path[300];
    snprintf(path, sizeof path, "%s", fixture_path("place"));
    ck_assert_ok(dho_file_check_place(path));
    ck_assert(!dho_path_exists(path));
    ck_assert_fails(dho_file_check_place(fixture_path("no/place")), DHO_ERR_IO, "no/place");
    ck_assert_fails(dho_file_check_place(fixture_root), DHO_ERR_IO, "is a folder");
    ck_assert_ok(dho_require_folder(fixture_root));
    ck_assert_fails(dho_require_folder(path), DHO_ERR_CONFIG, "no such folder");
    ck_assert_ok(dho_file_write_text(path, "x"));
    ck_assert_fails(dho_require_folder(path), DHO_ERR_CONFIG, "place: is a file, not a folder");
    ck_assert(dho_path_is_same(path, fixture_path("./place")));
    ck_assert(!dho_path_is_same(path, fixture_root));
    ck_assert(!dho_path_is_same(fixture_path("no"), fixture_path("no")));
}
END_TEST

/* None of these is waited for. */
START_TEST(test_what_is_no_file)
{
    const char *pipe_path = fixture_path("pipe");
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    dho_mapping mapping;
    int file;
    ck_assert_int_eq(mkfifo(pipe_path, 0600), 0);
    ck_assert_int_eq(symlink("pipe", fixture_path("link")), 0);
    ck_assert_fails(dho_file_read(pipe_path, 10, &data, &capacity, &size), DHO_ERR_IO,
                    "pipe: is a pipe (FIFO), not a regular file");
    ck_assert_fails(dho_mapping_open(&mapping, fixture_path("link")), DHO_ERR_IO,
                    "is a pipe (FIFO)");
    ck_assert_fails(dho_file_read("/dev/zero", 10, &data, &capacity, &size), DHO_ERR_IO,
                    "is a device");
    ck_assert_fails(dho_file_read(fixture_root, 10, &data, &capacity, &size), DHO_ERR_IO,
                    "is a folder");
    ck_assert_fails(dho_file_append(&file, pipe_path), DHO_ERR_IO, "is a pipe (FIFO)");
    ck_assert_fails(dho_file_append(&file, "/dev/null"), DHO_ERR_IO, "is a device");
    ck_assert_fails(dho_file_write_text("/dev/null", "x"), DHO_ERR_IO, "is a device");
    ck_assert_fails(dho_require_file(pipe_path), DHO_ERR_CONFIG, "is a pipe (FIFO)");
    ck_assert_fails(dho_require_file("no/such"), DHO_ERR_CONFIG, "no/such: no such file in /");
    ck_assert_ptr_null(data);
}
END_TEST

START_TEST(test_text_marks)
{
    static const struct {
        const char *bytes, *text;
    } texts[] = {{"\xef\xbb\xbf"
                  "ab",
                  "ab"},
                 {"\xef\xbb\xbf", ""},
                 {"\xef\xbb", "\xef\xbb"},
                 {"ab\xef\xbb\xbf", "ab\xef\xbb\xbf"},
                 {"", ""}};
    const char *path = fixture_path("text");
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_assert_ok(dho_file_write_text(path, texts[i].bytes));
        ck_assert_ok(dho_file_read_text(path, 100, &data, &capacity, &size));
        ck_assert_uint_eq(size, strlen(texts[i].text));
        ck_assert_str_eq((const char *)data, texts[i].text);
    }
    ck_assert_ok(dho_file_write_text(path, "\xff\xfe"
                                           "a"));
    ck_assert_fails(dho_file_read_text(path, 100, &data, &capacity, &size), DHO_ERR_FORMAT,
                    "is UTF-16 text");
    dho_free(data);
}
END_TEST

START_TEST(test_path_join)
{
    static const char *const cases[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"},
                                           {"", "b", "b"},    {"a", "/b", "/b"},
                                           {"/", "b", "/b"},  {"a", "b/c", "a/b/c"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path;
        ck_assert_ok(dho_path_join(&path, cases[i][0], cases[i][1]));
        ck_assert_str_eq(path, cases[i][2]);
        dho_free(path);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tests = tcase_create("file");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_atomic_file_appears_whole);
    tcase_add_test(tests, test_discard_leaves_nothing);
    tcase_add_test(tests, test_buffering_keeps_every_byte);
    tcase_add_test(tests, test_create_and_rename_fail);
    tcase_add_test(tests, test_every_allocation_can_fail);
    tcase_add_test(tests, test_full_disk);
    tcase_add_test(tests, test_read_limits_and_reuse);
    tcase_add_test(tests, test_crc_of_parts_is_that_of_the_whole);
    tcase_add_test(tests, test_remove_tree_does_not_follow_links);
    tcase_add_test(tests, test_list_is_in_byte_order);
    tcase_add_test(tests, test_make_folders);
    tcase_add_test(tests, test_path_join);
    tcase_add_test(tests, test_places);
    tcase_add_test(tests, test_what_is_no_file);
    tcase_add_test(tests, test_text_marks);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

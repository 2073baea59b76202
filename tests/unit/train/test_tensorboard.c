#define _GNU_SOURCE
/* Event files: which curves there are, the order of the files, a disk that is full. What is in a
 * record is compared by tests/oracle/tensorboard.sh. */
#include "folder_fixture.h"
#include "train/tensorboard.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void write_line(dho_tensorboard *board, const char *text)
{
    json_t *line = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(line);
    dho_tensorboard_line(board, line);
    json_decref(line);
}

/* A tag stands in its record as it is. */
static bool has(const dho_mapping *file, const char *tag)
{
    return memmem(file->data, file->size, tag, strlen(tag)) != NULL;
}

START_TEST(test_tags)
{
    dho_tensorboard board;
    dho_mapping file;
    char *path;
    dho_tensorboard_open(&board, fixture_root, 0);
    write_line(&board,
               "{\"step\":5,\"loss\":0,\"lr\":0.5,\"gradient_norm\":-1,\"comm_seconds\":1}");
    write_line(&board, "{\"step\":5,\"conflict\":{\"layer1.0\":{\"cosine\":0.5,\"ratio\":null}}}");
    write_line(&board, "{\"step\":5,\"evaluated\":\"val\",\"loss\":0.5,\"eval_x\":{\"y\":1}}");
    ck_assert_ok(dho_strdup(&path, board.path));
    dho_tensorboard_close(&board);
    ck_assert_ok(dho_mapping_open(&file, path));
    static const char *const tags[] = {"training/loss",      "schedule/lr",
                                       "speed/comm_seconds", "eval/val/loss",
                                       "brain.Event:2",      "conflict/layer1.0/cosine"};
    for (size_t t = 0; t < sizeof tags / sizeof *tags; t++)
        ck_assert_msg(has(&file, tags[t]), "no %s", tags[t]);
    ck_assert(!has(&file, "gradient_norm") && !has(&file, "ratio") && !has(&file, "step"));
    dho_mapping_close(&file);
    dho_free(path);
}
END_TEST

/* Sessions within a second, and a clock that was put back: names in order all the same. */
START_TEST(test_order)
{
    dho_tensorboard boards[3];
    dho_name_list files;
    for (int i = 0; i < 3; i++) dho_tensorboard_open(&boards[i], fixture_root, i);
    ck_assert_ok(dho_list_folder(&files, fixture_root));
    ck_assert_uint_eq(files.count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(strrchr(boards[i].path, '/') + 1, files.names[i]);
        dho_tensorboard_close(&boards[i]);
    }
    dho_name_list_free(&files);
}
END_TEST

/* What cannot be written waits, and comes when it can. */
START_TEST(test_full_disk)
{
    dho_tensorboard board;
    dho_tensorboard_open(&board, fixture_root, 0);
    const int whole = dup(board.file.descriptor), full = open("/dev/full", O_RDWR);
    const off_t before = lseek(whole, 0, SEEK_END);
    ck_assert_int_ge(full, 0);
    ck_assert_int_ge(dup2(full, board.file.descriptor), 0);
    write_line(&board, "{\"step\":1,\"loss\":1}");
    ck_assert(board.file.broken);
    write_line(&board, "{\"step\":2,\"loss\":1}");
    ck_assert_int_ge(dup2(whole, board.file.descriptor), 0);
    write_line(&board, "{\"step\":3,\"loss\":1}");
    ck_assert(!board.file.broken);
    const off_t record = (lseek(whole, 0, SEEK_END) - before) / 3;
    write_line(&board, "{\"step\":4,\"loss\":1}");
    ck_assert_int_eq(lseek(whole, 0, SEEK_END), before + 4 * record);
    dho_tensorboard_close(&board);
    close(whole);
    close(full);
    dho_tensorboard_open(&board, "/nowhere", 0);
    ck_assert(!board.file.open);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tensorboard");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, fixture_setup, fixture_teardown);
    tcase_add_test(cases, test_tags);
    tcase_add_test(cases, test_order);
    tcase_add_test(cases, test_full_disk);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}

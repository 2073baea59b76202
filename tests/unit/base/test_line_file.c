#define _GNU_SOURCE
/* Files of lines: what cannot be written waits; the file has whole lines at any time. */
#include "base/line_file.h"
#include "folder_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char path[64];

static void start(void)
{
    fixture_setup();
    snprintf(path, sizeof path, "%s/lines", fixture_root);
}

static dho_line_change add(dho_line_file *file, const char *line)
{
    return dho_line_file_add(file, line, strlen(line));
}

START_TEST(test_outage)
{
    dho_line_file file;
    ck_assert_ok(dho_line_file_open(&file, path));
    const int whole = dup(file.descriptor), full = open("/dev/full", O_RDWR);
    ck_assert_int_eq(add(&file, "a\n"), DHO_LINE_SAME);
    dup2(full, file.descriptor);
    ck_assert_int_eq(add(&file, "b\n"), DHO_LINE_BROKEN);
    ck_assert_int_eq(add(&file, "c\n"), DHO_LINE_SAME);
    check_file(path, "a\n");
    ck_assert_int_eq(file.waiting, 2);
    dup2(whole, file.descriptor);
    ck_assert_int_eq(add(&file, "d\n"), DHO_LINE_MENDED);
    ck_assert_int_eq(file.lost, 0);
    check_file(path, "a\nb\nc\nd\n");
    dup2(full, file.descriptor);
    ck_assert_int_eq(add(&file, "e\n"), DHO_LINE_BROKEN);
    dup2(whole, file.descriptor);
    close(whole);
    close(full);
    ck_assert_int_eq(dho_line_file_close(&file), 0); /* it tries once more */
    ck_assert_int_eq(dho_line_file_close(&file), 0);
    check_file(path, "a\nb\nc\nd\ne\n");
}
END_TEST

/* A write that stops within a line leaves none of it. */
START_TEST(test_half_a_line)
{
    const struct rlimit small = {6, RLIM_INFINITY};
    struct rlimit before;
    dho_line_file file;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    ck_assert_ok(dho_line_file_open(&file, path));
    ck_assert_int_eq(add(&file, "abc\n"), DHO_LINE_SAME);
    setrlimit(RLIMIT_FSIZE, &small);
    const dho_line_change change = add(&file, "defg\n");
    setrlimit(RLIMIT_FSIZE, &before);
    ck_assert_int_eq(change, DHO_LINE_BROKEN);
    check_file(path, "abc\n");
    ck_assert_int_eq(add(&file, "h\n"), DHO_LINE_MENDED);
    check_file(path, "abc\ndefg\nh\n");
    ck_assert_int_eq(dho_line_file_close(&file), 0);
}
END_TEST

START_TEST(test_too_many)
{
    static char line[400001];
    dho_line_file file;
    memset(line, 'x', sizeof line - 2);
    line[sizeof line - 2] = '\n';
    ck_assert_ok(dho_line_file_open(&file, path));
    const int full = open("/dev/full", O_RDWR);
    dup2(full, file.descriptor);
    for (int i = 0; i < 5; i++) add(&file, line);
    ck_assert_int_eq(file.waiting, 2); /* of 400 kB in 1 MiB */
    ck_assert_int_eq(file.lost, 3);
    ck_assert_int_eq(dho_line_file_close(&file), 5);
    close(full);
}
END_TEST

/* A killed program's half line stays alone. */
START_TEST(test_torn)
{
    dho_line_file file;
    ck_assert_ok(dho_file_write_text(path, "a\n{\"b"));
    ck_assert_ok(dho_line_file_open(&file, path));
    add(&file, "c\n");
    add(&file, "d\n");
    ck_assert_int_eq(dho_line_file_close(&file), 0);
    check_file(path, "a\n{\"b\nc\nd\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("line_file");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, start, fixture_teardown);
    tcase_add_test(cases, test_outage);
    tcase_add_test(cases, test_half_a_line);
    tcase_add_test(cases, test_too_many);
    tcase_add_test(cases, test_torn);
    suite_add_tcase(suite, cases);
    return dho_check_run(suite);
}

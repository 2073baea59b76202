/* A folder of the test's own: tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown).
 * Includes need _GNU_SOURCE. */
#ifndef DHO_TESTS_FOLDER_FIXTURE_H
#define DHO_TESTS_FOLDER_FIXTURE_H

#include "check_main.h"
#include "dho/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char fixture_root[32];

static inline void fixture_setup(void)
{
    snprintf(fixture_root, sizeof fixture_root, "/tmp/dho-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture_root));
}

static inline void fixture_teardown(void)
{
    ck_assert_ok(dho_remove_tree(fixture_root));
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

/* fixture_root/name; valid until the eighth call from now. */
static inline const char *fixture_path(const char *name)
{
    static char paths[8][512];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", fixture_root, name);
    return path;
}

/* Writes a text to fixture_root/name, making its folders. */
static inline void fixture_write(const char *name, const char *text)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", fixture_path(name));
    *strrchr(folder, '/') = '\0';
    ck_assert_ok(dho_make_folders(folder));
    ck_assert_ok(dho_file_write_text(fixture_path(name), text));
}

/* The file has this text. */
static inline void check_file(const char *path, const char *text)
{
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    ck_assert_ok(dho_file_read(path, 1 << 24, &data, &capacity, &size));
    ck_assert_str_eq((char *)data, text);
    dho_free(data);
}

#endif

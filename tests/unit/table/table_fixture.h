/* A folder of plans, configurations and runs for the tests of tables; includes need _GNU_SOURCE. */
#ifndef DHO_TEST_TABLE_FIXTURE_H
#define DHO_TEST_TABLE_FIXTURE_H

#include "check_main.h"
#include "dho/file.h"

#include <stdlib.h>
#include <string.h>

static char root[] = "/tmp/dho-test-table-XXXXXX";

static void make_root(void)
{
    memcpy(root + strlen(root) - 6, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void write_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    ck_assert_ok(dho_file_write_text(path, text));
}

static void make_folder(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    ck_assert_ok(dho_make_folders(path));
}

static void tear_down(void)
{
    ck_assert_ok(dho_remove_tree(root));
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

#endif

/* A made-up tree of files, as /sys and /proc have them, below a temporary root. */
#ifndef DHO_TESTS_PUT_FILE_H
#define DHO_TESTS_PUT_FILE_H

#include "check_main.h"
#include "dho/file.h"

#include <stdio.h>
#include <string.h>

/* Writes ROOT/PATH, and makes its folders. */
static inline void put_file(const char *root, const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    *strrchr(whole, '/') = '\0';
    ck_assert_ok(dho_make_folders(whole));
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    ck_assert_ok(dho_file_write_text(whole, text));
}

#endif

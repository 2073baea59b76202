/* Small image folders in a temporary folder, for the tests of src/data. */
#ifndef DHO_TESTS_DATA_FIXTURE_H
#define DHO_TESTS_DATA_FIXTURE_H

#include "check_main.h"
#include "dho/dataset.h"
#include "dho/file.h"
#include "dho/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char fixture_root[64];

static inline void fixture_setup(void)
{
    snprintf(fixture_root, sizeof fixture_root, "/tmp/dho-data-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture_root));
}

static inline void fixture_teardown(void)
{
    ck_assert_ok(dho_remove_tree(fixture_root));
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

/* fixture_root/name; valid until the fourth call from now. */
static inline const char *fixture_path(const char *name)
{
    static char paths[4][512];
    static int turn;
    char *path = paths[turn++ % 4];
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

/* Writes a real JPEG whose pixels and size depend on `seed`. */
static inline void fixture_image(const char *name, int seed)
{
    fixture_write(name, "");
    dho_image image = {.width = 20 + seed % 13, .height = 17 + seed % 7};
    image.capacity = (size_t)image.width * (size_t)image.height * 3;
    ck_assert_ok(dho_alloc(&image.pixels, image.capacity, 1, "fixture"));
    for (size_t i = 0; i < image.capacity; i++)
        image.pixels[i] = (uint8_t)((int)i * (3 + seed % 5) / 7 + 31 * seed);
    ck_assert_ok(dho_image_save_jpeg(&image, fixture_path(name), 90));
    dho_image_free(&image);
}

/* fixture_root/set: `classes` folders c00, c01, ... of `per_class` images i00.jpg, ... each. */
static inline void fixture_folder(dho_dataset *out, int classes, int per_class)
{
    for (int c = 0; c < classes; c++) {
        for (int i = 0; i < per_class; i++) {
            char name[64];
            snprintf(name, sizeof name, "set/c%02d/c%02d_i%02d.jpg", c, c, i);
            fixture_image(name, c * per_class + i);
        }
    }
    ck_assert_ok(dho_dataset_open_folder(out, fixture_path("set"), NULL));
    ck_assert_int_eq(out->count, classes * per_class);
}

#endif

/* Small image folders in a temporary folder, for the tests of src/data. */
#ifndef DHO_TESTS_DATA_FIXTURE_H
#define DHO_TESTS_DATA_FIXTURE_H

#include "dho/dataset.h"
#include "dho/image.h"
#include "folder_fixture.h"

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

static inline uint64_t fnv(uint64_t hash, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(1099511628211);
    return hash;
}

static inline bool contains(const dho_id_list *list, int64_t id)
{
    for (int64_t i = 0; i < list->count; i++)
        if (list->ids[i] == id) return true;
    return false;
}

#endif

#define _GNU_SOURCE
#include "check_main.h"
#include "dho/file.h"
#include "dho/rng.h"
#include "load_image.h"
#include "unit/image/synthetic_image.h"

#include <string.h>

#include <jpeglib.h>
#include <unistd.h>

static const char *const folder = "tests/golden/image";

static dho_image image;
static uint8_t *bytes;
static size_t capacity, size;

static void start(void)
{
    image = (dho_image){0};
    bytes = NULL;
    capacity = size = 0;
}

static void finish(void)
{
    dho_image_free(&image);
    dho_free(bytes);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

static void read_golden(const char *name)
{
    char *path;
    ck_assert_ok(dho_path_join(&path, folder, name));
    ck_assert_ok(dho_file_read(path, 1 << 20, &bytes, &capacity, &size));
    dho_free(path);
}

static int has_suffix(const char *name, const char *suffix)
{
    const size_t length = strlen(name), tail = strlen(suffix);
    return length > tail && strcmp(name + length - tail, suffix) == 0;
}

/* Calls `visit` with every golden image read into `bytes`; returns their number. */
static int for_each_golden(void (*visit)(const char *name))
{
    dho_name_list list;
    int count = 0;
    ck_assert_ok(dho_list_folder(&list, folder));
    for (size_t i = 0; i < list.count; i++) {
        if (has_suffix(list.names[i], ".rgb") || has_suffix(list.names[i], ".txt")) continue;
        read_golden(list.names[i]);
        visit(list.names[i]);
        count++;
    }
    dho_name_list_free(&list);
    return count;
}

/* NAME.jpg must decode to the pixels of NAME_jpg.rgb. */
static void compare_with_pillow(const char *name)
{
    ck_assert_ok(dho_image_decode(&image, bytes, size, name));
    char expected_name[256];
    snprintf(expected_name, sizeof expected_name, "%s.rgb", name);
    *strrchr(expected_name, '.') = '\0'; /* that of .rgb */
    *strrchr(expected_name, '.') = '_';
    strcat(expected_name, ".rgb");
    read_golden(expected_name);
    const size_t count = (size_t)image.width * (size_t)image.height * 3;
    ck_assert_uint_eq(size, 8 + count);
    ck_assert_int_eq(image.width, bytes[0] | bytes[1] << 8);
    ck_assert_int_eq(image.height, bytes[4] | bytes[5] << 8);
    /* JPEG leaves a decoder one level of freedom; the others none. */
    const int allowed = has_suffix(name, ".jpg") || strcmp(name, "jpeg.tif") == 0 ? 1 : 0;
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(abs(image.pixels[i] - bytes[8 + i]) <= allowed, "%s: byte %zu is %d, not %d",
                      name, i, image.pixels[i], bytes[8 + i]);
}

START_TEST(test_pillow_goldens)
{
    ck_assert_int_eq(for_each_golden(compare_with_pillow), 80);
}
END_TEST

/* Every proper beginning of a file is refused, unless all that misses is the closing marker. */
static void decode_beginnings(const char *name)
{
    dho_image whole = {0};
    ck_assert_ok(dho_image_decode(&whole, bytes, size, name));
    for (size_t part = 0; part < size; part++) {
        /* A copy of its own, so that AddressSanitizer sees a read past the end. */
        uint8_t *copy;
        ck_assert_ok(dho_alloc(&copy, part, 1, "copy"));
        memcpy(copy, bytes, part);
        if (dho_image_decode(&image, copy, part, name) != DHO_OK) {
            ck_assert_ptr_eq(strstr(dho_error_message(), name), dho_error_message());
            ck_assert_int_eq(image.width, 0);
        } else {
            if (strncmp(name, "animated", 8) != 0) /* later frames are not looked at */
                ck_assert_msg(size - part <= 20, "%s: %zu of %zu bytes", name, part, size);
            /* The last number of a text may have lost digits. */
            const bool cut_number = strncmp(name, "plain", 5) == 0 && has_suffix(name, ".ppm");
            const size_t pixels = (size_t)whole.width * (size_t)whole.height - cut_number;
            ck_assert_mem_eq(image.pixels, whole.pixels, pixels * 3);
        }
        dho_free(copy);
    }
    dho_image_free(&whole);
}

START_TEST(test_truncated_files)
{
    for_each_golden(decode_beginnings);
    read_golden("baseline_420.jpg");
    ck_assert_fails(dho_image_decode(&image, bytes, size / 2 + 200, "a.jpg"), DHO_ERR_FORMAT,
                    "a.jpg: truncated JPEG");
    read_golden("rgb.png");
    ck_assert_fails(dho_image_decode(&image, bytes, size / 2, "a.png"), DHO_ERR_FORMAT,
                    "a.png: truncated PNG");
    static const char *const others[] = {"lossy.webp", "plain.gif", "rgb.bmp", "rle8.bmp",
                                         "binary.ppm", "plain.ppm", "bits.ppm"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        read_golden(others[i]);
        ck_assert_fails(dho_image_decode(&image, bytes, size - size / 4, others[i]), DHO_ERR_FORMAT,
                        "truncated");
    }
}
END_TEST

/* Random damage: any answer will do, but for a crash or a leak. */
static void decode_damaged(const char *name)
{
    dho_rng rng;
    dho_rng_init(&rng, 5, DHO_RNG_TEST, 0, size);
    uint8_t *copy;
    ck_assert_ok(dho_alloc(&copy, size, 1, "copy"));
    for (int round = 0; round < 200; round++) {
        memcpy(copy, bytes, size);
        const uint32_t hits = 1 + dho_rng_below(&rng, 4);
        for (uint32_t i = 0; i < hits; i++)
            copy[dho_rng_below(&rng, (uint32_t)size)] = (uint8_t)dho_rng_u32(&rng);
        if (dho_image_decode(&image, copy, size, name) == DHO_ERR_INTERNAL)
            ck_abort_msg("%s: %s", name, dho_error_message());
    }
    dho_free(copy);
}

START_TEST(test_damaged_files)
{
    for_each_golden(decode_damaged);
}
END_TEST

/* Each allocation fails in turn. */
static void decode_without_memory(const char *name)
{
    dho_image_free(&image);
    for (int64_t n = 1; out_of_memory_at(n, dho_image_decode(&image, bytes, size, name)); n++)
        dho_image_free(&image);
}

START_TEST(test_allocation_failures)
{
    for_each_golden(decode_without_memory);
}
END_TEST

START_TEST(test_not_an_image)
{
    ck_assert_fails(dho_image_decode(&image, (const uint8_t *)"", 0, "x"), DHO_ERR_FORMAT,
                    "x: is empty");
    static const struct {
        const char *head, *message;
    } others[] = {
        {"abcdefgh",
         "x: no JPEG, PNG, WebP, GIF, TIFF, BMP or PNM image (8 bytes, starting with 61"},
        {"version https://git-lfs.github.com/spec/v1\noid", "x: is a Git LFS pointer"},
        {"<!DOCTYPE html><html>", "x: is a web page"},
        {"\1\1\1\1ftypavif", "x: is AVIF"},
        {"\1\1\1\1ftypheic", "x: is HEIC"},
        {"\1\1\1\1jP  \r\n", "x: is JPEG 2000"},
        {"8BPS12345678", "x: is a Photoshop file"},
        {"RIFF1234WAVE", "x: is a RIFF file, but not WebP"},
        {"GIF89a", "x: "},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_fails(
            dho_image_decode(&image, (const uint8_t *)others[i].head, strlen(others[i].head), "x"),
            DHO_ERR_FORMAT, others[i].message);
    ck_assert_fails(load_image(&image, "tests/no_such.jpg", &bytes, &capacity), DHO_ERR_IO,
                    "tests/no_such.jpg: ");
}
END_TEST

/* A grey progressive JPEG of side x side pixels with its last scan `more` times more. */
static void make_scans(unsigned side, int more)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *file = NULL;
    unsigned long length = 0;
    uint8_t *row;
    ck_assert_ok(dho_alloc_zero(&row, side, 1, "row"));
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &file, &length);
    jpeg.image_width = jpeg.image_height = side;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (unsigned y = 0; y < side; y++) jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    dho_free(row);
    size_t scan = length - 2;
    while (file[scan] != 0xff || file[scan + 1] != 0xda) scan--;
    const size_t part = length - 2 - scan;
    dho_free(bytes);
    capacity = length + part * (size_t)more;
    ck_assert_ok(dho_alloc(&bytes, capacity, 1, "scans"));
    memcpy(bytes, file, length - 2);
    for (int i = 0; i < more; i++) memcpy(bytes + length - 2 + part * (size_t)i, file + scan, part);
    memcpy(bytes + capacity - 2, "\xff\xd9", 2);
    size = capacity;
    free(file);
}

/* Each scan is a pass over all pixels, however short it is: 34 of 64 million are 2^31. */
START_TEST(test_scans)
{
    make_scans(8000, 240);
    ck_assert_fails(dho_image_decode(&image, bytes, size, "x"), DHO_ERR_FORMAT,
                    "x: not a valid JPEG: 34 scans are too many for 8000 x 8000 pixels");
    make_scans(64, 500);
    ck_assert_ok(dho_image_decode(&image, bytes, size, "x"));
    make_scans(64, 1000);
    ck_assert_fails(dho_image_decode(&image, bytes, size, "x"), DHO_ERR_FORMAT,
                    "scans are too many for 64 x 64 pixels");
}
END_TEST

START_TEST(test_too_large)
{
    read_golden("rgb.png");
    memcpy(bytes + 16, "\0\0\xff\xdc\0\0\xff\xdc", 8); /* 65500 x 65500; the CRC is wrong too */
    ck_assert_int_eq(dho_image_decode(&image, bytes, size, "x"), DHO_ERR_FORMAT);
    read_golden("baseline_420.jpg");
    uint8_t *frame = memmem(bytes, size, "\xff\xc0\x00\x11", 4);
    ck_assert_ptr_nonnull(frame);
    memcpy(frame + 5, "\xff\xdc\xff\xdc", 4);
    ck_assert_fails(dho_image_decode(&image, bytes, size, "x"), DHO_ERR_FORMAT,
                    "x: image of 65500 x 65500 pixels, more than the 178956970 allowed");
    ck_assert_fails(dho_image_reserve(&image, 65501, 1, "x"), DHO_ERR_FORMAT, "1 .. 65500");
    ck_assert_fails(dho_image_reserve(&image, 1, 0, "x"), DHO_ERR_FORMAT, "1 .. 65500");
}
END_TEST

/* A progressive file whose last scan is repeated 1,500 times. */
START_TEST(test_too_many_scans)
{
    read_golden("progressive.jpg");
    size_t scan = size;
    for (size_t i = 0; i + 1 < size; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xda) scan = i;
    const size_t length = size - 2 - scan;
    uint8_t *bomb;
    ck_assert_ok(dho_alloc(&bomb, size + 1500 * length, 1, "bomb"));
    memcpy(bomb, bytes, size - 2);
    size_t used = size - 2;
    for (int i = 0; i < 1500; i++, used += length) memcpy(bomb + used, bytes + scan, length);
    memcpy(bomb + used, "\xff\xd9", 2);
    ck_assert_fails(dho_image_decode(&image, bomb, used + 2, "x"), DHO_ERR_FORMAT,
                    "1001 scans are too many for 45 x 31 pixels");
    dho_free(bomb);
}
END_TEST

START_TEST(test_save_and_load)
{
    char path[64], missing[80];
    snprintf(path, sizeof path, "/tmp/dho_test_image_%d.jpg", (int)getpid());
    dho_image smooth = {0};
    ck_assert_ok(dho_image_reserve(&smooth, 61, 43, "smooth"));
    for (int i = 0; i < 61 * 43 * 3; i++)
        smooth.pixels[i] = (uint8_t)(i / 3 % 61 * 2 + i / 183 * 3 + i % 3 * 20 > 255
                                         ? 255
                                         : i / 3 % 61 * 2 + i / 183 * 3 + i % 3 * 20);
    ck_assert_ok(dho_image_save_jpeg(&smooth, path, 95));
    ck_assert_ok(load_image(&image, path, &bytes, &capacity));
    unlink(path);
    ck_assert_int_eq(image.width, 61);
    ck_assert_int_eq(image.height, 43);
    for (int i = 0; i < 61 * 43 * 3; i++)
        ck_assert_int_le(abs(image.pixels[i] - smooth.pixels[i]), 12);
    ck_assert_fails(dho_image_save_jpeg(&smooth, path, 0), DHO_ERR_CONFIG, "quality 0");
    snprintf(missing, sizeof missing, "/tmp/dho_no_such_folder_%d/x.jpg", (int)getpid());
    ck_assert_fails(dho_image_save_jpeg(&smooth, missing, 90), DHO_ERR_IO, missing);
    smooth.height = 0;
    ck_assert_fails(dho_image_save_jpeg(&smooth, path, 90), DHO_ERR_INTERNAL, "empty");
    ck_assert(!dho_path_exists(path));
    dho_image_free(&smooth);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("image");
    TCase *tests = tcase_create("image");
    tcase_set_timeout(tests, 200);
    tcase_add_checked_fixture(tests, start, finish);
    tcase_add_test(tests, test_pillow_goldens);
    tcase_add_test(tests, test_truncated_files);
    tcase_add_test(tests, test_damaged_files);
    tcase_add_test(tests, test_allocation_failures);
    tcase_add_test(tests, test_not_an_image);
    tcase_add_test(tests, test_too_large);
    tcase_add_test(tests, test_scans);
    tcase_add_test(tests, test_too_many_scans);
    tcase_add_test(tests, test_save_and_load);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

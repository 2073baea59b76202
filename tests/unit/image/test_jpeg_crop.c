/* The decoding of crops: the same bits as of the whole image. */
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/image.h"
#include "dho/rng.h"
#include "unit/image/synthetic_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

/* How a test file is written. */
typedef struct variant {
    const char *name;
    int h, v; /* sampling of the first component; the others have 1, 1 */
    J_COLOR_SPACE space;
    bool progressive, optimised;
    int restart; /* MCUs */
} variant;

static const variant variants[] = {
    {"4:4:4", 1, 1, JCS_YCbCr, .restart = 0},
    {"4:2:2", 2, 1, JCS_YCbCr, .restart = 0},
    {"4:2:0", 2, 2, JCS_YCbCr, .restart = 0},
    {"4:2:0 optimised", 2, 2, JCS_YCbCr, .optimised = true},
    {"4:2:0 restarts", 2, 2, JCS_YCbCr, .restart = 3},
    {"4:4:4 restarts", 1, 1, JCS_YCbCr, .restart = 1},
    {"grey", 1, 1, JCS_GRAYSCALE, .restart = 0},
    {"grey 2x2", 2, 2, JCS_GRAYSCALE, .restart = 0},
    {"4:4:0", 1, 2, JCS_YCbCr, .restart = 0},
    {"4:1:1", 4, 1, JCS_YCbCr, .restart = 0},
    {"4:1:0", 4, 2, JCS_YCbCr, .restart = 0},
    {"RGB", 1, 1, JCS_RGB, .restart = 0},
    {"CMYK", 1, 1, JCS_CMYK, .restart = 0},
    {"YCCK", 2, 2, JCS_YCCK, .restart = 0},
    {"progressive", 2, 2, JCS_YCbCr, .progressive = true},
    {"progressive grey", 1, 1, JCS_GRAYSCALE, .progressive = true},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static const int sizes[][2] = {{1, 1},   {2, 3},   {4, 9},   {5, 4},    {8, 8},   {15, 17},
                               {16, 16}, {17, 15}, {33, 31}, {64, 130}, {97, 50}, {203, 75}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static dho_image full, part;
static dho_resample_scratch scratch;
static unsigned char *file;
static unsigned long file_size;

static void start(void)
{
    full = part = (dho_image){0};
    scratch = (dho_resample_scratch){0};
    file = NULL;
}

static void finish(void)
{
    free(file);
    dho_image_free(&full);
    dho_image_free(&part);
    dho_resample_scratch_free(&scratch);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

/* A gradient with a few bright lines and, with noise, full-range noise: all of the coefficients. */
static uint8_t sample(const dho_image *noise, int x, int y, int c, bool noisy)
{
    const uint8_t random =
        noise->pixels[((size_t)y * (size_t)noise->width + (size_t)x) * 3 + (size_t)(c % 3)];
    if (noisy) return random;
    return (uint8_t)((x * (c + 2) + y * 3 + random / 16) % 256);
}

static void write_file(const variant *v, int width, int height, int quality, bool noisy)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    dho_image noise = {0};
    ck_assert_ok(synthetic(&noise, width, height));
    free(file);
    file = NULL;
    file_size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &file, &file_size);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    const int four = v->space == JCS_CMYK || v->space == JCS_YCCK;
    jpeg.input_components = v->space == JCS_GRAYSCALE ? 1 : four ? 4 : 3;
    jpeg.in_color_space = four ? JCS_CMYK : v->space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_colorspace(&jpeg, v->space);
    jpeg_set_quality(&jpeg, quality, TRUE);
    for (int c = 0; c < jpeg.num_components; c++) {
        const int coarse = c == 0 || c == 3;
        jpeg.comp_info[c].h_samp_factor = coarse ? v->h : 1;
        jpeg.comp_info[c].v_samp_factor = coarse ? v->v : 1;
    }
    jpeg.optimize_coding = v->optimised;
    jpeg.restart_interval = (unsigned)v->restart;
    if (v->progressive) jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    uint8_t row[4 * 256];
    JSAMPROW rows[1] = {row};
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++)
            for (int c = 0; c < jpeg.input_components; c++)
                row[x * jpeg.input_components + c] = sample(&noise, x, y, c, noisy);
        jpeg_write_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    dho_image_free(&noise);
}

/* `full` must be what libjpeg makes of the file, whoever decoded it. */
static void compare_with_libjpeg(const char *name)
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, file, file_size);
    jpeg_read_header(&jpeg, TRUE);
    if (jpeg.num_components != 4) {
        jpeg.out_color_space = JCS_RGB;
        jpeg_start_decompress(&jpeg);
        uint8_t row[3 * 256];
        JSAMPROW rows[1] = {row};
        const size_t stride = (size_t)full.width * 3;
        for (size_t y = 0; y < (size_t)full.height; y++) {
            ck_assert_int_eq(jpeg_read_scanlines(&jpeg, rows, 1), 1);
            for (size_t i = 0; i < stride; i++)
                if (row[i] != full.pixels[y * stride + i]) /* Check notes each assertion: slow */
                    ck_abort_msg("%s: %d x %d, row %zu, byte %zu: %d, not %d", name, full.width,
                                 full.height, y, i, full.pixels[y * stride + i], row[i]);
        }
        jpeg_finish_decompress(&jpeg);
    }
    jpeg_destroy_decompress(&jpeg);
}

static void compare_box(const char *name, dho_box box)
{
    const size_t bytes = (size_t)box.width * 3;
    ck_assert_ok(dho_image_decode_box(&part, file, file_size, name, box, &scratch));
    ck_assert_int_eq(part.width, box.width);
    ck_assert_int_eq(part.height, box.height);
    for (size_t y = 0; y < (size_t)box.height; y++) {
        const uint8_t *expected =
            full.pixels + (((size_t)box.y + y) * (size_t)full.width + (size_t)box.x) * 3;
        ck_assert_msg(memcmp(part.pixels + y * bytes, expected, bytes) == 0,
                      "%s: %d x %d, box %d x %d at (%d, %d): row %zu differs", name, full.width,
                      full.height, box.width, box.height, box.x, box.y, y);
    }
}

static dho_box random_box(dho_rng *rng, int width, int height)
{
    dho_box box;
    box.width = 1 + (int)dho_rng_below(rng, (uint32_t)width);
    box.height = 1 + (int)dho_rng_below(rng, (uint32_t)height);
    box.x = (int)dho_rng_below(rng, (uint32_t)(width - box.width + 1));
    box.y = (int)dho_rng_below(rng, (uint32_t)(height - box.height + 1));
    return box;
}

START_TEST(test_crops_are_the_image)
{
    const variant *v = &variants[_i];
    dho_rng rng;
    dho_rng_init(&rng, 11, DHO_RNG_TEST, 0, (uint64_t)_i);
    for (int s = 0; s < SIZES; s++) {
        const int width = sizes[s][0], height = sizes[s][1];
        for (int round = 0; round < 4; round++) {
            const int quality = round == 0 ? 25 : round == 1 ? 85 : round == 2 ? 95 : 100;
            write_file(v, width, height, quality, round >= 2);
            ck_assert_ok(dho_image_decode(&full, file, file_size, v->name));
            compare_with_libjpeg(v->name);
            compare_box(v->name, (dho_box){0, 0, width, height});
            for (int i = 0; i < 40; i++) compare_box(v->name, random_box(&rng, width, height));
        }
    }
}
END_TEST

/* Each single pixel, and each cut through the image: every seam there can be. */
START_TEST(test_every_seam)
{
    const variant *v = &variants[_i];
    const int width = 37, height = 35;
    write_file(v, width, height, 90, true);
    ck_assert_ok(dho_image_decode(&full, file, file_size, v->name));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) compare_box(v->name, (dho_box){x, y, 1, 1});
    for (int x = 1; x < width; x++) {
        compare_box(v->name, (dho_box){0, 0, x, height});
        compare_box(v->name, (dho_box){x, 0, width - x, height});
    }
    for (int y = 1; y < height; y++) {
        compare_box(v->name, (dho_box){0, 0, width, y});
        compare_box(v->name, (dho_box){0, y, width, height - y});
    }
}
END_TEST

START_TEST(test_size_from_header)
{
    int width, height;
    for (int i = 0; i < VARIANTS; i++) {
        write_file(&variants[i], 97, 50, 75, false);
        ck_assert_ok(dho_image_read_size(file, file_size, "x", &width, &height));
        ck_assert_int_eq(width, 97);
        ck_assert_int_eq(height, 50);
    }
    ck_assert_fails(dho_image_read_size(file, 40, "x", &width, &height), DHO_ERR_FORMAT, "x: ");
    ck_assert_fails(dho_image_read_size(file, 0, "x", &width, &height), DHO_ERR_FORMAT, "x: ");
    ck_assert_fails(
        dho_image_decode_box(&part, file, file_size, "x", (dho_box){90, 0, 8, 50}, &scratch),
        DHO_ERR_FORMAT, "x: box 8 x 50 at (90, 0) is not inside the 97 x 50 image");
    ck_assert_int_eq(part.width, 0);
}
END_TEST

/* Where the whole image can be decoded, a crop can; where the file ends inside of the crop, it
 * cannot; where it ends behind, it can. */
START_TEST(test_truncated_crops)
{
    const variant *v = &variants[_i];
    write_file(v, 203, 75, 90, true);
    const dho_box top = {20, 0, 100, 16}, bottom = {20, 60, 100, 15};
    ck_assert_ok(dho_image_decode(&full, file, file_size, v->name));
    for (size_t size = 0; size < file_size; size += 37) {
        uint8_t *copy;
        ck_assert_ok(dho_alloc(&copy, size, 1, "copy")); /* for AddressSanitizer */
        memcpy(copy, file, size);
        const bool whole = dho_image_decode(&part, copy, size, "x") == DHO_OK;
        const bool low = dho_image_decode_box(&part, copy, size, "x", bottom, &scratch) == DHO_OK;
        const bool high = dho_image_decode_box(&part, copy, size, "x", top, &scratch) == DHO_OK;
        ck_assert(!whole || low);
        ck_assert(!low || high);
        if (size < file_size / 2) ck_assert(!low);
        if (size > file_size / 2 && !v->progressive) ck_assert(high);
        for (size_t y = 0; high && y < 16; y++)
            ck_assert_mem_eq(part.pixels + y * 300, full.pixels + (y * 203 + 20) * 3, 300);
        dho_free(copy);
    }
}
END_TEST

/* Damage: a crop of what can be decoded whole can be decoded, too; nothing else is promised. */
START_TEST(test_damaged_crops)
{
    const variant *v = &variants[_i];
    dho_rng rng;
    dho_rng_init(&rng, 12, DHO_RNG_TEST, 0, (uint64_t)_i);
    write_file(v, 97, 50, 90, _i % 2 == 0);
    uint8_t *copy;
    ck_assert_ok(dho_alloc(&copy, file_size, 1, "copy"));
    for (int round = 0; round < 1000; round++) {
        memcpy(copy, file, file_size);
        const uint32_t hits = 1 + dho_rng_below(&rng, 3);
        for (uint32_t i = 0; i < hits; i++)
            copy[dho_rng_below(&rng, (uint32_t)file_size)] = (uint8_t)dho_rng_u32(&rng);
        if (dho_image_decode(&full, copy, file_size, "x") != DHO_OK) continue;
        const dho_box box = random_box(&rng, full.width, full.height);
        ck_assert_ok(dho_image_decode_box(&part, copy, file_size, "x", box, &scratch));
    }
    dho_free(copy);
}
END_TEST

START_TEST(test_allocation_failures)
{
    write_file(&variants[_i], 64, 48, 90, true);
    const dho_box box = {9, 9, 20, 20};
    for (int64_t n = 1;
         out_of_memory_at(n, dho_image_decode_box(&part, file, file_size, "x", box, &scratch));
         n++) {
        dho_image_free(&part);
        dho_resample_scratch_free(&scratch);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jpeg_crop");
    TCase *tests = tcase_create("jpeg_crop");
    tcase_set_timeout(tests, 200);
    tcase_add_checked_fixture(tests, start, finish);
    tcase_add_loop_test(tests, test_crops_are_the_image, 0, VARIANTS);
    tcase_add_loop_test(tests, test_every_seam, 0, VARIANTS);
    tcase_add_test(tests, test_size_from_header);
    tcase_add_loop_test(tests, test_truncated_crops, 0, VARIANTS);
    tcase_add_loop_test(tests, test_damaged_crops, 0, VARIANTS);
    tcase_add_loop_test(tests, test_allocation_failures, 0, VARIANTS);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

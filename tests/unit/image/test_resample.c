#include "check_main.h"
#include "dho/file.h"
#include "dho/rng.h"
#include "image/resample_kernels.h"
#include "unit/image/synthetic_image.h"

#include <math.h>
#include <string.h>

static dho_image source, result;
static dho_resample_scratch scratch;

static void start(void)
{
    source = result = (dho_image){0};
    scratch = (dho_resample_scratch){0};
}

static void finish(void)
{
    dho_image_free(&source);
    dho_image_free(&result);
    dho_resample_scratch_free(&scratch);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

/* Checksums of Pillow's results, made by tests/golden/make_image_golden.py. */
START_TEST(test_pillow_goldens)
{
    FILE *file = fopen("tests/golden/image/resample.txt", "r");
    ck_assert_ptr_nonnull(file);
    int w, h, ow, oh, cases = 0;
    dho_box box;
    char filter[16];
    unsigned expected;
    while (fscanf(file, "%d %d %d %d %d %d %d %d %15s %x", &w, &h, &box.x, &box.y, &box.width,
                  &box.height, &ow, &oh, filter, &expected) == 10) {
        ck_assert_ok(synthetic(&source, w, h));
        ck_assert_ok(dho_image_resize(&source, box, ow, oh,
                                      strcmp(filter, "bicubic") == 0 ? DHO_FILTER_BICUBIC
                                                                     : DHO_FILTER_BILINEAR,
                                      &scratch, &result));
        ck_assert_int_eq(result.width, ow);
        ck_assert_int_eq(result.height, oh);
        const uint32_t crc = dho_crc32(0, result.pixels, (size_t)ow * (size_t)oh * 3);
        ck_assert_msg(crc == expected, "%d x %d, box %d x %d + %d + %d to %d x %d %s", w, h,
                      box.width, box.height, box.x, box.y, ow, oh, filter);
        cases++;
    }
    fclose(file);
    ck_assert_int_eq(cases, 144);
}
END_TEST

/* One output pixel of one direction, as plainly as it can be said. */
static uint8_t weigh_plainly(const uint8_t *in, size_t step, int in_size, int out_size, int i,
                             dho_filter filter)
{
    const double scale = (double)in_size / out_size, wide = scale < 1 ? 1 : scale;
    const double support = (filter == DHO_FILTER_BICUBIC ? 2 : 1) * wide, inverse = 1 / wide;
    const double center = (i + 0.5) * scale;
    const int first = center - support + 0.5 < 0 ? 0 : (int)(center - support + 0.5);
    const int last =
        (int)(center + support + 0.5) > in_size ? in_size : (int)(center + support + 0.5);
    double weights[4096], sum = 0;
    for (int t = first; t < last; t++) {
        const double x = fabs((t - center + 0.5) * inverse);
        double w = 0;
        if (filter == DHO_FILTER_BILINEAR)
            w = x < 1 ? 1 - x : 0;
        else if (x < 1)
            w = ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1;
        else if (x < 2)
            w = (((x - 5) * x + 8) * x - 4) * -0.5;
        weights[t - first] = w;
        sum += w;
    }
    int64_t total = 1 << 21;
    for (int t = first; t < last; t++) {
        const double w = weights[t - first] / sum * (1 << 22);
        total += (int64_t)(w < 0 ? w - 0.5 : w + 0.5) * in[(size_t)t * step];
    }
    total >>= 22;
    return (uint8_t)(total < 0 ? 0 : total > 255 ? 255 : total);
}

/* dho_image_resize by the definition: crop, horizontal pass, vertical pass. */
static void resize_plainly(const dho_image *in, dho_box box, dho_filter filter, dho_image *out)
{
    dho_image rows = {0};
    ck_assert_ok(dho_image_reserve(&rows, (size_t)out->width, (size_t)box.height, "rows"));
    for (int y = 0; y < box.height; y++) {
        for (int x = 0; x < out->width * 3; x++) {
            const uint8_t *row =
                in->pixels + ((size_t)(box.y + y) * (size_t)in->width + (size_t)box.x) * 3;
            rows.pixels[(size_t)y * (size_t)out->width * 3 + (size_t)x] =
                box.width == out->width
                    ? row[x]
                    : weigh_plainly(row + x % 3, 3, box.width, out->width, x / 3, filter);
        }
    }
    const size_t stride = (size_t)out->width * 3;
    for (int y = 0; y < out->height; y++) {
        for (size_t x = 0; x < stride; x++)
            out->pixels[(size_t)y * stride + x] =
                box.height == out->height
                    ? rows.pixels[(size_t)y * stride + x]
                    : weigh_plainly(rows.pixels + x, stride, box.height, out->height, y, filter);
    }
    dho_image_free(&rows);
}

START_TEST(test_equals_the_plain_definition)
{
    dho_rng rng;
    dho_rng_init(&rng, 3, DHO_RNG_TEST, 0, 0);
    dho_image plain = {0};
    for (int i = 0; i < 60; i++) {
        const int w = 1 + (int)dho_rng_below(&rng, 70), h = 1 + (int)dho_rng_below(&rng, 70);
        dho_box box = {.x = (int)dho_rng_below(&rng, (uint32_t)w),
                       .y = (int)dho_rng_below(&rng, (uint32_t)h)};
        box.width = 1 + (int)dho_rng_below(&rng, (uint32_t)(w - box.x));
        box.height = 1 + (int)dho_rng_below(&rng, (uint32_t)(h - box.y));
        const int ow = i % 5 == 0 ? box.width : 1 + (int)dho_rng_below(&rng, 90);
        const int oh = i % 7 == 0 ? box.height : 1 + (int)dho_rng_below(&rng, 90);
        const dho_filter filter = i % 2 ? DHO_FILTER_BICUBIC : DHO_FILTER_BILINEAR;
        ck_assert_ok(synthetic(&source, w, h));
        ck_assert_ok(dho_image_resize(&source, box, ow, oh, filter, &scratch, &result));
        ck_assert_ok(dho_image_reserve(&plain, (size_t)ow, (size_t)oh, "plain"));
        resize_plainly(&source, box, filter, &plain);
        for (int p = 0; p < ow * oh * 3; p++)
            ck_assert_msg(plain.pixels[p] == result.pixels[p],
                          "case %d (%d x %d to %d x %d): byte %d is %d, not %d", i, box.width,
                          box.height, ow, oh, p, result.pixels[p], plain.pixels[p]);
        /* A window of the result is the same pixels. */
        dho_box part = {.x = ow / 3, .y = oh / 4, .width = ow - ow / 3, .height = 1 + oh / 2};
        ck_assert_ok(
            dho_image_resize_window(&source, box, ow, oh, part, filter, &scratch, &result));
        for (int y = 0; y < part.height; y++)
            ck_assert_mem_eq(result.pixels + y * part.width * 3,
                             plain.pixels + ((part.y + y) * ow + part.x) * 3,
                             (size_t)part.width * 3);
    }
    dho_image_free(&plain);
}
END_TEST

/* The vector version of the kernel against the portable one, at the ends of the range. */
START_TEST(test_kernels_agree)
{
    dho_rng rng;
    dho_rng_init(&rng, 4, DHO_RNG_TEST, 0, 0);
    uint8_t in[40 * LANES], fast[LANES], plain[LANES];
    int32_t weights[40];
    for (int round = 0; round < 500; round++) {
        const int taps = 1 + (int)dho_rng_below(&rng, 8);
        for (size_t i = 0; i < sizeof in; i++)
            in[i] = (uint8_t)(round % 2 ? dho_rng_u32(&rng) : dho_rng_below(&rng, 2) * 255);
        for (int t = 0; t < taps; t++)
            weights[t] = (int32_t)((dho_rng_uniform(&rng) * 2 - 0.8) * (1 << WEIGHT_BITS) / taps);
        weigh(in, LANES, weights, taps, fast);
        weigh_some(in, LANES, weights, taps, plain, LANES);
        ck_assert_mem_eq(fast, plain, LANES);
    }
}
END_TEST

START_TEST(test_transpose)
{
    uint8_t matrix[ROWS][16];
    for (int i = 0; i < 256; i++) matrix[i / 16][i % 16] = (uint8_t)i;
    transpose16(matrix);
    for (int i = 0; i < 256; i++) ck_assert_int_eq(matrix[i % 16][i / 16], i);
}
END_TEST

START_TEST(test_wrong_requests)
{
    ck_assert_ok(synthetic(&source, 20, 10));
    const dho_box boxes[] = {{-1, 0, 5, 5}, {0, -1, 5, 5}, {0, 0, 0, 5},  {0, 0, 5, -1},
                             {16, 0, 5, 5}, {0, 6, 5, 5},  {20, 0, 1, 1}, {5, 5, 2147483647, 1}};
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++)
        ck_assert_fails(
            dho_image_resize(&source, boxes[i], 4, 4, DHO_FILTER_BICUBIC, &scratch, &result),
            DHO_ERR_FORMAT, "is not inside the 20 x 10 image");
    const dho_box whole = {.width = 20, .height = 10};
    const int sizes[][2] = {{0, 4}, {4, 0}, {-3, 4}, {65501, 1}, {1, 65501}, {60000, 60000}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        ck_assert_int_eq(dho_image_resize(&source, whole, sizes[i][0], sizes[i][1],
                                          DHO_FILTER_BICUBIC, &scratch, &result),
                         DHO_ERR_FORMAT);
    ck_assert_fails(dho_image_resize(&source, whole, 4, 4, DHO_FILTER_BICUBIC, &scratch, &source),
                    DHO_ERR_INTERNAL, "onto itself");
}
END_TEST

START_TEST(test_allocation_failures)
{
    ck_assert_ok(synthetic(&source, 20, 10));
    const dho_box whole = {.width = 20, .height = 10};
    for (int n = 1; n <= 2; n++) {
        dho_image_free(&result);
        dho_resample_scratch_free(&scratch);
        dho_alloc_fail_at(n);
        ck_assert_int_eq(
            dho_image_resize(&source, whole, 7, 8, DHO_FILTER_BICUBIC, &scratch, &result),
            DHO_ERR_MEMORY);
        ck_assert_ok(dho_image_resize(&source, whole, 7, 8, DHO_FILTER_BICUBIC, &scratch, &result));
    }
    /* A second image of the same size allocates nothing. */
    const int64_t calls = dho_alloc_get_stats().calls;
    ck_assert_ok(dho_image_resize(&source, whole, 7, 8, DHO_FILTER_BICUBIC, &scratch, &result));
    ck_assert_int_eq(dho_alloc_get_stats().calls, calls);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resample");
    TCase *tests = tcase_create("resample");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, start, finish);
    tcase_add_test(tests, test_pillow_goldens);
    tcase_add_test(tests, test_equals_the_plain_definition);
    tcase_add_test(tests, test_kernels_agree);
    tcase_add_test(tests, test_transpose);
    tcase_add_test(tests, test_wrong_requests);
    tcase_add_test(tests, test_allocation_failures);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

#include "check_main.h"
#include "dho/augment.h"
#include "dho/file.h"
#include "dho/rng.h"
#include "image/image_codec.h"
#include "unit/image/synthetic_image.h"

#include <math.h>
#include <string.h>

static const dho_normalise clip = {.mean = {0.48145466f, 0.4578275f, 0.40821073f},
                                   .std = {0.26862954f, 0.26130258f, 0.27577711f}};

/* Sizes and offsets of torchvision, from tests/golden/make_image_golden.py. */
START_TEST(test_geometry_goldens)
{
    FILE *file = fopen("tests/golden/image/geometry.txt", "r");
    ck_assert_ptr_nonnull(file);
    int w, h, resize_short, crop, expected[4], cases = 0;
    while (fscanf(file, "%d %d %d %d %d %d %d %d", &w, &h, &resize_short, &crop, &expected[0],
                  &expected[1], &expected[2], &expected[3]) == 8) {
        int width, height;
        dho_box box;
        dho_resize_center_crop_geometry(w, h, resize_short, crop, &width, &height, &box);
        ck_assert_msg(width == expected[0] && height == expected[1] && box.x == expected[2] &&
                          box.y == expected[3] && box.width == crop && box.height == crop,
                      "%d x %d, short side %d, crop %d: %d x %d at (%d, %d)", w, h, resize_short,
                      crop, width, height, box.x, box.y);
        cases++;
    }
    fclose(file);
    ck_assert_int_gt(cases, 150);
}
END_TEST

static dho_pixel_finish clip_finish(void)
{
    dho_pixel_finish finish;
    dho_pixel_finish_init(&finish, &clip, DHO_DTYPE_FP32);
    return finish;
}

/* Checksums of torchvision's normalised tensors. */
START_TEST(test_eval_goldens)
{
    FILE *file = fopen("tests/golden/image/eval.txt", "r");
    ck_assert_ptr_nonnull(file);
    const dho_pixel_finish finish = clip_finish();
    dho_image image = {0}, temporary = {0};
    dho_resample_scratch scratch = {0};
    int w, h, resize_short, crop, cases = 0;
    unsigned expected;
    char filter[16];
    while (fscanf(file, "%d %d %d %d %15s %x", &w, &h, &resize_short, &crop, filter, &expected) ==
           6) {
        const size_t count = (size_t)crop * (size_t)crop * 3;
        float *out;
        ck_assert_ok(dho_alloc(&out, count, sizeof *out, "out"));
        ck_assert_ok(synthetic(&image, w, h));
        ck_assert_ok(dho_image_eval_transform(&image, resize_short, crop,
                                              strcmp(filter, "bicubic") == 0 ? DHO_FILTER_BICUBIC
                                                                             : DHO_FILTER_BILINEAR,
                                              &finish, &scratch, &temporary, out));
        ck_assert_msg(dho_crc32(0, out, count * sizeof *out) == expected,
                      "%d x %d, short side %d, crop %d, %s", w, h, resize_short, crop, filter);
        dho_free(out);
        cases++;
    }
    fclose(file);
    ck_assert_int_eq(cases, 7);
    float unused;
    ck_assert_fails(dho_image_eval_transform(&image, 224, 256, DHO_FILTER_BICUBIC, &finish,
                                             &scratch, &temporary, &unused),
                    DHO_ERR_CONFIG, "cannot crop 256 pixels");
    dho_image_free(&image);
    dho_image_free(&temporary);
    dho_resample_scratch_free(&scratch);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_to_network_flips)
{
    const dho_pixel_finish finish = clip_finish();
    dho_image image = {0};
    ck_assert_ok(synthetic(&image, 5, 3));
    float plain[3][5][3], flipped[3][5][3];
    dho_image_to_network(&image, &finish, plain);
    dho_image_flip(&image);
    dho_image_to_network(&image, &finish, flipped);
    dho_image_flip(&image);
    for (int y = 0; y < 3; y++) {
        for (int x = 0; x < 5; x++) {
            ck_assert_mem_eq(plain[y][x], flipped[y][4 - x], sizeof plain[y][x]);
            for (int c = 0; c < 3; c++) {
                const float pixel = (float)image.pixels[(y * 5 + x) * 3 + c];
                ck_assert_float_eq(plain[y][x][c], (pixel / 255.0f - clip.mean[c]) / clip.std[c]);
            }
        }
    }
    dho_image_free(&image);
}
END_TEST

static void check_box(dho_box box, int width, int height)
{
    ck_assert_int_ge(box.x, 0);
    ck_assert_int_ge(box.y, 0);
    ck_assert_int_ge(box.width, 1);
    ck_assert_int_ge(box.height, 1);
    ck_assert_int_le(box.x + box.width, width);
    ck_assert_int_le(box.y + box.height, height);
}

/* Area and aspect ratio lie in their intervals and have the means of their distributions. */
START_TEST(test_random_crop_distribution)
{
    const double scale[2] = {0.5, 1.0}, ratio[2] = {3.0 / 4, 4.0 / 3};
    const int n = 20000, side = 1000;
    double log_ratio = 0, center = 0;
    int repeated = 0;
    dho_box last = {0};
    for (int i = 0; i < n; i++) {
        dho_rng rng, again;
        dho_rng_init(&rng, 1, DHO_RNG_AUGMENT, 0, (uint64_t)i);
        again = rng;
        const dho_box box = dho_random_resized_crop(side, side, scale, ratio, &rng);
        const dho_box same = dho_random_resized_crop(side, side, scale, ratio, &again);
        ck_assert_mem_eq(&box, &same, sizeof box);
        check_box(box, side, side);
        const double aspect = (double)box.width / box.height;
        const double area = (double)box.width * box.height / side / side;
        ck_assert(area > 0.498 && area <= 1.0 && aspect > 0.747 && aspect < 1.339);
        log_ratio += log(aspect);
        center += (box.x + 0.5 * box.width) / side;
        repeated += memcmp(&box, &last, sizeof box) == 0;
        last = box;
    }
    ck_assert(fabs(log_ratio / n) < 5 * 0.17 / sqrt(n));
    ck_assert(fabs(center / n - 0.5) < 5 * 0.1 / sqrt(n));
    ck_assert_int_lt(repeated, 3);
}
END_TEST

START_TEST(test_random_crop_fallback)
{
    const double scale[2] = {0.99, 1.0}, ratio[2] = {3.0 / 4, 4.0 / 3};
    dho_rng rng;
    dho_rng_init(&rng, 1, DHO_RNG_TEST, 0, 0);
    /* No box of 99 % fits: the largest central one of an allowed ratio. */
    const dho_box wide = dho_random_resized_crop(900, 300, scale, ratio, &rng);
    const dho_box expected_wide = {.x = 250, .y = 0, .width = 400, .height = 300};
    ck_assert_mem_eq(&wide, &expected_wide, sizeof wide);
    const dho_box tall = dho_random_resized_crop(300, 901, scale, ratio, &rng);
    const dho_box expected_tall = {.x = 0, .y = 250, .width = 300, .height = 400};
    ck_assert_mem_eq(&tall, &expected_tall, sizeof tall);
    for (int i = 1; i < 200; i++) {
        check_box(dho_random_resized_crop(i, 1, scale, ratio, &rng), i, 1);
        check_box(dho_random_resized_crop(1, i, scale, ratio, &rng), 1, i);
        check_box(dho_random_resized_crop(i, 65500, scale, ratio, &rng), i, 65500);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transform");
    TCase *tests = tcase_create("transform");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_geometry_goldens);
    tcase_add_test(tests, test_eval_goldens);
    tcase_add_test(tests, test_to_network_flips);
    tcase_add_test(tests, test_random_crop_distribution);
    tcase_add_test(tests, test_random_crop_fallback);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

/* The operations of augmentation against torchvision's on Pillow's images, pixel by pixel
 * (make_augment_golden.py); what random numbers choose. */
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/augment.h"
#include "dho/safetensors.h"

#include <stdio.h>
#include <string.h>

enum { IMAGES = 3, MOST_MAGNITUDES = 16 };

/* In the order of dho_operation. */
static const char *const names[DHO_OPERATION_COUNT] = {
    "identity",  "shear_x",    "shear_y",       "translate_x", "translate_y",
    "rotate",    "brightness", "saturation",    "contrast",    "sharpness",
    "posterize", "solarize",   "auto_contrast", "equalize",    "hue"};

static dho_image image_of(const dho_safetensors *file, const char *name)
{
    dho_image image = {0};
    const dho_tensor_view *tensor = dho_safetensors_find(file, name);
    ck_assert_msg(tensor != NULL, "no %s", name);
    image.height = (int)tensor->shape[0];
    image.width = (int)tensor->shape[1];
    image.capacity = tensor->bytes;
    ck_assert_ok(dho_alloc(&image.pixels, image.capacity, 1, "test"));
    memcpy(image.pixels, tensor->data, tensor->bytes);
    return image;
}

static size_t magnitudes_of(const dho_safetensors *file, int operation, double out[MOST_MAGNITUDES])
{
    char name[64];
    snprintf(name, sizeof name, "magnitudes.%s", names[operation]);
    const dho_tensor_view *tensor = dho_safetensors_find(file, name);
    ck_assert_msg(tensor != NULL && tensor->dtype == DHO_F64, "no %s", name);
    memcpy(out, tensor->data, tensor->bytes);
    return (size_t)tensor->shape[0];
}

static void compare(const dho_safetensors *file, int operation, int i, size_t k, double magnitude)
{
    char name[64];
    dho_resample_scratch scratch = {0};
    snprintf(name, sizeof name, "image.%d", i);
    dho_image image = image_of(file, name);
    ck_assert_ok(dho_image_operate(&image, (dho_operation)operation, magnitude, &scratch));
    snprintf(name, sizeof name, "%d.%s.%zu", i, names[operation], k);
    const dho_tensor_view *expected = dho_safetensors_find(file, name);
    ck_assert_msg(expected != NULL, "no %s", name);
    const uint8_t *pixels = expected->data;
    for (size_t b = 0; b < expected->bytes; b++)
        ck_assert_msg(image.pixels[b] == pixels[b],
                      "%s (%g): byte %zu of %zu (%d wide) is %d, Pillow's %d", name, magnitude, b,
                      expected->bytes, image.width, image.pixels[b], pixels[b]);
    dho_image_free(&image);
    dho_resample_scratch_free(&scratch);
}

START_TEST(test_operation)
{
    dho_safetensors *file;
    double magnitudes[MOST_MAGNITUDES];
    ck_assert_ok(dho_safetensors_open(&file, "tests/golden/augment.safetensors"));
    const size_t count = magnitudes_of(file, _i, magnitudes);
    for (int i = 0; i < IMAGES; i++)
        for (size_t k = 0; k < count; k++) compare(file, _i, i, k, magnitudes[k]);
    printf("%s: %zu magnitudes on %d images, pixel by pixel\n", names[_i], count, IMAGES);
    dho_safetensors_close(&file);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Small images have pixels without neighbours. */
START_TEST(test_smallest)
{
    static const double magnitudes[DHO_OPERATION_COUNT] = {0,   0.3, -0.3, 1,  -1, 30, 1.9, 0.1,
                                                           1.9, 0.1, 4,    99, 0,  0,  0.4};
    dho_resample_scratch scratch = {0};
    for (int operation = 0; operation < DHO_OPERATION_COUNT; operation++)
        for (int width = 1; width <= 3; width++) {
            dho_image image = {.width = width, .height = 4 - width, .capacity = 27};
            ck_assert_ok(dho_alloc_zero(&image.pixels, image.capacity, 1, "test"));
            ck_assert_ok(dho_image_operate(&image, (dho_operation)operation, magnitudes[operation],
                                           &scratch));
            dho_image_free(&image);
        }
    dho_resample_scratch_free(&scratch);
}
END_TEST

static uint64_t augmented(const dho_safetensors *file, const dho_augmentation *how, uint64_t id)
{
    dho_resample_scratch scratch = {0};
    dho_image image = image_of(file, "image.1");
    dho_rng rng;
    uint64_t sum = 1469598103934665603u;
    dho_rng_init(&rng, 5, DHO_RNG_PIXELS, 2, id);
    ck_assert_ok(dho_image_augment(&image, how, &rng, &scratch));
    for (size_t b = 0; b < image.capacity; b++) sum = (sum ^ image.pixels[b]) * 1099511628211u;
    dho_image_free(&image);
    dho_resample_scratch_free(&scratch);
    return sum;
}

/* The same key makes the same image, another one another; without strength nothing changes. */
START_TEST(test_keys)
{
    dho_safetensors *file;
    const dho_augmentation none = {0}, both = {2, 9, {0.4, 0.4, 0.4, 0.1}};
    int others = 0;
    ck_assert_ok(dho_safetensors_open(&file, "tests/golden/augment.safetensors"));
    ck_assert(!dho_augmentation_is_on(&none));
    ck_assert(dho_augmentation_is_on(&both));
    const uint64_t plain = augmented(file, &none, 1);
    for (uint64_t id = 0; id < 50; id++) {
        ck_assert_uint_eq(augmented(file, &both, id), augmented(file, &both, id));
        others += augmented(file, &both, id) != augmented(file, &both, id + 1);
        ck_assert_uint_ne(augmented(file, &both, id), plain);
        ck_assert_uint_eq(augmented(file, &none, id), plain);
    }
    ck_assert_int_eq(others, 50);
    dho_safetensors_close(&file);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("augment");
    TCase *tests = dho_check_case(suite, "augment");
    tcase_add_loop_test(tests, test_operation, 0, DHO_OPERATION_COUNT);
    tcase_add_test(tests, test_smallest);
    tcase_add_test(tests, test_keys);
    return dho_check_run(suite);
}

/* Microseconds per image of the loader's steps, one core, on a JPEG of the user's choice. Not a
 * test and not built by default:
 *   gcc -std=c17 -O3 -march=native -Iinclude tests/bench/bench_image.c build/release/libdho.a \
 *       -ljpeg -lpng -lz -ljansson -lm -lpthread -o bench_image && ./bench_image photo.jpg */
#define _POSIX_C_SOURCE 200809L
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/image.h"
#include "image/image_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Runs `statement` for about half a second and prints the microseconds of one run. */
#define MEASURE(label, statement)                                        \
    do {                                                                 \
        int runs = 0;                                                    \
        const double start = now();                                      \
        double end = start;                                              \
        while (end - start < 0.5) {                                      \
            if ((statement) != DHO_OK) {                                 \
                fprintf(stderr, "%s: %s\n", label, dho_error_message()); \
                return EXIT_FAILURE;                                     \
            }                                                            \
            runs++;                                                      \
            end = now();                                                 \
        }                                                                \
        printf("%-44s %9.1f us\n", label, 1e6 * (end - start) / runs);   \
    } while (0)

static dho_status to_network(const dho_image *image, const dho_pixel_finish *finish, void *out)
{
    dho_image_to_network(image, finish, out);
    return DHO_OK;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench_image PHOTO.jpg\n");
        return 2;
    }
    static float out[224 * 224 * 3];
    const dho_normalise normalise = {.mean = {0.485f, 0.456f, 0.406f},
                                     .std = {0.229f, 0.224f, 0.225f}};
    dho_pixel_finish finish;
    dho_pixel_finish_init(&finish, &normalise, DHO_DTYPE_FP32);
    uint8_t *bytes = NULL;
    size_t capacity = 0, size = 0;
    dho_image image = {0}, resized = {0};
    dho_resample_scratch scratch = {0};
    if (dho_file_read(argv[1], (size_t)1 << 30, &bytes, &capacity, &size) != DHO_OK) {
        fprintf(stderr, "%s\n", dho_error_message());
        return EXIT_FAILURE;
    }
    MEASURE("decode", dho_image_decode(&image, bytes, size, argv[1]));
    printf("%d x %d\n", image.width, image.height);
    const int w = image.width, h = image.height;
    const dho_box whole = {.width = w, .height = h};
    const dho_box part = {w / 8, h / 8, w * 3 / 4, h * 3 / 4};
    MEASURE("whole to 224 x 224, bilinear",
            dho_image_resize(&image, whole, 224, 224, DHO_FILTER_BILINEAR, &scratch, &resized));
    MEASURE("whole to 224 x 224, bicubic",
            dho_image_resize(&image, whole, 224, 224, DHO_FILTER_BICUBIC, &scratch, &resized));
    MEASURE("3/4 x 3/4 to 224 x 224, bicubic",
            dho_image_resize(&image, part, 224, 224, DHO_FILTER_BICUBIC, &scratch, &resized));
    MEASURE("to float", to_network(&resized, &finish, out));
    MEASURE("eval transform 256, 224, bilinear",
            dho_image_eval_transform(&image, 256, 224, DHO_FILTER_BILINEAR, &finish, &scratch,
                                     &resized, out));
    dho_free(bytes);
    dho_image_free(&image);
    dho_image_free(&resized);
    dho_resample_scratch_free(&scratch);
    return EXIT_SUCCESS;
}

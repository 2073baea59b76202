/* Runs the image pipeline over files, for comparisons with other programs.
 *
 *   dump_image decode                     < list > pixels     every image as it is decoded
 *   dump_image eval SHORT CROP bilinear|bicubic  < list > pixels     Resize + CenterCrop
 *
 * The list has one path a line. For each, standard output gets three native 32-bit integers
 * (status, width, height) and, when the status is 0, the pixels; standard error gets the messages.
 */
#include "dho/alloc.h"
#include "dho/image.h"
#include "load_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct dump_options {
    int evaluate, resize_short, crop;
    dho_filter filter;
} dump_options;

typedef struct buffers {
    dho_image image, resized;
    dho_resample_scratch scratch;
    uint8_t *file;
    size_t file_capacity;
    float *floats;
} buffers;

/* The pixels as the network sees them, undone to bytes: dho_image_eval_transform with mean 0 and
 * deviation 1/255 gives each byte exactly. */
static dho_status process(const dump_options *options, const char *path, buffers *b)
{
    dho_pixel_finish finish;
    const dho_normalise bytes = {.mean = {0, 0, 0}, .std = {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}};
    dho_pixel_finish_init(&finish, &bytes, DHO_DTYPE_FP32);
    DHO_TRY(load_image(&b->image, path, &b->file, &b->file_capacity));
    if (!options->evaluate) return DHO_OK;
    DHO_TRY(dho_image_eval_transform(&b->image, options->resize_short, options->crop,
                                     options->filter, &finish, &b->scratch, &b->resized,
                                     b->floats));
    const size_t count = (size_t)options->crop * (size_t)options->crop * 3;
    for (size_t i = 0; i < count; i++) {
        const float difference = b->floats[i] - (float)b->resized.pixels[i];
        if (difference > 0.01f || difference < -0.01f)
            return dho_fail(DHO_ERR_INTERNAL, "%s: the floats are not the pixels", path);
    }
    return DHO_OK;
}

static int parse(int argc, char **argv, dump_options *out)
{
    *out = (dump_options){0};
    if (argc == 2 && strcmp(argv[1], "decode") == 0) return 1;
    if (argc != 5 || strcmp(argv[1], "eval") != 0) return 0;
    out->evaluate = 1;
    out->resize_short = atoi(argv[2]);
    out->crop = atoi(argv[3]);
    out->filter = strcmp(argv[4], "bilinear") == 0 ? DHO_FILTER_BILINEAR : DHO_FILTER_BICUBIC;
    return out->crop >= 1 && out->crop <= out->resize_short && out->crop < 10000;
}

int main(int argc, char **argv)
{
    dump_options options;
    if (!parse(argc, argv, &options)) {
        fprintf(stderr, "usage: dump_image decode | eval SHORT CROP bilinear|bicubic\n");
        return 2;
    }
    buffers b = {0};
    char path[4096];
    int failed = 0;
    const size_t crop = (size_t)options.crop;
    if (dho_alloc(&b.floats, crop * crop * 3, sizeof(float), "floats") != DHO_OK) return 1;
    while (fgets(path, sizeof path, stdin) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        const dho_status status = process(&options, path, &b);
        const dho_image *image = options.evaluate ? &b.resized : &b.image;
        const int32_t header[3] = {(int32_t)status, image->width, image->height};
        if (status != DHO_OK) fprintf(stderr, "%s\n", dho_error_message());
        fwrite(header, sizeof header, 1, stdout);
        if (status == DHO_OK)
            fwrite(image->pixels, 3, (size_t)image->width * (size_t)image->height, stdout);
        if (status == DHO_ERR_INTERNAL) failed = 1;
    }
    dho_free(b.floats);
    dho_free(b.file);
    dho_image_free(&b.image);
    dho_image_free(&b.resized);
    dho_resample_scratch_free(&b.scratch);
    if (dho_alloc_get_stats().live_blocks != 0) {
        fprintf(stderr, "dump_image: blocks are still allocated\n");
        failed = 1;
    }
    return failed || ferror(stdout);
}

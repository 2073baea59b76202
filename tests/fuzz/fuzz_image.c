/* libFuzzer harness of dho_image_decode, of dho_image_decode_box and, for small images, of the
 * resampler. The first 8 bytes choose the crop box, and whether it need lie inside of the image;
 * the rest is the image. Whatever the box: nothing outside of the buffers is touched, and where the
 * whole image can be decoded, a box inside of it gives its pixels.
 * A seed without a box in front (photographs, tests/golden/image) begins with the signature of its
 * format: its own first bytes are then the box. */
#include "dho/alloc.h"
#include "dho/image.h"

#include <stdlib.h>
#include <string.h>

enum { BOX_BYTES = 8, WILD = 0x8000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int get_u16(const uint8_t *data)
{
    return data[0] | data[1] << 8;
}

static bool fits(dho_box box, const dho_image *image)
{
    return box.x >= 0 && box.y >= 0 && box.width >= 1 && box.height >= 1 &&
           box.x <= image->width - box.width && box.y <= image->height - box.height;
}

/* The box as the bytes say; tame ones are folded into the image. */
static dho_box choose_box(const uint8_t choice[BOX_BYTES], int width, int height)
{
    const int x = get_u16(choice), y = get_u16(choice + 2), w = get_u16(choice + 4),
              h = get_u16(choice + 6);
    if (h & WILD)
        return (dho_box){.x = x - 4, .y = y - 4, .width = w - 4, .height = (h & ~WILD) - 4};
    dho_box box = {.x = x % width, .y = y % height};
    box.width = 1 + w % (width - box.x);
    box.height = 1 + h % (height - box.y);
    return box;
}

static void check_box(const dho_image *whole, const dho_image *part, dho_box box)
{
    if (part->width != box.width || part->height != box.height) abort();
    const size_t row = (size_t)box.width * 3;
    for (int y = 0; y < box.height; y++)
        if (memcmp(part->pixels + (size_t)y * row,
                   whole->pixels + ((size_t)(box.y + y) * (size_t)whole->width + (size_t)box.x) * 3,
                   row) != 0)
            abort();
}

/* The same bytes with a box. *whole: what dho_image_decode gave; width 0: an error. */
static void try_box(const uint8_t choice[BOX_BYTES], const uint8_t *bytes, size_t size,
                    const dho_image *whole)
{
    dho_image part = {0};
    dho_resample_scratch scratch = {0};
    int width, height;
    if (dho_image_read_size(bytes, size, "fuzz", &width, &height) != DHO_OK) {
        if (whole->width != 0) abort();
        return;
    }
    const dho_box box = choose_box(choice, width, height);
    const dho_status status = dho_image_decode_box(&part, bytes, size, "fuzz", box, &scratch);
    const dho_image header = {.width = width, .height = height};
    if (status == DHO_OK && !fits(box, &header)) abort();
    if (status == DHO_OK && whole->width != 0) check_box(whole, &part, box);
    if (status != DHO_OK && whole->width != 0 && fits(box, whole)) abort();
    /* Every pixel is read: a byte that was never written shows under MemorySanitizer. */
    static volatile unsigned sink;
    const size_t pixels = status == DHO_OK ? (size_t)part.width * (size_t)part.height * 3 : 0;
    for (size_t i = 0; i < pixels; i++) sink += part.pixels[i];
    dho_image_free(&part);
    dho_resample_scratch_free(&scratch);
}

static void try_image(const uint8_t choice[BOX_BYTES], const uint8_t *bytes, size_t size)
{
    dho_image image = {0}, resized = {0};
    dho_resample_scratch scratch = {0};
    if (dho_image_decode(&image, bytes, size, "fuzz") == DHO_OK) {
        const dho_box box = choose_box(choice, image.width, image.height);
        const dho_status status = dho_image_resize(
            &image, box, 1 + (int)(size % 37), 1 + (int)(size % 23),
            size % 2 ? DHO_FILTER_BICUBIC : DHO_FILTER_BILINEAR, &scratch, &resized);
        if ((status == DHO_OK) != fits(box, &image)) abort();
    } else if (image.width != 0) {
        abort();
    }
    try_box(choice, bytes, size, &image);
    dho_image_free(&image);
    dho_image_free(&resized);
    dho_resample_scratch_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t choice[BOX_BYTES] = {0};
    const size_t front = size < BOX_BYTES ? size : BOX_BYTES;
    memcpy(choice, data, front);
    static const char *const signatures[] = {"\xff\xd8\xff", "\x89PNG", "RIFF", "GIF8", "II*",
                                             "II+",          "MM",      "BM",   "P1",   "P2",
                                             "P3",           "P4",      "P5",   "P6"};
    bool bare = false;
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        bare = bare || (size >= 4 && memcmp(data, signatures[i], strlen(signatures[i])) == 0);
    if (bare) /* an image without a box in front */
        try_image(choice, data, size);
    else
        try_image(choice, data + front, size - front);
    if (dho_alloc_get_stats().live_blocks != 0) abort();
    return 0;
}

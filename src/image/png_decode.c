/* PNG to RGB through libpng: palettes and low depths expanded, grey replicated, alpha dropped (not
 * blended), 16 bits cut to the high byte, interlacing undone; gamma and ICC profiles ignored.
 * All as Pillow's convert("RGB") but for 16-bit grey, which Pillow saturates at 255 (almost every
 * pixel turns white): the high byte is taken here, as Pillow does for 16-bit grey with alpha. */
#include "image/image_codec.h"

#include "dho/alloc.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

typedef struct reader {
    png_structp png;
    png_infop info;
    jmp_buf escape;
    char message[128]; /* of the error that jumped */
    bool truncated, out_of_memory;
    const uint8_t *bytes; /* borrowed: the file */
    size_t size, used;
    dho_image *image; /* borrowed */
    const char *name; /* borrowed */
} reader;

static void on_error(png_structp png, png_const_charp message)
{
    reader *r = png_get_error_ptr(png);
    snprintf(r->message, sizeof r->message, "%s", message);
    longjmp(r->escape, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep out, size_t count)
{
    reader *r = png_get_io_ptr(png);
    if (count > r->size - r->used) {
        r->truncated = true;
        png_error(png, "truncated");
    }
    memcpy(out, r->bytes + r->used, count);
    r->used += count;
}

static png_voidp allocate(png_structp png, png_alloc_size_t bytes)
{
    reader *r = png_get_mem_ptr(png);
    void *block;
    if (dho_alloc(&block, bytes, 1, r->name) != DHO_OK) r->out_of_memory = true;
    return block;
}

static void release(png_structp png, png_voidp block)
{
    (void)png;
    dho_free(block);
}

/* Texts and profiles are compressed: skipped unread, they cannot blow up. */
static void skip_texts_and_profiles(png_structp png)
{
    static const png_byte skipped[] = "tEXt\0zTXt\0iTXt\0iCCP\0eXIf\0sPLT";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, skipped, 6);
}

static dho_status decode(reader *r)
{
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, on_error, on_warning, r, allocate,
                                      release);
    if (r->png == NULL)
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot start the PNG decoder", r->name);
    r->info = png_create_info_struct(r->png);
    if (r->info == NULL)
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot start the PNG decoder", r->name);
    png_set_read_fn(r->png, r, on_read);
    png_set_user_limits(r->png, DHO_IMAGE_MAX_SIDE, DHO_IMAGE_MAX_SIDE);
    skip_texts_and_profiles(r->png);
    png_read_info(r->png, r->info);
    DHO_TRY(dho_image_reserve(r->image, png_get_image_width(r->png, r->info),
                              png_get_image_height(r->png, r->info), r->name));
    png_set_expand(r->png);
    png_set_strip_16(r->png);
    png_set_gray_to_rgb(r->png);
    png_set_strip_alpha(r->png);
    const int passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    const size_t stride = (size_t)r->image->width * 3;
    if (png_get_rowbytes(r->png, r->info) != stride)
        return dho_fail(DHO_ERR_INTERNAL, "%s: unexpected PNG row size", r->name);
    for (int pass = 0; pass < passes; pass++) {
        for (int y = 0; y < r->image->height; y++)
            png_read_row(r->png, r->image->pixels + (size_t)y * stride, NULL);
    }
    return DHO_OK;
}

/* Nothing that changes lives in this frame, so nothing is lost by the jump. */
static dho_status decode_guarded(reader *r)
{
    if (setjmp(r->escape) == 0) return decode(r);
    if (r->out_of_memory) return DHO_ERR_MEMORY; /* dho_alloc has left the message */
    if (r->truncated)
        return dho_fail(DHO_ERR_FORMAT, "%s: truncated PNG (%zu bytes)", r->name, r->size);
    return dho_fail(DHO_ERR_FORMAT, "%s: not a valid PNG: %s", r->name, r->message);
}

static dho_status png_decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name)
{
    reader r;
    memset(&r, 0, sizeof r);
    r.bytes = bytes;
    r.size = size;
    r.image = inout;
    r.name = name;
    const dho_status status = decode_guarded(&r);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return status;
}

static dho_status png_read_size(const uint8_t *bytes, size_t size, const char *name, int *width,
                                int *height)
{
    enum { SIZE_AT = 16, HEADER_BYTES = 24 };
    size_t sides[2] = {0, 0};
    if (size < HEADER_BYTES || memcmp(bytes + 12, "IHDR", 4) != 0)
        return dho_fail(DHO_ERR_FORMAT, "%s: not a valid PNG: no header", name);
    for (size_t i = 0; i < 8; i++) sides[i / 4] = sides[i / 4] << 8 | bytes[SIZE_AT + i];
    DHO_TRY(dho_image_check_size(sides[0], sides[1], name));
    *width = (int)sides[0];
    *height = (int)sides[1];
    return DHO_OK;
}

static bool is_png(const uint8_t *head, size_t size)
{
    return size >= 8 && memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0;
}

const dho_codec dho_codec_png = {
    .name = "PNG", .is_mine = is_png, .read_size = png_read_size, .decode = png_decode};

/* The first frame of a GIF to RGB through giflib, as Pillow has it: on a canvas of the transparent
 * colour (of colour 0 without one) that is the screen or, when the frame sticks out of it, larger.
 * Colours that the palette lacks are greys of their number. */
#include "image/image_codec.h"

#include "dho/alloc.h"

#include <string.h>

#include <gif_lib.h>

typedef struct source {
    const uint8_t *bytes; /* borrowed */
    size_t size, used;
} source;

typedef struct frame {
    size_t canvas_width, canvas_height;
    size_t left, top, width, height;
    bool interlaced;
    int background; /* the canvas' colour */
    uint8_t palette[256][3];
} frame;

static int read_source(GifFileType *gif, GifByteType *out, int count)
{
    source *from = gif->UserData;
    const size_t left = from->size - from->used;
    const size_t bytes = count > 0 && (size_t)count < left ? (size_t)count : count > 0 ? left : 0;
    memcpy(out, from->bytes + from->used, bytes);
    from->used += bytes;
    return (int)bytes;
}

static dho_status fail_gif(const GifFileType *gif, const source *from, const char *name)
{
    const char *why = GifErrorString(gif->Error);
    if (gif->Error == D_GIF_ERR_NOT_ENOUGH_MEM)
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot decode GIF: out of memory", name);
    if (from->used == from->size)
        return dho_fail(DHO_ERR_FORMAT, "%s: truncated GIF (%zu bytes)", name, from->size);
    return dho_fail(DHO_ERR_FORMAT, "%s: not a valid GIF: %s", name, why != NULL ? why : "damaged");
}

/* Reads an extension; of a graphics control block the transparent colour. */
static int read_extension(GifFileType *gif, int *background)
{
    GifByteType *block;
    int code;
    if (DGifGetExtension(gif, &code, &block) == GIF_ERROR) return GIF_ERROR;
    if (code == GRAPHICS_EXT_FUNC_CODE && block != NULL && block[0] >= 4 && (block[1] & 1) != 0)
        *background = block[4];
    while (block != NULL)
        if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) return GIF_ERROR;
    return GIF_OK;
}

static void fill_palette(frame *f, const ColorMapObject *map)
{
    for (int i = 0; i < 256; i++) memset(f->palette[i], i, 3);
    for (int i = 0; map != NULL && i < map->ColorCount && i < 256; i++) {
        f->palette[i][0] = map->Colors[i].Red;
        f->palette[i][1] = map->Colors[i].Green;
        f->palette[i][2] = map->Colors[i].Blue;
    }
}

/* Up to the first frame's pixels. */
static dho_status read_frame(GifFileType *gif, const source *from, const char *name, frame *f)
{
    GifRecordType type;
    do {
        if (DGifGetRecordType(gif, &type) == GIF_ERROR) return fail_gif(gif, from, name);
        if (type == TERMINATE_RECORD_TYPE)
            return dho_fail(DHO_ERR_FORMAT, "%s: a GIF without an image", name);
        if (type == EXTENSION_RECORD_TYPE && read_extension(gif, &f->background) == GIF_ERROR)
            return fail_gif(gif, from, name);
    } while (type != IMAGE_DESC_RECORD_TYPE);
    if (DGifGetImageDesc(gif) == GIF_ERROR) return fail_gif(gif, from, name);
    const GifImageDesc *image = &gif->Image;
    if (image->Left < 0 || image->Top < 0 || image->Width < 1 || image->Height < 1)
        return dho_fail(DHO_ERR_FORMAT, "%s: not a valid GIF: a frame of %d x %d pixels", name,
                        image->Width, image->Height);
    f->left = (size_t)image->Left;
    f->top = (size_t)image->Top;
    f->width = (size_t)image->Width;
    f->height = (size_t)image->Height;
    f->interlaced = image->Interlace;
    f->canvas_width = (size_t)gif->SWidth;
    f->canvas_height = (size_t)gif->SHeight;
    if (f->left + f->width > f->canvas_width) f->canvas_width = f->left + f->width;
    if (f->top + f->height > f->canvas_height) f->canvas_height = f->top + f->height;
    fill_palette(f, image->ColorMap != NULL ? image->ColorMap : gif->SColorMap);
    return dho_image_check_size(f->canvas_width, f->canvas_height, name);
}

static dho_status read_rows(GifFileType *gif, const source *from, const char *name, const frame *f,
                            uint8_t *row, dho_image *image)
{
    static const size_t starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
    const size_t passes = f->interlaced ? 4 : 1, stride = 3 * f->canvas_width;
    for (size_t x = 0; x < f->canvas_width; x++)
        memcpy(image->pixels + 3 * x, f->palette[f->background], 3);
    for (size_t y = 1; y < f->canvas_height; y++)
        memcpy(image->pixels + y * stride, image->pixels, stride);
    for (size_t pass = 0; pass < passes; pass++) {
        const size_t step = f->interlaced ? steps[pass] : 1;
        for (size_t y = f->interlaced ? starts[pass] : 0; y < f->height; y += step) {
            uint8_t *to = image->pixels + (f->top + y) * stride + 3 * f->left;
            if (DGifGetLine(gif, row, (int)f->width) == GIF_ERROR) return fail_gif(gif, from, name);
            for (size_t x = 0; x < f->width; x++) memcpy(to + 3 * x, f->palette[row[x]], 3);
        }
    }
    return DHO_OK;
}

/* image NULL: only the size. */
static dho_status read_gif(const uint8_t *bytes, size_t size, const char *name, frame *f,
                           dho_image *image)
{
    source from = {.bytes = bytes, .size = size};
    int error = 0;
    uint8_t *row = NULL;
    dho_status status;
    memset(f, 0, sizeof *f);
    GifFileType *gif = DGifOpen(&from, read_source, &error);
    if (gif == NULL && error == D_GIF_ERR_NOT_ENOUGH_MEM)
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot decode GIF: out of memory", name);
    if (gif == NULL) return dho_fail(DHO_ERR_FORMAT, "%s: not a valid GIF", name);
    DHO_TRY_GOTO(read_frame(gif, &from, name, f));
    if (image != NULL) {
        DHO_TRY_GOTO(dho_image_reserve(image, f->canvas_width, f->canvas_height, name));
        DHO_TRY_GOTO(dho_alloc(&row, f->width, 1, name));
        DHO_TRY_GOTO(read_rows(gif, &from, name, f, row, image));
    }
fail:
    dho_free(row);
    DGifCloseFile(gif, &error);
    return status;
}

static dho_status gif_decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name)
{
    frame f;
    return read_gif(bytes, size, name, &f, inout);
}

static dho_status gif_read_size(const uint8_t *bytes, size_t size, const char *name, int *width,
                                int *height)
{
    frame f;
    DHO_TRY(read_gif(bytes, size, name, &f, NULL));
    *width = (int)f.canvas_width;
    *height = (int)f.canvas_height;
    return DHO_OK;
}

static bool is_gif(const uint8_t *head, size_t size)
{
    return size >= 6 && (memcmp(head, "GIF87a", 6) == 0 || memcmp(head, "GIF89a", 6) == 0);
}

const dho_codec dho_codec_gif = {
    .name = "GIF", .is_mine = is_gif, .read_size = gif_read_size, .decode = gif_decode};

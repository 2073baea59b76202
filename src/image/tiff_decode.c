/* TIFF's first page to RGB through libtiff, as Pillow has it: up to 8 bits a sample, grey, palette,
 * RGB or YCbCr; alpha is dropped, turned as its orientation says. Others are refused by name. */
#include "image/image_codec.h"

#include "dho/alloc.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <tiffio.h>

typedef struct source {
    const uint8_t *bytes; /* borrowed */
    uint64_t size, at;
} source;

typedef struct page {
    TIFF *tiff;
    uint32_t width, height; /* as stored */
    uint16_t orientation;   /* 1 .. 8 */
    bool premultiplied;     /* by its alpha */
} page;

/* libtiff's handlers belong to the process: a message is left in the thread that it is of. */
static _Thread_local char thread_message[200];

static void keep_message(thandle_t handle, const char *module, const char *format,
                         va_list arguments)
{
    (void)handle;
    (void)module;
    if (thread_message[0] == '\0')
        vsnprintf(thread_message, sizeof thread_message, format, arguments);
}

static void set_handlers(void)
{
    TIFFSetErrorHandler(NULL);
    TIFFSetErrorHandlerExt(keep_message);
    TIFFSetWarningHandler(NULL);
}

static tmsize_t source_read(thandle_t handle, void *out, tmsize_t bytes)
{
    source *from = handle;
    const uint64_t left = from->at < from->size ? from->size - from->at : 0;
    const uint64_t count = bytes > 0 && (uint64_t)bytes < left ? (uint64_t)bytes : left;
    if (bytes <= 0) return 0;
    memcpy(out, from->bytes + (left > 0 ? from->at : 0), (size_t)count);
    from->at += count;
    return (tmsize_t)count;
}

static tmsize_t source_write(thandle_t handle, void *data, tmsize_t bytes)
{
    (void)handle;
    (void)data;
    (void)bytes;
    return 0;
}

static toff_t source_seek(thandle_t handle, toff_t offset, int whence)
{
    source *from = handle;
    from->at = offset + (whence == SEEK_CUR ? from->at : whence == SEEK_END ? from->size : 0);
    return from->at;
}

static int source_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t source_size(thandle_t handle)
{
    return ((const source *)handle)->size;
}

static dho_status fail_tiff(const char *name)
{
    return dho_fail(DHO_ERR_FORMAT, "%s: not a valid TIFF: %s", name,
                    thread_message[0] != '\0' ? thread_message : "damaged");
}

/* Kinds of pixels whose RGB libtiff makes as Pillow does. */
static dho_status check_kind(TIFF *tiff, const char *name)
{
    uint16_t bits = 1, format = SAMPLEFORMAT_UINT, photometric = PHOTOMETRIC_MINISBLACK;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    const char *what = photometric == PHOTOMETRIC_SEPARATED ? "CMYK"
                       : photometric == PHOTOMETRIC_CIELAB || photometric == PHOTOMETRIC_ICCLAB ||
                               photometric == PHOTOMETRIC_ITULAB
                           ? "L*a*b*"
                       : photometric > PHOTOMETRIC_YCBCR ? "an unusual colour space"
                       : format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID
                           ? "signed or floating-point samples"
                           : NULL;
    if (what != NULL)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: a TIFF of %s, which dho does not read: convert it to "
                        "8-bit RGB",
                        name, what);
    if (bits > 8)
        return dho_fail(DHO_ERR_FORMAT,
                        "%s: a TIFF of %d bits a sample, which dho does not read: "
                        "convert it to 8",
                        name, (int)bits);
    return DHO_OK;
}

/* Pillow takes the high byte of a colour, drops alpha unblended and turns the image itself. */
static void set_pillows_ways(page *p)
{
    uint16_t *red, *green, *blue, *kinds, count = 0, bits = 1, plain = EXTRASAMPLE_UNSPECIFIED;
    if (TIFFGetField(p->tiff, TIFFTAG_COLORMAP, &red, &green, &blue)) {
        TIFFGetFieldDefaulted(p->tiff, TIFFTAG_BITSPERSAMPLE, &bits);
        for (size_t i = 0; i < (size_t)1 << bits; i++) {
            red[i] = (uint16_t)((red[i] >> 8) * 257);
            green[i] = (uint16_t)((green[i] >> 8) * 257);
            blue[i] = (uint16_t)((blue[i] >> 8) * 257);
        }
    }
    if (TIFFGetField(p->tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) && count > 0) {
        p->premultiplied = kinds[0] == EXTRASAMPLE_ASSOCALPHA;
        if (count == 1 && !p->premultiplied) TIFFSetField(p->tiff, TIFFTAG_EXTRASAMPLES, 1, &plain);
    }
    p->orientation = ORIENTATION_TOPLEFT;
    TIFFGetField(p->tiff, TIFFTAG_ORIENTATION, &p->orientation);
    if (p->orientation < 1 || p->orientation > 8) p->orientation = ORIENTATION_TOPLEFT;
    TIFFSetField(p->tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
}

static bool is_turned(const page *p)
{
    return p->orientation >= 5;
}

static dho_status open_page(page *p, source *from, const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_handlers);
    thread_message[0] = '\0';
    *p = (page){0};
    /* m: no mapping, h: the header alone for now */
    p->tiff = TIFFClientOpen(name, "rm", from, source_read, source_write, source_seek, source_close,
                             source_size, NULL, NULL);
    if (p->tiff == NULL) return fail_tiff(name);
    TIFFGetField(p->tiff, TIFFTAG_IMAGEWIDTH, &p->width);
    TIFFGetField(p->tiff, TIFFTAG_IMAGELENGTH, &p->height);
    DHO_TRY(dho_image_check_size(p->width, p->height, name));
    DHO_TRY(check_kind(p->tiff, name));
    set_pillows_ways(p);
    return DHO_OK;
}

static uint8_t unmultiplied(uint32_t value, uint32_t alpha)
{
    const uint32_t full = alpha == 255 ? value : alpha == 0 ? 0 : value * 255 / alpha;
    return (uint8_t)(full > 255 ? 255 : full);
}

/* raster: RGBA of the stored rows from the top. Where a stored pixel goes: orientation 2 and 3
 * mirror columns, 3 and 4 rows; 5 to 8 are these of the transposed image. */
static void take_raster(const page *p, const uint32_t *raster, dho_image *image)
{
    const size_t width = (size_t)image->width, height = (size_t)image->height;
    const int kind = p->orientation;
    const bool right = kind == 2 || kind == 3 || kind == 6 || kind == 7;
    const bool down = kind == 3 || kind == 4 || kind == 7 || kind == 8;
    for (size_t y = 0; y < p->height; y++) {
        for (size_t x = 0; x < p->width; x++, raster++) {
            size_t column = is_turned(p) ? y : x, row = is_turned(p) ? x : y;
            if (right) column = width - 1 - column;
            if (down) row = height - 1 - row;
            uint8_t *out = image->pixels + 3 * (row * width + column);
            const uint32_t rgb[3] = {TIFFGetR(*raster), TIFFGetG(*raster), TIFFGetB(*raster)};
            for (size_t c = 0; c < 3; c++)
                out[c] =
                    p->premultiplied ? unmultiplied(rgb[c], TIFFGetA(*raster)) : (uint8_t)rgb[c];
        }
    }
}

static dho_status read_page(page *p, const char *name, dho_image *image)
{
    char why[1024] = "";
    TIFFRGBAImage reader;
    uint32_t *raster = NULL;
    dho_status status;
    const bool turned = is_turned(p);
    DHO_TRY(dho_image_reserve(image, turned ? p->height : p->width, turned ? p->width : p->height,
                              name));
    if (!TIFFRGBAImageOK(p->tiff, why) || !TIFFRGBAImageBegin(&reader, p->tiff, 1, why))
        return dho_fail(DHO_ERR_FORMAT, "%s: a TIFF that dho does not read: %.300s", name, why);
    reader.req_orientation = ORIENTATION_TOPLEFT;
    DHO_TRY_GOTO(dho_alloc(&raster, (size_t)p->width * p->height, sizeof *raster, name));
    if (TIFFRGBAImageGet(&reader, raster, p->width, p->height))
        take_raster(p, raster, image);
    else
        status = fail_tiff(name);
fail:
    dho_free(raster);
    TIFFRGBAImageEnd(&reader);
    return status;
}

static dho_status tiff_decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name)
{
    source from = {.bytes = bytes, .size = size};
    page p;
    dho_status status = open_page(&p, &from, name);
    if (status == DHO_OK) status = read_page(&p, name, inout);
    if (p.tiff != NULL) TIFFClose(p.tiff);
    return status;
}

static dho_status tiff_read_size(const uint8_t *bytes, size_t size, const char *name, int *width,
                                 int *height)
{
    source from = {.bytes = bytes, .size = size};
    page p;
    const dho_status status = open_page(&p, &from, name);
    if (status == DHO_OK) {
        *width = (int)(is_turned(&p) ? p.height : p.width);
        *height = (int)(is_turned(&p) ? p.width : p.height);
    }
    if (p.tiff != NULL) TIFFClose(p.tiff);
    return status;
}

static bool is_tiff(const uint8_t *head, size_t size)
{
    return size >= 8 && (memcmp(head, "II*\0", 4) == 0 || memcmp(head, "MM\0*", 4) == 0 ||
                         memcmp(head, "II+\0", 4) == 0 || memcmp(head, "MM\0+", 4) == 0);
}

const dho_codec dho_codec_tiff = {
    .name = "TIFF", .is_mine = is_tiff, .read_size = tiff_read_size, .decode = tiff_decode};

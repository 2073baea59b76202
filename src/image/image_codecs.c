/* The formats of images, told apart by their first bytes. */
#include "image/image_codec.h"

#include <stdio.h>
#include <string.h>

static const dho_codec *const codecs[] = {&dho_codec_jpeg, &dho_codec_png,  &dho_codec_webp,
                                          &dho_codec_gif,  &dho_codec_tiff, &dho_codec_bmp,
                                          &dho_codec_pnm};

/* What people have in the place of an image. */
static const struct known {
    size_t at;
    const char *magic; /* without NULs */
    const char *what;
} known[] = {
    {0, "version https://git-lfs", "is a Git LFS pointer, not the file itself: git lfs pull"},
    {0, "<!DOCTYPE", "is a web page: the download failed"},
    {0, "<!doctype", "is a web page: the download failed"},
    {0, "<html", "is a web page: the download failed"},
    {4, "ftypavi", "is AVIF, which dho does not read: convert it to PNG or JPEG"},
    {4, "ftyphei", "is HEIC, which dho does not read: convert it to PNG or JPEG"},
    {4, "ftypmif1", "is HEIC or AVIF, which dho does not read: convert it to PNG or JPEG"},
    {4, "jP  ", "is JPEG 2000, which dho does not read: convert it to PNG or JPEG"},
    {0, "\xff\x4f\xff\x51", "is JPEG 2000, which dho does not read: convert it to PNG or JPEG"},
    {4, "JXL ", "is JPEG XL, which dho does not read: convert it to PNG or JPEG"},
    {0, "\xff\x0a", "is JPEG XL, which dho does not read: convert it to PNG or JPEG"},
    {0, "8BPS", "is a Photoshop file, which dho does not read: convert it to PNG or JPEG"},
    {0, "<svg", "is SVG, which dho does not read: convert it to PNG or JPEG"},
    {0, "<?xml", "is XML, not an image"},
    {0, "%PDF", "is a PDF, not an image"},
    {0, "PK\x03\x04", "is a ZIP archive, not an image"},
    {0, "\x1f\x8b", "is a gzip file, not an image"},
    {0, "RIFF", "is a RIFF file, but not WebP"},
};

static dho_status fail_unknown(const uint8_t *bytes, size_t size, const char *name)
{
    char head[16] = "";
    if (size == 0) return dho_fail(DHO_ERR_FORMAT, "%s: is empty (0 bytes)", name);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t length = strlen(known[i].magic);
        if (size >= known[i].at + length &&
            memcmp(bytes + known[i].at, known[i].magic, length) == 0)
            return dho_fail(DHO_ERR_FORMAT, "%s: %s", name, known[i].what);
    }
    for (size_t i = 0; i < size && i < 4; i++)
        snprintf(head + 3 * i, sizeof head - 3 * i, " %02x", bytes[i]);
    return dho_fail(
        DHO_ERR_FORMAT,
        "%s: no JPEG, PNG, WebP, GIF, TIFF, BMP or PNM image (%zu bytes, starting with%s)", name,
        size, head);
}

dho_status dho_codec_find(const dho_codec **out, const uint8_t *bytes, size_t size,
                          const char *name)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        *out = codecs[i];
        if (codecs[i]->is_mine(bytes, size)) return DHO_OK;
    }
    *out = NULL;
    return fail_unknown(bytes, size, name);
}

dho_status dho_image_check_head(const uint8_t *head, size_t size, const char *name)
{
    const dho_codec *codec;
    return dho_codec_find(&codec, head, size, name);
}

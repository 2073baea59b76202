#include "image/image_name.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* torchvision's ImageFolder takes .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff .webp. */
static const char *const decoded[] = {"jpg",  "jpeg", "jpe", "jfif", "png", "webp", "bmp", "tif",
                                      "tiff", "gif",  "ppm", "pgm",  "pbm", "pnm",  NULL};
static const char *const not_decoded[] = {
    "avif", "heic", "heif", "jp2", "j2k", "jpf", "jpx", "jxl",  "jxr", "psd", "svg", "svgz", "tga",
    "ico",  "icns", "pcx",  "dds", "exr", "hdr", "qoi", "xcf",  "dng", "cr2", "cr3", "nef",  "arw",
    "orf",  "rw2",  "raf",  "pfm", "pam", "xbm", "xpm", "apng", "dib", "jif", "pgx", "ras",  NULL};

static bool is_one_of(const char *extension, const char *const *list)
{
    for (size_t i = 0; list[i] != NULL; i++)
        if (strcasecmp(extension, list[i]) == 0) return true;
    return false;
}

bool dho_is_image_extension(const char *extension)
{
    return is_one_of(extension, decoded);
}

dho_name_kind dho_image_name_kind(const char *name)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL) return DHO_NAME_OTHER;
    return is_one_of(dot + 1, decoded)       ? DHO_NAME_IMAGE
           : is_one_of(dot + 1, not_decoded) ? DHO_NAME_NO_DECODER
                                             : DHO_NAME_OTHER;
}

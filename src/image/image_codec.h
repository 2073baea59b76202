/* What the files of src/image share, and the encoder. Private to src and tools. */
#ifndef DHO_IMAGE_IMAGE_CODEC_H
#define DHO_IMAGE_IMAGE_CODEC_H

#include "dho/image.h"

/* The largest width and height of an image; libjpeg's JPEG_MAX_DIMENSION. */
enum { DHO_IMAGE_MAX_SIDE = 65500 };

/* Makes *image a width x height image of undefined pixels; the buffer only grows.
 * Errors: DHO_ERR_FORMAT "name: ..." for sizes out of range; DHO_ERR_MEMORY; *image is then empty.
 */
dho_status dho_image_reserve(dho_image *image, size_t width, size_t height, const char *name);

/* Can an image have this size? Errors: DHO_ERR_FORMAT "name: ...". */
dho_status dho_image_check_size(size_t width, size_t height, const char *name);

/* Is the box not empty and inside of width x height? */
int dho_box_fits(dho_box box, int width, int height);

/* At least `bytes` in scratch->memory; what was there is lost when it grows. */
dho_status dho_resample_scratch_reserve(dho_resample_scratch *scratch, size_t bytes);

/* A format of images. */
typedef struct dho_codec {
    const char *name;
    bool (*is_mine)(const uint8_t *head, size_t size); /* by the first bytes */
    /* The size of the image that `decode` would make, from the header. */
    dho_status (*read_size)(const uint8_t *bytes, size_t size, const char *name, int *width,
                            int *height);
    /* On failure the content of *inout is undefined. */
    dho_status (*decode)(dho_image *inout, const uint8_t *bytes, size_t size, const char *name);
    /* In the place of `decode`: of the box (inside of the image; NULL: all) alone. */
    dho_status (*decode_box)(dho_image *inout, const uint8_t *bytes, size_t size, const char *name,
                             const dho_box *box, dho_resample_scratch *scratch);
} dho_codec;

/* One of each decoder's file. */
extern const dho_codec dho_codec_jpeg, dho_codec_png, dho_codec_webp, dho_codec_gif, dho_codec_tiff,
    dho_codec_bmp, dho_codec_pnm;

/* image_codecs.c: the codec of a file by its first bytes, never by its name. Errors: DHO_ERR_FORMAT
 * "name: ..." saying what the bytes are, where that is known: a format without a decoder, a Git LFS
 * pointer, a web page. */
dho_status dho_codec_find(const dho_codec **out, const uint8_t *bytes, size_t size,
                          const char *name);
/* The same of a file's first bytes alone. */
enum { DHO_IMAGE_HEAD_BYTES = 64 };
dho_status dho_image_check_head(const uint8_t *head, size_t size, const char *name);

/* The encoder behind dho_image_save_jpeg: baseline, 4:2:0, quality 1..100, into *inout_data, a
 * block of *inout_capacity bytes that grows when needed (start with NULL and 0; release with
 * dho_free). Errors: DHO_ERR_CONFIG (quality), DHO_ERR_INTERNAL, DHO_ERR_MEMORY, as "name: why". */
dho_status dho_jpeg_encode(const dho_image *image, int quality, const char *name,
                           uint8_t **inout_data, size_t *inout_capacity, size_t *out_size);

/* The pixels of `window` in the image that `box` resampled to full_width x full_height would be,
 * without computing the others. The full image may be larger than any dho_image. */
dho_status dho_image_resize_window(const dho_image *source, dho_box box, int full_width,
                                   int full_height, dho_box window, dho_filter filter,
                                   dho_resample_scratch *scratch, dho_image *out);

/* --- transform.c --- */

/* Geometry of the evaluation transform Resize(resize_short) + CenterCrop(crop), as torchvision
 * rounds it: the long side is int(resize_short * long / short), the offset is
 * round-half-even((size - crop) / 2). *resized_* is the size after the resize; the crop box is in
 * resized pixels and always inside (images are never padded: crop <= resize_short is required). */
void dho_resize_center_crop_geometry(int width, int height, int resize_short, int crop,
                                     int *resized_width, int *resized_height, dho_box *crop_box);

/* 8-bit RGB to normalised NHWC of one image. out: [height][width][3] of finish->type. */
void dho_image_to_network(const dho_image *image, const dho_pixel_finish *finish, void *out);

/* --- pixel_finish.c --- */

/* Bytes of the three numbers of a pixel. */
size_t dho_pixel_bytes(dho_compute_dtype type);
/* One row of `width` pixels into out, mirrored when asked. */
void dho_pixel_finish_row(const dho_pixel_finish *finish, const uint8_t *pixels, size_t width,
                          bool flip, void *out);

#endif

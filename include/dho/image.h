/* Images: decoding of JPEG and PNG, Pillow-exact resampling, the two transforms. All Local.
 *
 * Pixels are 8-bit RGB, row-major [height][width][3], no padding. */
#ifndef DHO_IMAGE_H
#define DHO_IMAGE_H

#include "dho/config.h"
#include "dho/rng.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct dho_image {
    int width, height; /* pixels, 1 .. 65500 */
    uint8_t *pixels;   /* owned; dho_image_free */
    size_t capacity;   /* bytes of `pixels`; grows, is reused */
} dho_image;

void dho_image_free(dho_image *image);

/* Decodes a JPEG or PNG (told apart by its first bytes, never by its name) as Pillow's
 * Image.open(f).convert("RGB") does: grey is replicated, CMYK/YCCK goes the Adobe-inverted way
 * (nk = 255 - K, R = clip(nk - C*nk/255)), alpha is dropped, EXIF rotation is ignored. Only 16-bit
 * grey PNG differs: its high byte is taken, where Pillow saturates.
 * `name` is for messages. The content of *inout is replaced; its buffer is reused.
 * Errors: DHO_ERR_FORMAT "name: why" for anything that is not a whole, valid image (a truncated
 * file included), or has more than DHO_IMAGE_MAX_PIXELS; DHO_ERR_MEMORY. */
#define DHO_IMAGE_MAX_PIXELS ((size_t)178956970)
dho_status dho_image_decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name);

/* A crop box in source pixels; 0 <= x, 0 <= y, x + width <= image width, ... */
typedef struct dho_box {
    int x, y, width, height;
} dho_box;

/* The absence of a box: all 0, as no box of an image is. */
static inline dho_box dho_no_box(void)
{
    const dho_box none = {0, 0, 0, 0};
    return none;
}

static inline bool dho_box_is_none(dho_box box)
{
    return box.width == 0;
}

/* Memory of one thread's decoding and transforms, reused from image to image. Zero-initialise. */
typedef struct dho_resample_scratch {
    void *memory; /* owned; dho_resample_scratch_free */
    size_t capacity;
} dho_resample_scratch;

void dho_resample_scratch_free(dho_resample_scratch *scratch);

/* The size of a JPEG or PNG, from its header alone. Errors: DHO_ERR_FORMAT. */
dho_status dho_image_read_size(const uint8_t *bytes, size_t size, const char *name, int *out_width,
                               int *out_height);

/* The pixels of `box` in the image that dho_image_decode would give, bit for bit; *inout becomes
 * box.width x box.height. Of a JPEG only what the box needs is transformed, and nothing behind it
 * is read: damage or an early end there is not seen. Where dho_image_decode succeeds, this does.
 * Errors: as dho_image_decode's; DHO_ERR_FORMAT for a box that is not inside of the image. */
dho_status dho_image_decode_box(dho_image *inout, const uint8_t *bytes, size_t size,
                                const char *name, dho_box box, dho_resample_scratch *scratch);

/* Encodes as baseline JPEG, 4:2:0, quality 1..100, atomically. */
dho_status dho_image_save_jpeg(const dho_image *image, const char *path, int quality);

/* How a whole image becomes a network's input, as evaluation does it. */
typedef struct dho_eval_transform {
    int resize_short; /* Resize(resize_short) + CenterCrop; 0 with squash */
    bool squash;      /* the whole image, its sides not in proportion */
    dho_filter filter;
} dho_eval_transform;

/* Crops `box` (nothing outside it is read) and resamples it to width x height, bit for bit as
 * Pillow's image.crop(box).resize((width, height), filter): support scaled by max(1, scale),
 * 22-bit fixed-point weights, 8-bit intermediate, horizontal pass first, bicubic a = -0.5; a pass
 * whose size does not change is skipped. (Pillow 13 does the vertical pass first where that is
 * cheaper, which rounds differently; sizes that keep the aspect ratio are not affected.)
 * source and out must differ.
 * Errors: DHO_ERR_FORMAT for a box that is not inside the image or a size that no image can have;
 * DHO_ERR_MEMORY. */
dho_status dho_image_resize(const dho_image *source, dho_box box, int width, int height,
                            dho_filter filter, dho_resample_scratch *scratch, dho_image *out);

/* torchvision RandomResizedCrop's box: area in scale[] of the image's, log-uniform aspect ratio in
 * ratio[], ten tries, then the central fallback. Deterministic from rng. */
dho_box dho_random_resized_crop(int width, int height, const double scale[2], const double ratio[2],
                                dho_rng *rng);

/* Per-channel normalisation in units of the 0..1 pixel: out = (pixel/255 - mean) / std. */
typedef struct dho_normalise {
    float mean[3], std[3];
} dho_normalise;

/* The normalisation worked out for every byte; fp32 values are torchvision's, bit for bit (ToTensor
 * and Normalize, divisions included), bf16 values are those rounded to nearest even. */
typedef struct dho_pixel_finish {
    dho_compute_dtype type; /* of what it writes: what the network reads */
    float table[3][256];
    /* What the vector version multiplies by; used when it gives the table's bits. */
    float mean[3], std[3], inverse_std[3];
    int exact;
} dho_pixel_finish;

void dho_pixel_finish_init(dho_pixel_finish *finish, const dho_normalise *normalise,
                           dho_compute_dtype type);

/* The training transform behind the choice of its box: dho_image_resize, the flip and the finish in
 * one go, without images in between. out: [side][side][3] of finish->type.
 * Errors: as dho_image_resize. */
dho_status dho_image_crop_to_network(const dho_image *source, dho_box box, int side,
                                     dho_filter filter, bool flip, const dho_pixel_finish *finish,
                                     dho_resample_scratch *scratch, void *out);

/* The evaluation transform as a whole. out: [crop][crop][3] of finish->type. */
dho_status dho_image_eval_transform(const dho_image *image, int resize_short, int crop,
                                    dho_filter filter, const dho_pixel_finish *finish,
                                    dho_resample_scratch *scratch, dho_image *temporary, void *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

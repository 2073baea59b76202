/* JPEG to RGB through libjpeg-turbo, with Pillow's choices: accurate integer DCT and fancy
 * upsampling (libjpeg's defaults), warnings ignored, a source that runs dry is an error, four
 * components are always taken as Adobe's inverted CMYK.
 *
 * Of a crop, the columns beside it and the rows above it are read over without being transformed,
 * up to one block around it, which upsampling looks at; the rows below it are not read. */
#include "image/image_codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum { ROWS_PER_CALL = 16, MAX_SCANS = 1000 };

/* Every scan of a progressive file is a pass over the whole image, however few bytes it has. The
 * largest image may have 12 (libjpeg writes 10); smaller ones more. */
static const size_t max_scanned_pixels = (size_t)1 << 31;

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    dho_status status;             /* of the error that jumped */
    char message[JMSG_LENGTH_MAX]; /* of the error that jumped */
    dho_image *image;              /* borrowed */
    const char *name;              /* borrowed */
    size_t size;                   /* bytes of the file */
    const dho_box *box;            /* borrowed; the image becomes this part; NULL: all */
    dho_resample_scratch *scratch; /* borrowed; for rows that are wider than the box */
    bool header_only;
} reader;

static void on_error(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    jpeg->err->format_message(jpeg, r->message);
    r->status = jpeg->err->msg_code == JERR_OUT_OF_MEMORY ? DHO_ERR_MEMORY : DHO_ERR_FORMAT;
    longjmp(r->escape, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
    (void)jpeg;
    (void)level;
}

static void on_progress(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    const size_t scans = (size_t)r->jpeg.input_scan_number;
    const size_t pixels = (size_t)r->jpeg.image_width * r->jpeg.image_height;
    if (scans <= MAX_SCANS && scans * pixels <= max_scanned_pixels) return;
    snprintf(r->message, sizeof r->message, "%zu scans are too many for %u x %u pixels", scans,
             r->jpeg.image_width, r->jpeg.image_height);
    r->status = DHO_ERR_FORMAT;
    longjmp(r->escape, 1);
}

/* The whole file is in memory from the start: libjpeg asks for more only when it is cut short.
 * FALSE makes the call that asked return as "suspended". */
static boolean source_fill(j_decompress_ptr jpeg)
{
    (void)jpeg;
    return FALSE;
}

static void source_skip(j_decompress_ptr jpeg, long bytes)
{
    struct jpeg_source_mgr *source = jpeg->src;
    if (bytes <= 0) return;
    const size_t skipped =
        (size_t)bytes < source->bytes_in_buffer ? (size_t)bytes : source->bytes_in_buffer;
    source->next_input_byte += skipped;
    source->bytes_in_buffer -= skipped;
}

static void source_ignore(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static dho_status truncated(const reader *r, const char *where)
{
    return dho_fail(DHO_ERR_FORMAT, "%s: truncated JPEG (%zu bytes, ends in the %s)", r->name,
                    r->size, where);
}

/* Inverted CMYK to RGB, rounded as Pillow's MULDIV255 does. The file stores 255 - C, so that the
 * header's nk = 255 - K is the stored byte itself. */
static void cmyk_to_rgb(const uint8_t *restrict cmyk, uint8_t *restrict rgb, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const int key = cmyk[4 * i + 3];
        for (size_t c = 0; c < 3; c++) {
            const int product = (255 - cmyk[4 * i + c]) * key + 128;
            const int value = key - (((product >> 8) + product) >> 8);
            rgb[3 * i + c] = (uint8_t)(value < 0 ? 0 : value);
        }
    }
}

static dho_status read_rgb_rows(reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    const size_t stride = (size_t)r->image->width * 3;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW rows[ROWS_PER_CALL];
        JDIMENSION count = jpeg->output_height - jpeg->output_scanline;
        if (count > ROWS_PER_CALL) count = ROWS_PER_CALL;
        for (JDIMENSION i = 0; i < count; i++)
            rows[i] = r->image->pixels + (jpeg->output_scanline + i) * stride;
        if (jpeg_read_scanlines(jpeg, rows, count) == 0) return truncated(r, "pixels");
    }
    return DHO_OK;
}

/* Where scans of a progressive file are missing, libjpeg guesses the coefficients from the blocks
 * around a block, further away than a crop has them. */
static bool is_smoothed(const struct jpeg_decompress_struct *jpeg)
{
    for (int c = 0; jpeg->coef_bits != NULL && c < jpeg->num_components; c++)
        for (int i = 0; i < DCTSIZE2; i++)
            if (jpeg->coef_bits[c][i] != 0) return true; /* not known to the last bit */
    return false;
}

/* The rows and columns of `box`, by way of rows that may be wider. */
static dho_status read_box(reader *r, dho_box box)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    const JDIMENSION side_x = (JDIMENSION)jpeg->max_h_samp_factor * DCTSIZE;
    const JDIMENSION side_y = (JDIMENSION)jpeg->max_v_samp_factor * DCTSIZE;
    const JDIMENSION left = (JDIMENSION)box.x, top = (JDIMENSION)box.y;
    const bool whole = is_smoothed(jpeg);
    JDIMENSION x = left > side_x ? left - side_x : 0, end = left + (JDIMENSION)box.width + side_x;
    if (end > jpeg->output_width || whole) end = jpeg->output_width;
    if (whole) x = 0;
    JDIMENSION width = end - x;
    if (width < jpeg->output_width) jpeg_crop_scanline(jpeg, &x, &width);
    const JDIMENSION first = top / side_y > 0 && !whole ? (top / side_y - 1) * side_y : 0;
    if (first > 0 && jpeg_skip_scanlines(jpeg, first) != first) return truncated(r, "pixels");
    const size_t components = (size_t)jpeg->output_components, columns = (size_t)box.width;
    while (jpeg->output_scanline < top + (JDIMENSION)box.height) {
        const JDIMENSION y = jpeg->output_scanline;
        JSAMPROW row = r->scratch->memory;
        if (jpeg_read_scanlines(jpeg, &row, 1) == 0) return truncated(r, "pixels");
        if (y < top) continue;
        const uint8_t *from = row + (left - x) * components;
        uint8_t *to = r->image->pixels + (size_t)(y - top) * columns * 3;
        if (components == 4)
            cmyk_to_rgb(from, to, columns);
        else
            memcpy(to, from, columns * 3);
    }
    return DHO_OK;
}

static dho_status decode(reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->src = &r->source;
    jpeg->progress = &r->progress;
    if (jpeg_read_header(jpeg, TRUE) != JPEG_HEADER_OK) return truncated(r, "header");
    if (jpeg->data_precision != 8)
        return dho_fail(DHO_ERR_FORMAT, "%s: JPEG of %d bits a sample, only 8 are supported",
                        r->name, jpeg->data_precision);
    const int components = jpeg->num_components;
    if (components != 1 && components != 3 && components != 4)
        return dho_fail(DHO_ERR_FORMAT, "%s: JPEG with %d components, expected 1, 3 or 4", r->name,
                        components);
    DHO_TRY(dho_image_check_size(jpeg->image_width, jpeg->image_height, r->name));
    if (r->header_only) return DHO_OK;
    const dho_box all = {.width = (int)jpeg->image_width, .height = (int)jpeg->image_height};
    const dho_box box = r->box != NULL ? *r->box : all;
    DHO_TRY(dho_image_reserve(r->image, (size_t)box.width, (size_t)box.height, r->name));
    DHO_TRY(dho_resample_scratch_reserve(r->scratch, (size_t)jpeg->image_width * 4));
    /* The coefficients of a progressive file are 2 to 8 bytes a pixel; the rest is for the blocks
     * that stick out of a small image. */
    jpeg->mem->max_memory_to_use =
        (long)((size_t)jpeg->image_width * jpeg->image_height * 16 + ((size_t)64 << 20));
    jpeg->out_color_space = components == 4 ? JCS_CMYK : JCS_RGB;
    if (!jpeg_start_decompress(jpeg)) return truncated(r, "scans");
    return components == 4 || r->box != NULL ? read_box(r, box) : read_rgb_rows(r);
}

/* Nothing that changes lives in this frame, so nothing is lost by the jump. */
static dho_status decode_guarded(reader *r)
{
    if (setjmp(r->escape) != 0)
        return dho_fail(r->status, "%s: not a valid JPEG: %s", r->name, r->message);
    return decode(r);
}

static dho_status run(reader *r, const uint8_t *bytes, size_t size, const char *name)
{
    r->name = name;
    r->size = size;
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->jpeg.client_data = r;
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->progress.progress_monitor = on_progress;
    r->source.next_input_byte = bytes;
    r->source.bytes_in_buffer = size;
    r->source.init_source = source_ignore;
    r->source.fill_input_buffer = source_fill;
    r->source.skip_input_data = source_skip;
    r->source.resync_to_restart = jpeg_resync_to_restart;
    r->source.term_source = source_ignore;
    return decode_guarded(r);
}

/* Rows below the box are not read. */
static dho_status jpeg_decode(dho_image *inout, const uint8_t *bytes, size_t size, const char *name,
                              const dho_box *box, dho_resample_scratch *scratch)
{
    reader r;
    memset(&r, 0, sizeof r);
    r.image = inout;
    r.box = box;
    r.scratch = scratch;
    const dho_status status = run(&r, bytes, size, name);
    jpeg_destroy_decompress(&r.jpeg);
    return status;
}

static dho_status jpeg_read_size(const uint8_t *bytes, size_t size, const char *name, int *width,
                                 int *height)
{
    reader r;
    memset(&r, 0, sizeof r);
    r.header_only = true;
    const dho_status status = run(&r, bytes, size, name);
    *width = (int)r.jpeg.image_width;
    *height = (int)r.jpeg.image_height;
    jpeg_destroy_decompress(&r.jpeg);
    return status;
}

static bool is_jpeg(const uint8_t *head, size_t size)
{
    return size >= 3 && memcmp(head, "\xff\xd8\xff", 3) == 0;
}

const dho_codec dho_codec_jpeg = {
    .name = "JPEG", .is_mine = is_jpeg, .read_size = jpeg_read_size, .decode_box = jpeg_decode};

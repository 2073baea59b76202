#include "dho/image.h"

#include "dho/file.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

enum { CHUNK_BYTES = 1 << 16 };

typedef struct writer {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    jmp_buf escape;
    char message[JMSG_LENGTH_MAX];
    const dho_image *image; /* borrowed */
    const char *path;       /* borrowed */
    int quality;
    dho_atomic_file *file; /* keeps its write errors until the commit */
    uint8_t chunk[CHUNK_BYTES];
} writer;

static void on_error(j_common_ptr jpeg)
{
    writer *w = jpeg->client_data;
    jpeg->err->format_message(jpeg, w->message);
    longjmp(w->escape, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
    (void)jpeg;
    (void)level;
}

static void destination_start(j_compress_ptr jpeg)
{
    writer *w = jpeg->client_data;
    w->destination.next_output_byte = w->chunk;
    w->destination.free_in_buffer = CHUNK_BYTES;
}

static boolean destination_flush(j_compress_ptr jpeg)
{
    writer *w = jpeg->client_data;
    (void)dho_atomic_file_write(w->file, w->chunk, CHUNK_BYTES);
    destination_start(jpeg);
    return TRUE;
}

static void destination_finish(j_compress_ptr jpeg)
{
    writer *w = jpeg->client_data;
    (void)dho_atomic_file_write(w->file, w->chunk, CHUNK_BYTES - w->destination.free_in_buffer);
}

static dho_status encode(writer *w)
{
    struct jpeg_compress_struct *jpeg = &w->jpeg;
    if (setjmp(w->escape) != 0)
        return dho_fail(DHO_ERR_INTERNAL, "%s: cannot encode: %s", w->path, w->message);
    jpeg_create_compress(jpeg);
    jpeg->dest = &w->destination;
    jpeg->image_width = (JDIMENSION)w->image->width;
    jpeg->image_height = (JDIMENSION)w->image->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg); /* YCbCr 4:2:0, baseline */
    jpeg_set_quality(jpeg, w->quality, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    const size_t stride = (size_t)w->image->width * 3;
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = w->image->pixels + jpeg->next_scanline * stride;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return DHO_OK;
}

dho_status dho_image_save_jpeg(const dho_image *image, const char *path, int quality)
{
    if (quality < 1 || quality > 100)
        return dho_fail(DHO_ERR_CONFIG, "%s: JPEG quality %d, expected 1 .. 100", path, quality);
    if (image->width < 1 || image->height < 1)
        return dho_fail(DHO_ERR_INTERNAL, "%s: cannot save an empty image", path);
    writer w;
    memset(&w, 0, sizeof w - sizeof w.chunk);
    w.image = image;
    w.path = path;
    w.quality = quality;
    w.jpeg.err = jpeg_std_error(&w.errors);
    w.jpeg.client_data = &w;
    w.errors.error_exit = on_error;
    w.errors.emit_message = on_message;
    w.destination.init_destination = destination_start;
    w.destination.empty_output_buffer = destination_flush;
    w.destination.term_destination = destination_finish;
    DHO_TRY(dho_atomic_file_create(&w.file, path));
    const dho_status status = encode(&w);
    jpeg_destroy_compress(&w.jpeg);
    if (status == DHO_OK) return dho_atomic_file_commit(&w.file);
    dho_atomic_file_discard(&w.file);
    return status;
}

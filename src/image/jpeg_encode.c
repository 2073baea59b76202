#include "dho/alloc.h"
#include "dho/file.h"
#include "image/image_codec.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE */

#include <jpeglib.h>

/* What libjpeg's callbacks share with dho_jpeg_encode. libjpeg reports by longjmp only. */
typedef struct encoder {
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    jmp_buf escape;
    dho_status status;
    const char *name;
    uint8_t **data;
    size_t *capacity;
    size_t used;
} encoder;

static void on_error(j_common_ptr info)
{
    encoder *state = info->client_data;
    if (state->status == DHO_OK) {
        char text[JMSG_LENGTH_MAX];
        info->err->format_message(info, text);
        state->status = dho_fail(DHO_ERR_INTERNAL, "%s: cannot encode: %s", state->name, text);
    }
    longjmp(state->escape, 1);
}

static void on_message(j_common_ptr info)
{
    (void)info; /* the encoder's warnings concern no user */
}

static void grow(j_compress_ptr info)
{
    encoder *state = info->client_data;
    const size_t capacity = *state->capacity < 16384 ? 32768 : *state->capacity * 2;
    state->status = dho_realloc(state->data, capacity, 1, "JPEG bytes");
    if (state->status != DHO_OK) longjmp(state->escape, 1);
    *state->capacity = capacity;
}

static void point_at_free_space(j_compress_ptr info)
{
    encoder *state = info->client_data;
    info->dest->next_output_byte = *state->data + state->used;
    info->dest->free_in_buffer = *state->capacity - state->used;
}

static void on_start(j_compress_ptr info)
{
    encoder *state = info->client_data;
    if (*state->capacity == 0) grow(info);
    point_at_free_space(info);
}

static boolean on_full(j_compress_ptr info)
{
    encoder *state = info->client_data;
    state->used = *state->capacity; /* by libjpeg's contract all of it is filled */
    grow(info);
    point_at_free_space(info);
    return TRUE;
}

static void on_end(j_compress_ptr info)
{
    encoder *state = info->client_data;
    state->used = *state->capacity - info->dest->free_in_buffer;
}

dho_status dho_jpeg_encode(const dho_image *image, int quality, const char *name,
                           uint8_t **inout_data, size_t *inout_capacity, size_t *out_size)
{
    if (quality < 1 || quality > 100)
        return dho_fail(DHO_ERR_CONFIG, "%s: JPEG quality %d, expected 1 .. 100", name, quality);
    if (image->width < 1 || image->height < 1)
        return dho_fail(DHO_ERR_INTERNAL, "%s: cannot save an empty image", name);
    encoder state = {
        .status = DHO_OK, .name = name, .data = inout_data, .capacity = inout_capacity};
    struct jpeg_compress_struct info;
    info.err = jpeg_std_error(&state.errors);
    state.errors.error_exit = on_error;
    state.errors.output_message = on_message;
    info.client_data = &state;
    if (setjmp(state.escape) != 0) {
        jpeg_destroy_compress(&info);
        return state.status;
    }
    info.mem = NULL; /* so that destroying is safe when creating fails */
    jpeg_create_compress(&info);
    state.destination.init_destination = on_start;
    state.destination.empty_output_buffer = on_full;
    state.destination.term_destination = on_end;
    info.dest = &state.destination;
    info.image_width = (JDIMENSION)image->width;
    info.image_height = (JDIMENSION)image->height;
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info); /* YCbCr, 4:2:0 */
    jpeg_set_quality(&info, quality, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
        JSAMPROW row = image->pixels + (size_t)info.next_scanline * (size_t)image->width * 3;
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    *out_size = state.used;
    return DHO_OK;
}

dho_status dho_image_save_jpeg(const dho_image *image, const char *path, int quality)
{
    dho_status status;
    uint8_t *bytes = NULL;
    size_t capacity = 0, size;
    dho_atomic_file *file = NULL;
    DHO_TRY_GOTO(dho_jpeg_encode(image, quality, path, &bytes, &capacity, &size));
    DHO_TRY_GOTO(dho_atomic_file_create(&file, path));
    DHO_TRY_GOTO(dho_atomic_file_write(file, bytes, size));
    status = dho_atomic_file_commit(&file);
fail:
    dho_atomic_file_discard(&file);
    dho_free(bytes);
    return status;
}

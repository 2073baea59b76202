/* Text files, gzipped or not. */
#include "clip/tokenizer_private.h"
#include "dho/alloc.h"
#include "dho/file.h"

#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

enum { MAX_BYTES = 32 << 20 }; /* of a file and of what it unpacks to; OpenAI's has 3.2 MB */

static dho_status inflate_all(z_stream *stream, const char *name, char **inout,
                              size_t *inout_capacity)
{
    int code = Z_OK;
    while (code != Z_STREAM_END) {
        if (*inout_capacity - stream->total_out < 2) {
            if (*inout_capacity > MAX_BYTES)
                return dho_fail(DHO_ERR_FORMAT, "%s: more than %d bytes when unpacked", name,
                                MAX_BYTES);
            DHO_TRY(dho_realloc(inout, 2 * *inout_capacity, 1, name));
            *inout_capacity *= 2;
        }
        stream->next_out = (uint8_t *)*inout + stream->total_out;
        stream->avail_out = (uInt)(*inout_capacity - stream->total_out - 1); /* a NUL follows */
        code = inflate(stream, Z_NO_FLUSH);
        if (code == Z_OK || code == Z_STREAM_END) continue;
        if (code == Z_MEM_ERROR) return dho_fail(DHO_ERR_MEMORY, "%s: cannot unpack", name);
        return dho_fail(DHO_ERR_FORMAT, "%s: offset %lu: gzip: %s", name, stream->total_in,
                        stream->msg != NULL   ? stream->msg
                        : code == Z_BUF_ERROR ? "cut short"
                                              : "not understood");
    }
    if (stream->avail_in == 0) return DHO_OK;
    return dho_fail(DHO_ERR_FORMAT, "%s: offset %lu: bytes behind the gzip stream", name,
                    stream->total_in);
}

dho_status dho_text_unpack(const uint8_t *data, size_t size, const char *name, char **out,
                           size_t *out_bytes)
{
    z_stream stream = {0};
    size_t capacity = 1 << 16;
    char *text = NULL;
    dho_status status;
    *out = NULL;
    *out_bytes = 0;
    if (size < 2 || data[0] != 0x1f || data[1] != 0x8b) {
        const size_t mark = dho_text_mark(data, size);
        DHO_TRY(dho_strndup(out, (const char *)data + mark, size - mark));
        *out_bytes = size - mark;
        return DHO_OK;
    }
    if (size > MAX_BYTES) return dho_fail(DHO_ERR_FORMAT, "%s: too large", name);
    stream.next_in = data;
    stream.avail_in = (uInt)size;
    if (inflateInit2(&stream, 15 + 16) != Z_OK) /* 16: the gzip format */
        return dho_fail(DHO_ERR_MEMORY, "%s: cannot unpack", name);
    DHO_TRY_GOTO(dho_alloc(&text, capacity, 1, name));
    DHO_TRY_GOTO(inflate_all(&stream, name, &text, &capacity));
    text[stream.total_out] = '\0';
    const size_t mark = dho_text_mark(text, stream.total_out);
    *out_bytes = stream.total_out - mark;
    if (mark > 0) memmove(text, text + mark, *out_bytes + 1);
    *out = text;
    text = NULL;
fail:
    inflateEnd(&stream);
    dho_free(text);
    return status;
}

dho_status dho_text_file_read(const char *path, char **out, size_t *out_bytes)
{
    uint8_t *data = NULL;
    size_t capacity = 0, size;
    dho_status status;
    *out = NULL;
    DHO_TRY_GOTO(dho_file_read(path, MAX_BYTES, &data, &capacity, &size));
    DHO_TRY_GOTO(dho_text_unpack(data, size, path, out, out_bytes));
fail:
    dho_free(data);
    return status;
}

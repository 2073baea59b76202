/* What numpy.ndarray.__reduce__ says under pickle protocol 2:
 *   _reconstruct(ndarray, (0,), b"b"), state (1, shape, dtype, is_fortran, data)
 *   dtype("f4", False, True), state (3, "<", None, None, None, -1, -1, 0)
 * Protocol 2 has no bytes: they are _codecs.encode(text, "latin1"), the text in UTF-8. */
#include "weights/torch/pt_numpy.h"

#include "dho/alloc.h"

#include <string.h>

/* The arguments of an object made by one of the functions called `name`; false for others. */
static bool made_by(const pt_pickle *p, pt_id id, const char *name, size_t least, size_t room,
                    pt_id *out)
{
    const pt_value *value = &p->values[id];
    return value->kind == PT_OPAQUE && pt_global_is(p, value->first, name) &&
           pt_unpack(p, value->last, least, room, out);
}

bool pt_is_array(const pt_pickle *p, pt_id id)
{
    pt_id item[3];
    return made_by(p, id, "_reconstruct", 3, 3, item) && pt_global_is(p, item[0], "ndarray");
}

static dho_status read_dtype(const pt_pickle *p, pt_id id, dho_dtype *out)
{
    static const struct {
        const char *name;
        dho_dtype dtype;
    } types[] = {{"f4", DHO_F32}, {"f2", DHO_F16}, {"f8", DHO_F64},
                 {"i8", DHO_I64}, {"i4", DHO_I32}, {"i2", DHO_I16},
                 {"i1", DHO_I8},  {"u1", DHO_U8},  {"b1", DHO_BOOL}};
    enum { STATE_LEAST = 8, STATE_MOST = 9 };
    pt_id item[3], state[STATE_MOST];
    if (!made_by(p, id, "dtype", 1, 3, item) ||
        !pt_unpack(p, p->values[id].count, STATE_LEAST, STATE_MOST, state))
        return pt_bad(p, "an array without a dtype");
    if (!pt_text_is(p, state[1], "<", 1) && !pt_text_is(p, state[1], "|", 1))
        return pt_bad(p, "an array that is not little endian");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        *out = types[i].dtype;
        if (pt_text_is(p, item[0], types[i].name, strlen(types[i].name))) return DHO_OK;
    }
    return pt_bad(p, "an array of a type other than f2, f4, f8, i1 to i8, u1 and b1");
}

/* UTF-8 of the characters 0 to 255 to bytes; false when it is something else, or has another
 * length. */
static bool decode_latin1(const uint8_t *text, size_t length, uint8_t *out, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned byte = text[i];
        if (byte >= 0x80) {
            if ((byte != 0xc2 && byte != 0xc3) || i + 1 == length || (text[i + 1] & 0xc0) != 0x80)
                return false;
            byte = (byte & 3) << 6 | (text[++i] & 0x3fu);
        }
        if (used == bytes) return false;
        out[used++] = (uint8_t)byte;
    }
    return used == bytes;
}

static dho_status read_data(const pt_pickle *p, pt_id id, dho_tensor_view *view, void **out_block,
                            size_t *room)
{
    pt_id item[2];
    if (!made_by(p, id, "encode", 2, 2, item) || p->values[item[0]].kind != PT_STRING ||
        !pt_text_is(p, item[1], "latin1", 6))
        return pt_bad(p, "an array without data");
    const pt_value *text = &p->values[item[0]];
    /* A character is a byte or two: what a text cannot hold is not allocated. */
    if (view->bytes > text->count || view->bytes > *room)
        return pt_bad(p, "an array of %zu bytes with data of less, or the same data too often",
                      view->bytes);
    void *block;
    DHO_TRY(dho_alloc(&block, view->bytes, 1, p->file));
    if (!decode_latin1((const uint8_t *)text->text, text->count, block, view->bytes)) {
        dho_free(block);
        return pt_bad(p, "an array of %zu bytes whose data is not that", view->bytes);
    }
    *room -= view->bytes;
    *out_block = block;
    view->data = block;
    return DHO_OK;
}

dho_status pt_array_read(const pt_pickle *p, pt_id id, dho_tensor_view *view, void **out_block,
                         size_t *room)
{
    enum { VERSION, SHAPE, TYPE, FORTRAN, DATA, STATE };
    pt_id state[STATE];
    *out_block = NULL;
    if (!pt_unpack(p, p->values[id].count, STATE, STATE, state))
        return pt_bad(p, "an array without a state");
    if (p->values[state[FORTRAN]].kind != PT_BOOL || p->values[state[FORTRAN]].integer != 0)
        return pt_bad(p, "an array in Fortran order: not read");
    DHO_TRY(read_dtype(p, state[TYPE], &view->dtype));
    DHO_TRY(pt_extents(p, state[SHAPE], "shape", &view->dims, view->shape));
    view->bytes = dho_dtype_size(view->dtype);
    for (int d = 0; d < view->dims; d++)
        if (__builtin_mul_overflow(view->bytes, (size_t)view->shape[d], &view->bytes))
            return pt_bad(p, "an array of a size that no memory has");
    return read_data(p, state[DATA], view, out_block, room);
}

/* One record: crop box and payload, packed and unpacked. */
#include "teacher/cache_format.h"

#include "dho/safetensors.h"

#include <math.h>
#include <string.h>

enum { FLAG_FLIP = 1 };

static void put_u16(uint8_t *out, unsigned value)
{
    out[0] = (uint8_t)value;
    out[1] = (uint8_t)(value >> 8);
}

static unsigned get_u16(const uint8_t *data)
{
    return data[0] | (unsigned)data[1] << 8;
}

static bool box_is_possible(const dho_box *box)
{
    return box->x >= 0 && box->y >= 0 && box->width >= 1 && box->height >= 1 &&
           box->width <= UINT16_MAX && box->height <= UINT16_MAX &&
           box->x <= UINT16_MAX - box->width && box->y <= UINT16_MAX - box->height;
}

static dho_status encode_box(const dho_cache_record *record, uint8_t *out)
{
    const dho_box *box = &record->box;
    if (!box_is_possible(box))
        return dho_fail(DHO_ERR_CONFIG, "a crop box of %d x %d at (%d, %d) cannot be stored",
                        box->width, box->height, box->x, box->y);
    put_u16(out, (unsigned)box->x);
    put_u16(out + 2, (unsigned)box->y);
    put_u16(out + 4, (unsigned)box->width);
    put_u16(out + 6, (unsigned)box->height);
    put_u16(out + 8, record->flip ? FLAG_FLIP : 0);
    return DHO_OK;
}

static dho_status encode_fp16(const float *payload, int dim, uint8_t *out)
{
    for (int i = 0; i < dim; i++) {
        const uint16_t half = dho_float_to_half(payload[i]);
        if ((half & 0x7c00u) == 0x7c00u)
            return dho_fail(DHO_ERR_NUMERIC, "value %d is %g, which fp16 cannot hold", i,
                            (double)payload[i]);
        put_u16(out + 2 * (size_t)i, half);
    }
    return DHO_OK;
}

/* Symmetric: scale = max|x| / 127, q = round(x / scale), x' = scale * q. */
static dho_status encode_int8(const float *payload, int dim, uint8_t *out)
{
    float largest = 0;
    for (int i = 0; i < dim; i++) {
        if (!isfinite(payload[i]))
            return dho_fail(DHO_ERR_NUMERIC, "value %d is %g", i, (double)payload[i]);
        largest = fmaxf(largest, fabsf(payload[i]));
    }
    const float scale = largest / 127.0f;
    uint32_t bits;
    memcpy(&bits, &scale, sizeof bits);
    put_u16(out, bits & 0xffffu);
    put_u16(out + 2, bits >> 16);
    for (int i = 0; i < dim; i++) {
        /* A subnormal scale is rounded so coarsely that the quotient can leave the range. */
        const float quotient = scale > 0 ? rintf(payload[i] / scale) : 0;
        const float clipped = fminf(fmaxf(quotient, -127.0f), 127.0f);
        out[sizeof(float) + (size_t)i] = (uint8_t)(int8_t)clipped;
    }
    return DHO_OK;
}

dho_status cache_record_encode(const dho_cache_spec *spec, const dho_cache_record *record,
                               uint8_t *out)
{
    if (!spec->free_crops) {
        DHO_TRY(encode_box(record, out));
        out += CACHE_BOX_BYTES;
    }
    if (spec->encoding == DHO_CACHE_FP16) return encode_fp16(record->payload, spec->dim, out);
    return encode_int8(record->payload, spec->dim, out);
}

static dho_status decode_int8(const uint8_t *data, int dim, float *payload)
{
    const uint32_t bits = get_u16(data) | (uint32_t)get_u16(data + 2) << 16;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    if (!(scale >= 0) || !isfinite(scale))
        return dho_fail(DHO_ERR_FORMAT, "impossible int8 scale %g", (double)scale);
    for (int i = 0; i < dim; i++)
        payload[i] = scale * (float)(int8_t)data[sizeof(float) + (size_t)i];
    return DHO_OK;
}

dho_status cache_record_decode(const dho_cache_spec *spec, const uint8_t *data,
                               dho_cache_record *record)
{
    record->box = (dho_box){0};
    record->flip = false;
    if (!spec->free_crops) {
        record->box = (dho_box){.x = (int)get_u16(data),
                                .y = (int)get_u16(data + 2),
                                .width = (int)get_u16(data + 4),
                                .height = (int)get_u16(data + 6)};
        const unsigned flags = get_u16(data + 8);
        if (!box_is_possible(&record->box) || flags > FLAG_FLIP)
            return dho_fail(DHO_ERR_FORMAT, "impossible box %d x %d at (%d, %d), flags %u",
                            record->box.width, record->box.height, record->box.x, record->box.y,
                            flags);
        record->flip = flags == FLAG_FLIP;
        data += CACHE_BOX_BYTES;
    }
    if (record->payload == NULL) return DHO_OK;
    if (spec->encoding == DHO_CACHE_INT8) return decode_int8(data, spec->dim, record->payload);
    for (int i = 0; i < spec->dim; i++)
        record->payload[i] = dho_half_to_float((uint16_t)get_u16(data + 2 * (size_t)i));
    return DHO_OK;
}

/* One record: crop box and payload, packed and unpacked. */
#include "teacher/cache_format.h"

#include "base/bytes.h"
#include "base/compare.h"
#include "base/finite.h"
#include "dho/safetensors.h"

#include <float.h>
#include <math.h>

enum { FLAG_FLIP = 1 };

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
    dho_put_le(out, (unsigned)box->x, 2);
    dho_put_le(out + 2, (unsigned)box->y, 2);
    dho_put_le(out + 4, (unsigned)box->width, 2);
    dho_put_le(out + 6, (unsigned)box->height, 2);
    dho_put_le(out + 8, record->flip ? FLAG_FLIP : 0, 2);
    return DHO_OK;
}

static dho_status encode_fp16(const float *payload, int dim, uint8_t *out)
{
    for (int i = 0; i < dim; i++) {
        const uint16_t half = dho_float_to_half(payload[i]);
        if ((half & 0x7c00u) == 0x7c00u)
            return dho_fail(DHO_ERR_NUMERIC, "value %d is %g%s", i, dho_shown_value(payload[i]),
                            isfinite(payload[i]) ? ", which fp16 cannot hold: --encoding int8 can"
                                                 : "");
        dho_put_le(out + 2 * (size_t)i, half, 2);
    }
    return DHO_OK;
}

static dho_status check_finite(const float *payload, int dim)
{
    for (int i = 0; i < dim; i++)
        if (!isfinite(payload[i]))
            return dho_fail(DHO_ERR_NUMERIC, "value %d is %g", i, dho_shown_value(payload[i]));
    return DHO_OK;
}

/* Is value i among the `count` ascending indices? */
static bool is_exact(const int *exact, int count, int i)
{
    for (int e = 0; e < count; e++)
        if (exact[e] == i) return true;
    return false;
}

/* Symmetric: scale = max|x| / 127 over the values that are not exact, q = round(x / scale),
 * x' = scale * q; the places of the exact ones hold 0. */
static void encode_int8(const float *payload, int dim, const int *exact, int exact_count,
                        uint8_t *out)
{
    float largest = 0;
    for (int i = 0; i < dim; i++)
        if (!is_exact(exact, exact_count, i))
            largest = (float)dho_larger((double)largest, (double)fabsf(payload[i]));
    const float scale = largest / 127.0f;
    dho_put_float(out, scale);
    out += sizeof(float);
    for (int e = 0; e < exact_count; e++, out += CACHE_EXACT_BYTES) {
        dho_put_le(out, (unsigned)exact[e], 2);
        dho_put_float(out + 2, payload[exact[e]]);
    }
    for (int i = 0; i < dim; i++) {
        /* A subnormal scale is rounded so coarsely that the quotient can leave the range. */
        const float quotient = scale > 0 ? rintf(payload[i] / scale) : 0;
        const float clipped = fminf(fmaxf(quotient, -127.0f), 127.0f);
        out[i] = is_exact(exact, exact_count, i) ? 0 : (uint8_t)(int8_t)clipped;
    }
}

static float identity(float value)
{
    return value;
}

/* The `count` indices with the largest key(value), largest first; of equal ones the lower index. */
static void select_largest(const float *values, int dim, int count, float (*key)(float), int *out)
{
    int kept = 0;
    for (int i = 0; i < dim; i++) {
        const float mine = key(values[i]);
        if (kept == count && !(mine > key(values[out[kept - 1]]))) continue;
        int at = kept < count ? kept++ : kept - 1;
        for (; at > 0 && mine > key(values[out[at - 1]]); at--) out[at] = out[at - 1];
        out[at] = i;
    }
}

static int exact_values(const dho_cache_spec *spec)
{
    return spec->dim < CACHE_EXACT ? spec->dim : CACHE_EXACT;
}

/* A few large coordinates (one of CLIP's is 0.63 of a unit vector) would set the scale of all. */
static void encode_int8x(const float *payload, const dho_cache_spec *spec, uint8_t *out)
{
    int exact[CACHE_EXACT];
    const int count = exact_values(spec);
    select_largest(payload, spec->dim, count, fabsf, exact);
    for (int i = 1; i < count; i++) /* in the order of their indices */
        for (int j = i; j > 0 && exact[j] < exact[j - 1]; j--) {
            const int swapped = exact[j];
            exact[j] = exact[j - 1];
            exact[j - 1] = swapped;
        }
    encode_int8(payload, spec->dim, exact, count, out);
}

/* Largest logit m; log sum exp(z_j - m) of the classes j that are not kept (0 when all are); then
 * the kept ones, largest first: class and z - m as fp16, which is finest where p is large. */
static void encode_topk(const float *logits, int classes, int top, uint8_t *out)
{
    int ids[DHO_CACHE_MAX_TOP] = {0};
    select_largest(logits, classes, top, identity, ids);
    const double largest = logits[ids[0]], last = logits[ids[top - 1]];
    /* A class is kept when it is larger than the last one, or as large with no higher an index. */
    double sum = 0, bound = -INFINITY;
    for (int pass = 0; pass < 2; pass++)
        for (int c = 0; c < classes; c++) {
            const bool kept = logits[c] > last || (logits[c] == last && c <= ids[top - 1]);
            if (kept) continue;
            if (pass == 0)
                bound = dho_larger(bound, logits[c]);
            else
                sum += exp(logits[c] - bound);
        }
    const double rest = top < classes ? bound - largest + log(sum) : 0;
    dho_put_float(out, (float)largest);
    dho_put_float(out + 4, (float)fmax(rest, -FLT_MAX));
    out += CACHE_TOP_HEAD;
    for (int k = 0; k < top; k++, out += CACHE_TOP_BYTES) {
        dho_put_le(out, (unsigned)ids[k], 2);
        /* Beyond fp16's range the probability is 0 at any temperature of use. */
        dho_put_le(out + 2, dho_float_to_half((float)fmax(logits[ids[k]] - largest, -65504)), 2);
    }
}

dho_status cache_record_encode(const dho_cache_spec *spec, const dho_cache_record *record,
                               uint8_t *out)
{
    if (!spec->free_crops) {
        DHO_TRY(encode_box(record, out));
        out += CACHE_BOX_BYTES;
    }
    if (spec->encoding == DHO_CACHE_FP16) return encode_fp16(record->payload, spec->dim, out);
    DHO_TRY(check_finite(record->payload, spec->dim));
    if (spec->encoding == DHO_CACHE_TOPK)
        encode_topk(record->payload, spec->classes, spec->top, out);
    else
        encode_int8x(record->payload, spec, out);
    return DHO_OK;
}

static dho_status decode_int8x(const uint8_t *data, const dho_cache_spec *spec, float *payload)
{
    const int dim = spec->dim, exact = exact_values(spec);
    const float scale = dho_get_float(data);
    if (!(scale >= 0) || !isfinite(scale))
        return dho_fail(DHO_ERR_FORMAT, "impossible int8 scale %g", (double)scale);
    const uint8_t *pair = data + sizeof(float), *steps = pair + CACHE_EXACT_BYTES * (size_t)exact;
    for (int i = 0; i < dim; i++) payload[i] = scale * (float)(int8_t)steps[i];
    for (int e = 0, before = -1; e < exact; e++, pair += CACHE_EXACT_BYTES) {
        const int index = (int)dho_get_le(pair, 2);
        const float value = dho_get_float(pair + 2);
        if (index <= before || index >= dim || !isfinite(value))
            return dho_fail(DHO_ERR_FORMAT, "impossible int8x value %g at index %d", (double)value,
                            index);
        payload[index] = value;
        before = index;
    }
    return DHO_OK;
}

/* The rest share exp(rest) evenly: z_j = m + rest - log(classes - top) for each of them. */
static dho_status decode_topk(const uint8_t *data, const dho_cache_spec *spec, float *logits)
{
    const int left = spec->classes - spec->top;
    const float largest = dho_get_float(data), rest = dho_get_float(data + 4);
    const double even = fmax((double)largest + rest - (left > 0 ? log(left) : 0), -FLT_MAX);
    if (!isfinite(largest) || !isfinite(rest) || (left == 0 && rest != 0) || rest > log(left + 1.0))
        return dho_fail(DHO_ERR_FORMAT, "impossible topk logits: largest %g, the rest %g",
                        (double)largest, (double)rest);
    for (int c = 0; c < spec->classes; c++) logits[c] = NAN;
    float before = 0;
    const uint8_t *pair = data + CACHE_TOP_HEAD;
    for (int k = 0; k < spec->top; k++, pair += CACHE_TOP_BYTES) {
        const int id = (int)dho_get_le(pair, 2);
        const float below = dho_half_to_float((uint16_t)dho_get_le(pair + 2, 2));
        const float logit = largest + below;
        /* No NaN (all comparisons are false), no class twice, the largest first. */
        if (id >= spec->classes || !isnan(logits[id]) || !(below <= before) || !isfinite(logit) ||
            (k == 0 && below != 0))
            return dho_fail(DHO_ERR_FORMAT, "impossible topk logit %d: class %d, %g", k, id,
                            (double)below);
        logits[id] = logit;
        before = below;
    }
    for (int c = 0; c < spec->classes; c++)
        if (isnan(logits[c])) logits[c] = (float)fmin(even, FLT_MAX);
    return DHO_OK;
}

dho_status cache_record_decode(const dho_cache_spec *spec, const uint8_t *data,
                               dho_cache_record *record)
{
    record->box = (dho_box){0};
    record->flip = false;
    if (!spec->free_crops) {
        record->box = (dho_box){.x = (int)dho_get_le(data, 2),
                                .y = (int)dho_get_le(data + 2, 2),
                                .width = (int)dho_get_le(data + 4, 2),
                                .height = (int)dho_get_le(data + 6, 2)};
        const unsigned flags = (unsigned)dho_get_le(data + 8, 2);
        if (!box_is_possible(&record->box) || flags > FLAG_FLIP)
            return dho_fail(DHO_ERR_FORMAT, "impossible box %d x %d at (%d, %d), flags %u",
                            record->box.width, record->box.height, record->box.x, record->box.y,
                            flags);
        record->flip = flags == FLAG_FLIP;
        data += CACHE_BOX_BYTES;
    }
    if (record->payload == NULL) return DHO_OK;
    if (spec->encoding == DHO_CACHE_TOPK) return decode_topk(data, spec, record->payload);
    if (spec->encoding != DHO_CACHE_FP16) return decode_int8x(data, spec, record->payload);
    for (int i = 0; i < spec->dim; i++)
        record->payload[i] = dho_half_to_float((uint16_t)dho_get_le(data + 2 * (size_t)i, 2));
    return DHO_OK;
}

double cache_normalise(float *x, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += (double)x[i] * (double)x[i];
    const double norm = sqrt(squares), divisor = norm > 1e-12 ? norm : 1e-12;
    for (size_t i = 0; i < count; i++) x[i] = (float)((double)x[i] / divisor);
    return norm;
}

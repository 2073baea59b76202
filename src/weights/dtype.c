/* Element types: names, sizes, exact half precision, conversion to float and int64. */
#include "dho/safetensors.h"

#include "base/bytes.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are read as they lie in memory");

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [DHO_F32] = {"F32", 4},   [DHO_F16] = {"F16", 2}, [DHO_BF16] = {"BF16", 2},
    [DHO_F64] = {"F64", 8},   [DHO_I64] = {"I64", 8}, [DHO_I32] = {"I32", 4},
    [DHO_I16] = {"I16", 2},   [DHO_I8] = {"I8", 1},   [DHO_U8] = {"U8", 1},
    [DHO_BOOL] = {"BOOL", 1},
};

size_t dho_dtype_size(dho_dtype dtype)
{
    return dtypes[dtype].size;
}

const char *dho_dtype_name(dho_dtype dtype)
{
    return dtypes[dtype].name;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. Neither direction meets a
 * subnormal float on the way to a result other than 0, so both are right with denormals flushed. */
float dho_half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t exponent = half & 0x7c00u, fraction = half & 0x03ffu;
    uint32_t magnitude;
    if (exponent == 0) /* fraction * 2^-24, as the difference of two normal numbers */
        magnitude = dho_float_bits(dho_float_of_bits(0x38800000u | fraction << 13) - 0x1p-14f);
    else if (exponent == 0x7c00u)
        magnitude = 0x7f800000u | fraction << 13 | (fraction != 0 ? 0x00400000u : 0);
    else
        magnitude = ((exponent | fraction) << 13) + (112u << 23);
    return dho_float_of_bits(sign | magnitude);
}

uint16_t dho_float_to_half(float value)
{
    const uint32_t bits = dho_float_bits(value);
    const uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) /* NaN: quiet, the upper payload kept */
        magnitude = 0x7e00u | (magnitude >> 13 & 0x03ffu);
    else if (magnitude >= 0x477ff000u) /* 65520 and above round to infinity */
        magnitude = 0x7c00u;
    else if (magnitude < 0x38800000u) /* below 2^-14: one unit of 0.5's last place is 2^-24 */
        magnitude = dho_float_bits(dho_float_of_bits(magnitude) + 0.5f) - 0x3f000000u;
    else
        magnitude = ((magnitude + 0x0fffu + (magnitude >> 13 & 1u)) >> 13) - (112u << 10);
    return (uint16_t)(sign | magnitude);
}

/* out[i] = (target)(x[i] op ...) for elements of any alignment. */
#define CONVERT(element, expression)               \
    for (size_t i = 0; i < count; i++) {           \
        element x;                                 \
        memcpy(&x, data + i * sizeof x, sizeof x); \
        out[i] = (expression);                     \
    }                                              \
    break

void dho_tensor_to_float(const dho_tensor_view *tensor, float *out)
{
    const uint8_t *data = tensor->data;
    const size_t count = tensor->bytes / dho_dtype_size(tensor->dtype);
    switch (tensor->dtype) {
    case DHO_F32:
        CONVERT(float, x);
    case DHO_F16:
        CONVERT(uint16_t, dho_half_to_float(x));
    case DHO_BF16:
        CONVERT(uint16_t, dho_float_of_bits((uint32_t)x << 16));
    case DHO_F64:
        CONVERT(double, (float)x);
    case DHO_I64:
        CONVERT(int64_t, (float)x);
    case DHO_I32:
        CONVERT(int32_t, (float)x);
    case DHO_I16:
        CONVERT(int16_t, (float)x);
    case DHO_I8:
        CONVERT(int8_t, (float)x);
    case DHO_U8:
        CONVERT(uint8_t, (float)x);
    case DHO_BOOL:
        CONVERT(uint8_t, x != 0 ? 1.0f : 0.0f);
    }
}

dho_status dho_tensor_to_int64(const dho_tensor_view *tensor, int64_t *out)
{
    const uint8_t *data = tensor->data;
    const size_t count = tensor->bytes / dho_dtype_size(tensor->dtype);
    switch (tensor->dtype) {
    case DHO_I64:
        CONVERT(int64_t, x);
    case DHO_I32:
        CONVERT(int32_t, x);
    case DHO_I16:
        CONVERT(int16_t, x);
    case DHO_I8:
        CONVERT(int8_t, x);
    case DHO_U8:
        CONVERT(uint8_t, x);
    case DHO_BOOL:
        CONVERT(uint8_t, x != 0);
    case DHO_F32:
    case DHO_F16:
    case DHO_BF16:
    case DHO_F64:
        return dho_fail(DHO_ERR_FORMAT, "tensor \"%.100s\": expected integers, got %s",
                        tensor->name, dho_dtype_name(tensor->dtype));
    }
    return DHO_OK;
}

/* Values and weights in 8 bits, as QuantizeLinear and DequantizeLinear say them: "QDQ". */
#include "onnx/onnx_file.h"

#include <math.h>

static float clamp(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

const char *dho_onnx_round(dho_onnx *onnx, const char *x, dho_onnx_rounding how)
{
    int8_t *zero;
    const char *scale = dho_onnx_scalar(onnx, how.scale);
    const char *at = dho_onnx_constant(onnx, NULL, DHO_ONNX_INT8, 0, NULL, &zero);
    if (zero != NULL) *zero = (int8_t)how.zero;
    const char *q =
        dho_onnx_add(onnx, &(dho_onnx_node){.op = "QuantizeLinear", .inputs = {x, scale, at}});
    return dho_onnx_add(onnx, &(dho_onnx_node){.op = "DequantizeLinear", .inputs = {q, scale, at}});
}

/* Back to floats: a scale for each index of the axis, zero points 0. */
static const char *dequantise(dho_onnx *onnx, const char *q, dho_onnx_type type, int axis,
                              int64_t count, const float *scales)
{
    void *zeros; /* as they are */
    const char *scale = dho_onnx_floats(onnx, NULL, 1, &count, scales);
    const char *at = dho_onnx_constant(onnx, NULL, type, 1, &count, &zeros);
    return dho_onnx_add(onnx,
                        &(dho_onnx_node){.op = "DequantizeLinear",
                                         .inputs = {q, scale, at},
                                         .attributes = {DHO_ONNX_ATTRIBUTE_INT("axis", axis)}});
}

const char *dho_onnx_int8_weight(dho_onnx *onnx, const char *name, int dims, const int64_t *shape,
                                 int axis, const float *values, const float *scales)
{
    int8_t *data;
    int64_t count = 1, inner = 1; /* values; those of one index of the axis that lie together */
    for (int d = 0; d < dims; d++) count *= shape[d];
    for (int d = axis + 1; d < dims; d++) inner *= shape[d];
    name = dho_onnx_constant(onnx, name, DHO_ONNX_INT8, dims, shape, &data);
    for (int64_t i = 0; i < count && data != NULL; i++) {
        const float scale = scales[i / inner % shape[axis]];
        data[i] = (int8_t)clamp(nearbyintf(values[i] / scale), -127, 127);
    }
    return dequantise(onnx, name, DHO_ONNX_INT8, axis, shape[axis], scales);
}

const char *dho_onnx_int32_bias(dho_onnx *onnx, const char *name, int64_t count,
                                const float *values, const float *scales)
{
    const float most = 2147483520.0f; /* the largest float that an int32 holds */
    int32_t *data;
    name = dho_onnx_constant(onnx, name, DHO_ONNX_INT32, 1, &count, &data);
    for (int64_t i = 0; i < count && data != NULL; i++)
        data[i] = (int32_t)clamp(nearbyintf(values[i] / scales[i]), -most, most);
    return dequantise(onnx, name, DHO_ONNX_INT32, 0, count, scales);
}

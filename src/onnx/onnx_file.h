/* An ONNX model being built: nodes, constants, inputs, outputs, texts; written in the end as one
 * file (IR version 8, operator set 17: https://onnx.ai/onnx/operators). It knows no network;
 * operators say their ONNX form with it (nn/onnx_pass.h). Private to src.
 *
 * Builders do not check for errors one by one: the first failure sticks, later calls do nothing and
 * return "", and dho_onnx_save reports it. Names that are returned live as long as the model. All
 * Local. */
#ifndef DHO_ONNX_ONNX_FILE_H
#define DHO_ONNX_ONNX_FILE_H

#include "dho/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct dho_onnx dho_onnx;

/* ONNX's numbers. */
typedef enum dho_onnx_type {
    DHO_ONNX_FLOAT = 1,
    DHO_ONNX_INT8 = 3,
    DHO_ONNX_INT32 = 6,
    DHO_ONNX_INT64 = 7
} dho_onnx_type;

dho_status dho_onnx_create(dho_onnx **out);
void dho_onnx_destroy(dho_onnx **onnx);

/* Notes a failure that the caller has met. */
void dho_onnx_keep_failure(dho_onnx *onnx, dho_status status);

/* --- nodes --- */

enum { DHO_ONNX_MOST_INPUTS = 4, DHO_ONNX_MOST_ATTRIBUTES = 5, DHO_ONNX_MOST_INTS = 8 };

typedef enum dho_onnx_kind {
    DHO_ONNX_IS_FLOAT = 1,
    DHO_ONNX_IS_INT = 2,
    DHO_ONNX_IS_INTS = 7
} dho_onnx_kind;

typedef struct dho_onnx_attribute {
    const char *name; /* a literal; NULL: behind the last */
    dho_onnx_kind kind;
    int count; /* of ints */
    float f;
    int64_t ints[DHO_ONNX_MOST_INTS];
} dho_onnx_attribute;

#define DHO_ONNX_ATTRIBUTE_FLOAT(name_, value)                   \
    {                                                            \
        .name = (name_), .kind = DHO_ONNX_IS_FLOAT, .f = (value) \
    }
#define DHO_ONNX_ATTRIBUTE_INT(name_, value)                         \
    {                                                                \
        .name = (name_), .kind = DHO_ONNX_IS_INT, .ints = {(value) } \
    }
#define DHO_ONNX_ATTRIBUTE_INTS(name_, count_, ...)                                           \
    {                                                                                         \
        .name = (name_), .kind = DHO_ONNX_IS_INTS, .count = (count_), .ints = { __VA_ARGS__ } \
    }

typedef struct dho_onnx_node {
    const char *op;                           /* a literal: "Conv" */
    const char *inputs[DHO_ONNX_MOST_INPUTS]; /* names; NULL: behind the last */
    dho_onnx_attribute attributes[DHO_ONNX_MOST_ATTRIBUTES];
} dho_onnx_node;

/* Appends a node; returns the name of its output. */
const char *dho_onnx_add(dho_onnx *onnx, const dho_onnx_node *node);
/* One or two inputs and no attribute. b NULL: one. */
const char *dho_onnx_call(dho_onnx *onnx, const char *op, const char *a, const char *b);
const char *dho_onnx_transpose(dho_onnx *onnx, const char *x, int dims, const int *order);
/* shape: 0 keeps the input's size there, -1 is what is left. */
const char *dho_onnx_reshape(dho_onnx *onnx, const char *x, int dims, const int64_t *shape);

/* --- constants --- */

/* A constant; *out_data are its values, to be filled by the caller: NULL after a failure. `name` is
 * copied; NULL: a fresh one. */
const char *dho_onnx_constant(dho_onnx *onnx, const char *name, dho_onnx_type type, int dims,
                              const int64_t *shape, void *out_data);
/* With a copy of these values. */
const char *dho_onnx_floats(dho_onnx *onnx, const char *name, int dims, const int64_t *shape,
                            const float *values);
const char *dho_onnx_scalar(dho_onnx *onnx, float value);
const char *dho_onnx_integers(dho_onnx *onnx, int count, const int64_t *values);

/* --- 8 bits (onnx_int8.c) --- */

/* How floats become integers: q = clamp(round(x / scale) + zero, -128, 127). */
typedef struct dho_onnx_rounding {
    float scale; /* > 0 */
    int zero;
} dho_onnx_rounding;

/* QuantizeLinear and DequantizeLinear of a value. */
const char *dho_onnx_round(dho_onnx *onnx, const char *x, dho_onnx_rounding how);
/* A weight as int8 with a scale for each index of `axis`, -127 to 127, and its DequantizeLinear.
 * values[product of shape]; scales[shape[axis]]. */
const char *dho_onnx_int8_weight(dho_onnx *onnx, const char *name, int dims, const int64_t *shape,
                                 int axis, const float *values, const float *scales);
/* A bias as int32 with these scales, and its DequantizeLinear; all [count]. */
const char *dho_onnx_int32_bias(dho_onnx *onnx, const char *name, int64_t count,
                                const float *values, const float *scales);

/* --- the model's face --- */

/* Dimension 0 is the batch, whatever its size; shape[dims] are the others. */
const char *dho_onnx_input(dho_onnx *onnx, const char *name, const char *about, int dims,
                           const int64_t *shape);
/* Makes `value` an output of `width` numbers a row, and gives it the name. */
void dho_onnx_output(dho_onnx *onnx, const char *value, const char *name, const char *about,
                     int64_t width);
/* Both texts are copied. */
void dho_onnx_metadata(dho_onnx *onnx, const char *key, const char *value);

/* Writes the file, atomically. Errors: the first failure of the calls above; DHO_ERR_CONFIG for
 * more than protobuf's 2 GiB; DHO_ERR_IO. */
dho_status dho_onnx_save(dho_onnx *onnx, const char *path);

#endif

/* A model in 8 bits: how its values are rounded, from what they are on images. Private to src. */
#ifndef DHO_INFER_CALIBRATE_H
#define DHO_INFER_CALIBRATE_H

#include "dho/infer.h"
#include "onnx/onnx_file.h"

/* What a value's range leaves out at either end: one of 10,000 (the 99.99th percentile). */
#define DHO_CALIBRATE_LEFT_OUT 1e-4

/* out[dho_graph_values]: the rounding of each value that dho_int8_values names, scale 0 of the
 * others. infer: of a model whose student has .deploy; it runs the images here, on this rank alone.
 * A range always holds 0, so that padding stays exact. Errors: those of dho_infer_start and
 * dho_infer_next; DHO_ERR_NUMERIC for a value that is not finite. */
dho_status dho_calibrate(dho_infer *infer, const dho_student *student,
                         const dho_infer_images *images, dho_onnx_rounding *out);

/* A dho_value_observer: rounds each value as the model in 8 bits does. context: the roundings. */
void dho_calibrate_round(void *roundings, dho_value x, size_t count, void *values);

#endif

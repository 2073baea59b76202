/* A student as an ONNX model. Private to src/eval. */
#ifndef DHO_EVAL_EXPORT_ONNX_H
#define DHO_EVAL_EXPORT_ONNX_H

#include "dho/classifier.h"
#include "dho/export.h"

/* Input "images", outputs "probabilities" and "logits_ce", "logits_kd" (of one head "logits"):
 * docs/export.md. options: classes, int8, images, config. about: metadata, key, value, ..., NULL.
 * Collective; rank 0 writes. Errors: DHO_ERR_CONFIG for an operator that has no ONNX form, a model
 * beyond ONNX's 2 GiB, and those of dho_export_read_mask and dho_export_int8; DHO_ERR_IO. */
dho_status dho_export_onnx(dho_comm *comm, const dho_classifier *from, const char *path,
                           const dho_export_options *options, const char *const *about);

#endif

/* A student in 8 bits: how it is rounded, and what that costs. Private to src/eval. */
#ifndef DHO_EVAL_EXPORT_INT8_H
#define DHO_EVAL_EXPORT_INT8_H

#include "dho/classifier.h"
#include "onnx/onnx_file.h"

/* For the file's metadata: where the ranges of the values come from. */
#define DHO_EXPORT_INT8_ABOUT "percentile 99.99 of training images"

/* Whose images say how the values are rounded, and on which sets both students are compared. All is
 * borrowed. */
typedef struct dho_export_int8_options {
    const dho_config *config; /* data.*, eval.sets, threads and batches */
    int64_t images;           /* of the training set, at most */
    const dho_classifier *from;
    const dho_student *deployed; /* from's student with .deploy */
} dho_export_int8_options;

/* out[dho_graph_values(deployed->graph)], the same on all ranks: from the training images, rank 0
 * runs them. Prints, by rank 0, the top-1 accuracy of both students on each of eval.sets, with the
 * alpha and beta of `from`. The student in 8 bits is this one with rounded weights and values, in
 * the places where the ONNX file has them. Collective. Errors: those of opening the sets and of
 * dho_calibrate; DHO_ERR_CONFIG when the training set has other classes. */
dho_status dho_export_int8(const dho_export_int8_options *options, dho_comm *comm,
                           dho_onnx_rounding *out);

#endif

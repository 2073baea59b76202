/* Is a probability true? Of 100 images that are predicted with p = 0.8, 80 should be right.
 *
 * All of it is computed from stored head outputs. With the combination of dho/distill.h at its
 * alpha and beta, and a temperature T (Guo et al. 2017, arXiv 1706.04599): q = softmax(log(p) / T),
 * p = alpha softmax(ce) + (1 - alpha) softmax(kd / beta). T leaves the order of the classes as it
 * is, so accuracies do not change. For one head (or alpha 1) it is the usual softmax(logits / T).
 * Logarithms are taken of sums of exponentials in double, so no probability is rounded to 0. Local.
 */
#ifndef DHO_CALIBRATION_H
#define DHO_CALIBRATION_H

#include "dho/evaluate.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* How a prediction is made of the heads' logits. */
typedef struct dho_combination {
    double alpha, beta, temperature;
} dho_combination;

/* Over n images, q_i the probabilities, y_i the label, c_i = max q_i the confidence:
 *   ece           sum over bins of |right - sum of c_i| / n; 15 bins of equal width, bin m has
 *                 (m-1)/15 < c <= m/15 (Guo et al. 2017)
 *   ece_adaptive  the same; 15 bins with n/15 images each in the order of c (Nguyen and O'Connor
 *                 2015); images of equal confidence stay in one bin, so the images' order does not
 *                 matter
 *   nll           mean of -log q_i(y_i), nats
 *   brier         mean of the sum over classes of (q_i(c) - [c = y_i])^2, 0..2
 * All four are 0 for a set without images; NAN in a record that does not have them. */
typedef struct dho_calibration {
    double ece, ece_adaptive, nll, brier;
} dho_calibration;

/* One of the 15 bins of equal width. */
enum { DHO_CALIBRATION_BINS = 15 };
typedef struct dho_calibration_bin {
    int64_t count, right;
    double confidence; /* the sum of its images' */
} dho_calibration_bin;

/* predictions: [outputs->count], of dho_outputs_predict at the same alpha and beta: an image is
 * right where the accuracy counts it. out_bins [DHO_CALIBRATION_BINS] may be NULL. The same numbers
 * for every number of threads. Errors: DHO_ERR_MEMORY. */
dho_status dho_outputs_calibrate(const dho_head_outputs *outputs, const dho_combination *by,
                                 const dho_prediction *predictions, int threads,
                                 dho_calibration *out, dho_calibration_bin *out_bins);

/* The temperature with the least nll, within these bounds; by->temperature is not read. Newton's
 * method in 1/T, in which the nll is convex. 1 for a set without images. Errors: DHO_ERR_MEMORY. */
#define DHO_TEMPERATURE_LEAST 0.05
#define DHO_TEMPERATURE_MOST 20.0
dho_status dho_outputs_temperature(const dho_head_outputs *outputs, const dho_combination *by,
                                   int threads, double *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

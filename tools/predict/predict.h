/* dho predict: the classes of images. docs/predict.md. For src/cli. */
#ifndef DHO_PREDICT_PREDICT_H
#define DHO_PREDICT_PREDICT_H

#include "dho/classifier.h"
#include "dho/comm.h"
#include "dho/config.h"
#include "dho/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { DHO_PREDICT_MAX_PICTURES = 10000 };

typedef struct dho_predict_options {
    dho_checkpoint_choice model; /* a run's folder, a checkpoint or an export */
    const char *const *inputs;   /* [input_count]: images, folders, tars; "-": names of images on
                                    standard input */
    size_t input_count;
    const char *list;   /* a file with names of images; NULL: none */
    double temperature; /* of the probabilities; 0: that of the evaluation or the export */
    int top;            /* classes that are shown of each image, from 1 */
    bool csv;           /* instead of JSON lines */
    const char *html;   /* a page is written there; NULL: none */
    int64_t pictures;   /* the first so many images are on it */
    dho_reject reject;
    /* With a reject: of an energy the largest that is taken, of a probability the smallest; or,
     * when accept is above 0, what takes this part (0 .. 1) of the images of the run's evaluation.
     */
    double threshold, accept;
} dho_predict_options;

/* Writes a line for each image to standard output, in the order of the inputs, whatever the number
 * of ranks; docs/predict.md has its form. An image that cannot be read has a line with the error.
 * config: compute.*, eval.batch, data.loader_threads and data.prefetch. Collective; rank 0 writes.
 * Errors: DHO_ERR_CONFIG (an input that is not there, no image at all, those of
 * dho_classifier_open); DHO_ERR_FORMAT at the end when some images could not be read; DHO_ERR_IO
 * (standard output, the page), DHO_ERR_MEMORY, DHO_ERR_COMM. */
dho_status dho_predict(const dho_config *config, dho_comm *comm,
                       const dho_predict_options *options);

#endif

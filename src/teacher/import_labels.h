/* What the importers of soft labels share. Private to src/teacher. */
#ifndef DHO_TEACHER_IMPORT_LABELS_H
#define DHO_TEACHER_IMPORT_LABELS_H

#include "dho/cache_import.h"

/* A soft label as they are saved: the probabilities (T = 1) of some classes. */
typedef struct soft_label {
    int count;             /* of classes that are named */
    int32_t *ids;          /* [count] */
    double *probabilities; /* [count] */
} soft_label;

/* Writes logits whose softmax is the label, the mass that is missing spread evenly over the classes
 * that are not named (a probability of 0 stays one: its logit is beyond fp16's range). used:
 * scratch [classes], all false before and after. *out_best: the class of the largest. Errors:
 * DHO_ERR_FORMAT without a name in front: no such class, one twice, no probability, a sum above 1.
 */
dho_status soft_label_to_logits(const soft_label *label, int classes, bool *used, float *logits,
                                int *out_best);

/* Reads what view v of image `id`, of width x height pixels, was: box and flip of views[v], and its
 * label by soft_label_to_logits into the payload. best[v]: its first class. */
typedef dho_status (*label_reader)(void *context, int64_t id, int width, int height,
                                   dho_cache_record *views, int *best);

/* Soft labels as one program saves them, opened. */
typedef struct label_source {
    const char *kind; /* "FKD", "TinyViT" */
    uint32_t crc;     /* of some of its bytes */
    int views;        /* saved, an image */
    int saved;        /* classes that a label names */
    label_reader read;
    void *context; /* of read */
} label_source;

/* The whole import once the source is open. Collective; `opened` is this rank's status so far, on
 * which all agree first (the source's numbers are used where it is DHO_OK). */
dho_status import_labels(const dho_label_import *import, dho_comm *comm, dho_status opened,
                         const label_source *source);

#endif

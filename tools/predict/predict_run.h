/* All ranks through the parts of the input. Private to tools/predict. */
#ifndef DHO_PREDICT_PREDICT_RUN_H
#define DHO_PREDICT_PREDICT_RUN_H

#include "dho/infer.h"
#include "predict/predict_inputs.h"
#include "predict/predict_page.h"

typedef struct dho_predict_run {
    dho_comm *comm; /* borrowed, as the next four */
    const dho_predict_options *options;
    const dho_classifier *classifier;
    dho_infer *infer;
    dho_result_maker *maker;
    dho_picture_memory pictures; /* owned */
    dho_text lines, cards;       /* owned; this rank's of the round in hand */
    dho_text page;               /* owned; rank 0: all cards so far */
    dho_totals totals;           /* of this rank's images; `images`: of all ranks, and before */
    double told;                 /* when the progress was last said */
} dho_predict_run;

/* Predicts the images of a part and writes their lines. A part that cannot be read is one line,
 * with the error. Collective. */
dho_status dho_predict_part(dho_predict_run *run, const dho_input_part *part);
void dho_predict_run_free(dho_predict_run *run);

#endif

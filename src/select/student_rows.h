/* What a student says of this rank's images. Private to src/select. */
#ifndef DHO_SELECT_STUDENT_ROWS_H
#define DHO_SELECT_STUDENT_ROWS_H

#include "dho/classifier.h"
#include "dho/infer.h"
#include "dho/select.h"

typedef struct dho_select_student {
    const dho_config *config;
    dho_infer *infer;
    const dho_classifier *classifier; /* coreset: its model, which gives features */
} dho_select_student;

/* The numbers of a row: classes (predictions), or channels of the features. */
size_t dho_select_width(const dho_select_student *student, dho_select_by by);

/* pcoreset: the combined prediction of each of the rank's images; coreset: its features, of length
 * 1. rows: [dho_deal_count][width]. The list's outputs are not used. Local.
 * Errors: those of dho_infer_share. */
dho_status dho_select_rows(const dho_select_student *student, const dho_infer_list *list,
                           dho_select_by by, float *rows);
/* entropy: the entropy of the combined prediction; margin: its margin, negative: of both, the
 * largest is labelled first. scores: [dho_deal_count]. Otherwise as dho_select_rows. */
dho_status dho_select_scores(const dho_select_student *student, const dho_infer_list *list,
                             dho_select_by by, double *scores);

#endif

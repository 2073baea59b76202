/* What is said of one image, and as which text. Private to tools/predict. */
#ifndef DHO_PREDICT_PREDICT_RESULT_H
#define DHO_PREDICT_PREDICT_RESULT_H

#include "base/text.h"
#include "predict/predict.h"

/* A class and its probabilities. */
typedef struct dho_likely {
    int class_index;
    double p;     /* of the combination */
    float ce, kd; /* of each head, where there are two */
} dho_likely;

typedef struct dho_result {
    const char *path;  /* as the user would open it; borrowed */
    const char *error; /* NULL: the image has been read; borrowed */
    dho_likely *top;   /* [count], the likeliest first; borrowed from the maker */
    int count;
    double score; /* of the rejection, dho_classifier_score; 0 without */
    bool accepted;
} dho_result;

/* Makes results, one after the other: the last one's memory is the next one's. */
typedef struct dho_result_maker {
    const dho_classifier *classifier; /* borrowed */
    dho_reject reject;
    double limit; /* the largest score that is accepted */
    int top;
    float *ce, *kd;   /* owned, [classes] */
    double *p;        /* owned, [classes] */
    dho_likely *best; /* owned, [top] */
} dho_result_maker;

/* classifier, reject, limit and top are set. Errors: DHO_ERR_MEMORY. */
dho_status dho_result_maker_open(dho_result_maker *maker);
void dho_result_maker_close(dho_result_maker *maker);

/* From the logits of each head, [classes]. Of equally likely classes the first one comes first. An
 * output that is not finite is an error of this image. */
void dho_result_make(dho_result_maker *maker, const float *const heads[2], const char *path,
                     dho_result *out);

/* A line of the output, with its end: JSON, or CSV. */
dho_status dho_result_add_json(const dho_result_maker *maker, const dho_result *result,
                               dho_text *out);
void dho_result_add_csv(const dho_result_maker *maker, const dho_result *result, dho_text *out);
void dho_result_add_csv_head(const dho_result_maker *maker, dho_text *out);

#endif

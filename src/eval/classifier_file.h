/* What dho_classifier_predict_file keeps between images. Private to src/eval. */
#ifndef DHO_EVAL_CLASSIFIER_FILE_H
#define DHO_EVAL_CLASSIFIER_FILE_H

struct dho_classifier_run;
void dho_classifier_run_close(struct dho_classifier_run **run);

#endif

/* A classifier from a file of dho export. Private to src/eval. */
#ifndef DHO_EVAL_CLASSIFIER_EXPORT_H
#define DHO_EVAL_CLASSIFIER_EXPORT_H

#include "dho/classifier.h"

/* See dho_classifier_open. Collective. */
dho_status dho_classifier_open_export(dho_comm *comm, const char *path, dho_classifier *out);

#endif

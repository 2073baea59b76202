/* The inputs of a command line as parts that are predicted one after the other.
 * Private to tools/predict. */
#ifndef DHO_PREDICT_PREDICT_INPUTS_H
#define DHO_PREDICT_PREDICT_INPUTS_H

#include "dho/comm.h"
#include "dho/dataset.h"
#include "predict/predict.h"

typedef enum dho_part_kind { DHO_PART_FILES, DHO_PART_HEAP } dho_part_kind;

typedef struct dho_input_part {
    dho_part_kind kind;
    const char *const *names; /* borrowed, [count]: images; of a heap one folder or tar */
    size_t count;
} dho_input_part;

typedef struct dho_inputs {
    dho_input_part *parts; /* owned, [part_count] */
    size_t part_count;
    /* The lists of names, read: owned. */
    struct dho_name_text {
        char *text;
        const char **names; /* into text */
        size_t count;
    } lists[2];
} dho_inputs;

/* Images that follow one another are one part. Rank 0 reads the lists. Nothing but the words is
 * looked at: whether they are there. Collective. Errors: DHO_ERR_CONFIG (a word that is nothing, a
 * list that cannot be read or names nothing), DHO_ERR_MEMORY. */
dho_status dho_inputs_open(dho_comm *comm, const dho_predict_options *options, dho_inputs *out);
void dho_inputs_close(dho_inputs *inputs);

/* The images of a part. Local; errors as those of dho_dataset_open_files and
 * dho_dataset_open_unlabelled. */
dho_status dho_input_part_open(const dho_input_part *part, dho_dataset *out);

#endif

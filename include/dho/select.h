/* What to label next: chooses unlabelled training images by what a student says of them
 * (docs/select.md). */
#ifndef DHO_SELECT_H
#define DHO_SELECT_H

#include "dho/comm.h"
#include "dho/config.h"
#include "dho/dataset.h"
#include "dho/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* p is the combined prediction, alpha softmax(ce) + (1 - alpha) softmax(kd / beta); of a student
 * with one head, its softmax. */
typedef enum dho_select_by {
    DHO_SELECT_PCORESET, /* farthest-first in p (Kang et al., arXiv 2506.00910) */
    DHO_SELECT_ENTROPY,  /* largest -sum p ln p, nats */
    DHO_SELECT_MARGIN,   /* smallest difference of the two largest p */
    DHO_SELECT_CORESET,  /* farthest-first in the features, of length 1 (Sener & Savarese 2018) */
    DHO_SELECT_RANDOM    /* by (seed of the configuration, id) */
} dho_select_by;

typedef struct dho_select_options {
    const char *checkpoint; /* a checkpoint or a run's folder; random looks at none */
    dho_select_by by;
    int64_t budget; /* images to choose, >= 1 */
} dho_select_options;

/* value: the distance to the nearest labelled or chosen image when it was chosen (pcoreset,
 * coreset), the entropy, the margin, or the random number. */
typedef struct dho_choice {
    int64_t id;
    double value;
} dho_choice;

typedef struct dho_selection {
    dho_dataset dataset;  /* owned: the training images */
    dho_id_list labelled; /* owned: those that have a label, held out or not; each once */
    dho_choice *chosen;   /* owned, [count], the best first; on every rank */
    int64_t count;
} dho_selection;

/* Chooses among the training images that have no label by the configuration (data.labels). All
 * ranks compute; the result does not depend on their number. alpha and beta are those of the
 * evaluation of this very checkpoint (dho_classifier_open_checkpoint), or else of the
 * configuration. Rank r of P keeps (pcoreset, coreset) a float for
 * each of its images / P and each class (feature), and 8 bytes an image. Collective.
 * Owned by the caller, dho_selection_free; all zero on error. Errors: DHO_ERR_CONFIG (fewer
 * unlabelled images than the budget), and those of the data set, the checkpoint and inference. */
dho_status dho_select(const dho_config *config, dho_comm *comm, const dho_select_options *options,
                      dho_selection *out);
void dho_selection_free(dho_selection *selection);

/* Writes a label list (dho_subset_file) of the labelled images and, behind them, the chosen ones,
 * atomically. Local. Errors: those of dho_subset_file_save. */
dho_status dho_selection_save(dho_selection *selection, const char *path);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif

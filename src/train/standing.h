/* What the evaluations of a run have said so far: its best checkpoint, and whether it has waited
 * long enough for a better one. Private to src/train. */
#ifndef DHO_TRAIN_STANDING_H
#define DHO_TRAIN_STANDING_H

#include "dho/checkpoint.h"

/* How values are compared. */
typedef struct dho_standing_rule {
    bool lower_is_better;
    double min_delta; /* of train.patience: >= 0 */
} dho_standing_rule;

/* Takes in the value at `step`. True when it is the best so far: the first is, and one that is
 * better than `best`; an equal one is not. `waited` counts the values that were not better than
 * `reference` by more than min_delta, as Keras's and Lightning's EarlyStopping do; the first such
 * value behind them becomes the reference. */
bool dho_standing_take(dho_standing *standing, const dho_standing_rule *rule, double value,
                       int64_t step);

#endif

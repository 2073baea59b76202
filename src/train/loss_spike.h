/* Has the loss jumped, as in a run that diverges without a value that is not finite? Private to
 * src/train. */
#ifndef DHO_TRAIN_LOSS_SPIKE_H
#define DHO_TRAIN_LOSS_SPIKE_H

#include <stdbool.h>
#include <stdint.h>

enum { DHO_SPIKE_WINDOW = 50 };

/* A spike begins with a loss above 3 times the median of the last 50 losses (those of spikes are
 * not counted) that is also above half of ln(classes), what guessing gets in cross-entropy; it ends
 * with one below 1.5 times that median. */
typedef struct dho_loss_spike {
    int64_t step;  /* at which the newest one began; 0: none yet */
    bool on;       /* it has not ended */
    double median; /* of the losses before it */
    double losses[DHO_SPIKE_WINDOW];
    int count, next; /* of `losses`, a ring */
} dho_loss_spike;

/* Takes in the loss of a step (finite). True: a spike begins with it. */
bool dho_loss_spike_take(dho_loss_spike *spike, int64_t step, double loss, int classes);

#endif

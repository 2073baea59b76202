/* The average of the weights over the steps (train.ema). Private to src/train. */
#ifndef DHO_TRAIN_EMA_H
#define DHO_TRAIN_EMA_H

#include <stddef.h>

/* average = decay average + (1 - decay) values, in float. For the weights and for the running
 * statistics of batch normalisation alike, after each update, as timm's ModelEmaV2 does with all of
 * a state dict (timm/utils/model_ema.py). Each number is on its own: the bits do not depend on
 * `threads`. Local. */
void dho_ema_update(size_t count, double decay, const float *values, float *average, int threads);

#endif

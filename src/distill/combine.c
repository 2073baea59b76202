#include "dho/distill.h"

#include <math.h>

/* probabilities += weight * softmax(logits / temperature) over the unmasked classes. */
static void add_softmax(int classes, const bool *mask, const float *logits, double temperature,
                        double weight, float *probabilities)
{
    double max = -INFINITY, sum = 0;
    for (int c = 0; c < classes; c++)
        if ((mask == NULL || mask[c]) && logits[c] > max) max = logits[c];
    for (int c = 0; c < classes; c++)
        if (mask == NULL || mask[c]) sum += exp((logits[c] - max) / temperature);
    for (int c = 0; c < classes; c++)
        if (mask == NULL || mask[c])
            probabilities[c] += (float)(weight * exp((logits[c] - max) / temperature) / sum);
}

void dho_combine_heads(int classes, const bool *mask, const float *ce, const float *kd,
                       double alpha, double beta, float *probabilities)
{
    for (int c = 0; c < classes; c++) probabilities[c] = 0;
    if (kd == NULL) {
        add_softmax(classes, mask, ce, 1, 1, probabilities);
        return;
    }
    add_softmax(classes, mask, ce, 1, alpha, probabilities);
    add_softmax(classes, mask, kd, beta, 1 - alpha, probabilities);
}

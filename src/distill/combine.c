#include "dho/distill.h"

#include <math.h>

void dho_masked_softmax(int classes, const bool *mask, const float *logits, double temperature,
                        float *p)
{
    float max = -INFINITY;
    for (int c = 0; c < classes; c++)
        if ((mask == NULL || mask[c]) && logits[c] > max) max = logits[c];
    const float scale = (float)(1 / temperature);
    double sum = 0;
    for (int c = 0; c < classes; c++) {
        p[c] = mask == NULL || mask[c] ? expf((logits[c] - max) * scale) : 0;
        sum += p[c];
    }
    for (int c = 0; c < classes; c++) p[c] = (float)(p[c] / sum);
}

#include "train/loss_spike.h"

#include "base/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double begins = 3, ends = 1.5, of_guessing = 0.5;

static double median_of(const dho_loss_spike *spike)
{
    double sorted[DHO_SPIKE_WINDOW];
    memcpy(sorted, spike->losses, (size_t)spike->count * sizeof *sorted);
    qsort(sorted, (size_t)spike->count, sizeof *sorted, dho_compare_doubles);
    return sorted[spike->count / 2];
}

static void keep(dho_loss_spike *spike, double loss)
{
    spike->losses[spike->next] = loss;
    spike->next = (spike->next + 1) % DHO_SPIKE_WINDOW;
    if (spike->count < DHO_SPIKE_WINDOW) spike->count++;
}

bool dho_loss_spike_take(dho_loss_spike *spike, int64_t step, double loss, int classes)
{
    const bool was_on = spike->on;
    if (spike->count > 0) {
        const double median = median_of(spike);
        if (was_on)
            spike->on = loss >= ends * median;
        else
            spike->on = loss > begins * median && loss > of_guessing * log(classes);
        if (spike->on && !was_on) {
            spike->step = step;
            spike->median = median;
        }
    }
    if (!spike->on) keep(spike, loss);
    return spike->on && !was_on;
}

/* The temperature with the least negative log-likelihood. */
#include "dho/calibration.h"

#include "dho/alloc.h"
#include "eval/log_probability.h"

#include <math.h>

enum { MOST_STEPS = 60 };

/* First and second derivative of an image's nll by s = 1/T: with q = softmax(s z),
 *   d nll / ds = E_q[z] - z_y,   d2 nll / ds2 = Var_q[z]. */
typedef struct slope {
    double first, second;
} slope;

static slope slope_of(int classes, const double *z, int32_t label, double s)
{
    const double log_sum = dho_log_sum_exp(classes, z, s);
    double mean = 0, square = 0;
    for (int c = 0; c < classes; c++) {
        if (z[c] == -INFINITY) continue;
        const double q = exp(s * z[c] - log_sum), d = z[c] - z[label];
        mean += q * d;
        square += q * d * d;
    }
    return (slope){.first = mean, .second = square - mean * mean};
}

/* The mean over all images; slopes: [count]; memory: [threads][classes]. */
static slope mean_slope(const dho_head_outputs *outputs, const dho_combination *by, double s,
                        int threads, slope *slopes, double *memory)
{
    const int64_t count = outputs->count;
    const int classes = outputs->classes;
    slope sum = {0};
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int t = 0; t < threads; t++) {
        double *z = memory + (size_t)t * (size_t)classes;
        for (int64_t i = count * t / threads; i < count * (t + 1) / threads; i++) {
            dho_log_probability(outputs, i, by->alpha, by->beta, z);
            slopes[i] = slope_of(classes, z, outputs->labels[i], s);
        }
    }
    for (int64_t i = 0; i < count; i++) {
        sum.first += slopes[i].first / (double)count;
        sum.second += slopes[i].second / (double)count;
    }
    return sum;
}

/* A Newton step that would leave the bracket halves it instead. */
static double minimise(const dho_head_outputs *outputs, const dho_combination *by, int threads,
                       slope *slopes, double *memory)
{
    double low = 1 / DHO_TEMPERATURE_MOST, high = 1 / DHO_TEMPERATURE_LEAST, s = 1;
    for (int step = 0; step < MOST_STEPS; step++) {
        const slope at = mean_slope(outputs, by, s, threads, slopes, memory);
        if (at.first == 0) break;
        if (at.first > 0)
            high = s;
        else
            low = s;
        double next = s - at.first / at.second;
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        const double moved = fabs(next - s);
        s = next;
        if (moved <= 1e-10 * s) break;
    }
    return s;
}

dho_status dho_outputs_temperature(const dho_head_outputs *outputs, const dho_combination *by,
                                   int threads, double *out)
{
    slope *slopes = NULL;
    double *memory = NULL;
    dho_status status;
    *out = 1;
    if (outputs->count == 0) return DHO_OK;
    DHO_TRY_GOTO(dho_alloc(&slopes, (size_t)outputs->count, sizeof *slopes, "temperature"));
    DHO_TRY_GOTO(dho_alloc(&memory, (size_t)threads * (size_t)outputs->classes, sizeof *memory,
                           "temperature"));
    *out = 1 / minimise(outputs, by, threads, slopes, memory);
fail:
    dho_free(slopes);
    dho_free(memory);
    return status;
}

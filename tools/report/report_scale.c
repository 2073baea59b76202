#include "report/report_scale.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The smallest of 1, 2, 5 times a power of ten that is not below `step`. */
static double nice_step(double step)
{
    const double power = pow(10, floor(log10(step)));
    const double factors[] = {1, 2, 5};
    for (size_t i = 0; i < 3; i++)
        if (step <= factors[i] * power * (1 + 1e-9)) return factors[i] * power;
    return 10 * power;
}

/* Finite ends in order, not too near to each other for doubles between them. */
static void repair(double *low, double *high)
{
    const double most = 1e300;
    if (!isfinite(*low) || !isfinite(*high)) {
        *low = isfinite(*low) ? *low : isfinite(*high) ? *high - 1 : 0;
        *high = isfinite(*high) ? *high : *low + 1;
    }
    *low = fmin(fmax(*low, -most), most);
    *high = fmin(fmax(*high, -most), most);
    if (*low > *high) {
        const double other = *low;
        *low = *high;
        *high = other;
    }
    const double size = fmax(fabs(*low), fabs(*high)), least = size > 0 ? size * 1e-9 : 1e-300;
    if (*high - *low > least) return;
    const double half = size > 0 ? size / 2 : 0.5;
    *low -= half;
    *high += half;
}

static void linear_ticks(dho_scale *scale, size_t wanted, bool widen)
{
    const double step = nice_step((scale->high - scale->low) / (double)(wanted > 1 ? wanted : 2));
    double first = ceil(scale->low / step - 1e-9), last = floor(scale->high / step + 1e-9);
    if (widen) {
        first = floor(scale->low / step + 1e-9);
        last = ceil(scale->high / step - 1e-9);
        scale->low = first * step;
        scale->high = last * step;
    }
    for (double k = first; k <= last && scale->tick_count < DHO_MAX_TICKS; k++)
        scale->ticks[scale->tick_count++] = k == 0 ? 0 : k * step; /* never -0 */
    const double places = -floor(log10(step) + 1e-9);
    scale->digits = places > 0 ? (int)fmin(places, 12) : 0;
}

/* Powers of ten, thinned out when there are many; over few decades also 2 and 5 times them. */
static void log_ticks(dho_scale *scale, size_t wanted)
{
    const double first = floor(log10(scale->low) + 1e-9), last = ceil(log10(scale->high) - 1e-9);
    const double decades = last - first, stride = fmax(1, ceil(decades / (double)wanted));
    if (decades > 2) {
        scale->low = pow(10, first);
        scale->high = pow(10, first + stride * ceil(decades / stride));
    }
    const double factors[] = {1, 2, 5};
    for (double k = first; k <= last + stride; k += stride)
        for (size_t f = 0; f < (decades > 2 ? 1 : 3); f++) {
            const double tick = factors[f] * pow(10, k);
            if (tick < scale->low * (1 - 1e-9) || tick > scale->high * (1 + 1e-9)) continue;
            if (scale->tick_count < DHO_MAX_TICKS) scale->ticks[scale->tick_count++] = tick;
        }
}

dho_scale dho_scale_create(double low, double high, size_t wanted, bool log)
{
    repair(&low, &high);
    dho_scale scale = {.low = low, .high = high, .log = log && low > 1e-100 && high < 1e100};
    if (scale.log)
        log_ticks(&scale, wanted);
    else
        linear_ticks(&scale, wanted, true);
    return scale;
}

dho_scale dho_scale_fixed(double low, double high, size_t wanted)
{
    repair(&low, &high);
    dho_scale scale = {.low = low, .high = high};
    linear_ticks(&scale, wanted, false);
    return scale;
}

double dho_scale_place(const dho_scale *scale, double value)
{
    if (scale->log) {
        if (!(value > 0)) return -1;
        return (log10(value) - log10(scale->low)) / (log10(scale->high) - log10(scale->low));
    }
    return (value - scale->low) / (scale->high - scale->low);
}

/* 1.0e-06 -> 1e-6 */
static void tidy_exponent(char *word)
{
    char *e = strchr(word, 'e');
    if (e == NULL) return;
    char *from = e + 1, *to = e + 1;
    if (*from == '-') to++;
    if (*from == '-' || *from == '+') from++;
    while (*from == '0' && from[1] != '\0') from++;
    memmove(to, from, strlen(from) + 1);
}

void dho_number_word(double value, int digits, char *out, size_t bytes)
{
    const double size = fabs(value);
    if (!isfinite(value))
        snprintf(out, bytes, "%s", "n/a");
    else if (size >= 1000 && size < 1e9)
        snprintf(out, bytes, "%.0f", value); /* %g would round 12345 to 1.23e+04 */
    else
        snprintf(out, bytes, "%.*g", digits, value);
    tidy_exponent(out);
}

void dho_scale_word(const dho_scale *scale, size_t i, char *out, size_t bytes)
{
    const double value = scale->ticks[i];
    const double size = fmax(fabs(scale->low), fabs(scale->high));
    if (scale->log || size >= 1e9 || (size > 0 && size < 1e-3)) {
        snprintf(out, bytes, "%.3g", value);
        tidy_exponent(out);
    } else if (size >= 1e6) {
        snprintf(out, bytes, value == 0 ? "0" : "%.3gM", value / 1e6);
    } else if (size >= 1e4) {
        snprintf(out, bytes, value == 0 ? "0" : "%.4gk", value / 1e3);
    } else {
        snprintf(out, bytes, "%.*f", scale->digits, value);
    }
}

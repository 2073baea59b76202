#include "infer/calibrate.h"

#include "base/compare.h"
#include "dho/alloc.h"
#include "nn/graph_onnx.h"

#include <math.h>

enum { BINS = 4096, LOW = -128, HIGH = 127 };

/* How often a value was where in [-reach, reach), a power of two that grows: then two bins become
 * one, so that the counts do not depend on the order of the images. */
typedef struct histogram {
    double reach; /* 0: nothing was seen */
    int64_t bins[BINS];
    double least, most;
} histogram;

typedef struct calibration {
    const dho_int8_value *kinds; /* [values] */
    histogram **seen;            /* owned, [values]; NULL: is not rounded in a range of its own */
    dho_value not_finite;        /* -1: none */
} calibration;

static void widen(histogram *h, double largest)
{
    if (h->reach <= 0) {
        h->reach = exp2(floor(log2(largest > 1e-30 ? largest : 1e-30)) + 1);
        return;
    }
    while (h->reach <= largest) {
        int64_t wide[BINS] = {0};
        for (int b = 0; b < BINS; b++) wide[BINS / 4 + b / 2] += h->bins[b];
        for (int b = 0; b < BINS; b++) h->bins[b] = wide[b];
        h->reach *= 2;
    }
}

static void observe(void *context, dho_value x, size_t count, void *values)
{
    calibration *c = context;
    histogram *h = c->seen[x];
    const float *v = values;
    float least = 0, most = 0, sum = 0;
    if (h == NULL) return;
    for (size_t i = 0; i < count; i++) {
        least = v[i] < least ? v[i] : least;
        most = v[i] > most ? v[i] : most;
        sum += 0 * v[i]; /* not a number, where one is not finite */
    }
    if (!(sum == 0)) {
        c->not_finite = x;
        return;
    }
    h->least = dho_smaller(h->least, (double)least);
    h->most = dho_larger(h->most, (double)most);
    widen(h, dho_larger(-(double)least, (double)most));
    const float factor = (float)(BINS / 2 / h->reach);
    for (size_t i = 0; i < count; i++) h->bins[(int)(v[i] * factor + BINS / 2)]++;
}

static dho_onnx_rounding rounding_of(const histogram *h)
{
    int64_t total = 0, below = 0, above = 0;
    int low = 0, high = BINS;
    for (int b = 0; b < BINS; b++) total += h->bins[b];
    const double left_out = DHO_CALIBRATE_LEFT_OUT * (double)total;
    while (low < BINS && (double)(below + h->bins[low]) <= left_out) below += h->bins[low++];
    while (high > 0 && (double)(above + h->bins[high - 1]) <= left_out) above += h->bins[--high];
    const double width = 2 * h->reach / BINS;
    const double least = fmin(0, fmax(h->least, low * width - h->reach));
    const double most = fmax(0, fmin(h->most, high * width - h->reach));
    const double scale = fmax((most - least) / (HIGH - LOW), 1e-20);
    return (dho_onnx_rounding){.scale = (float)scale, .zero = (int)lrint(LOW - least / scale)};
}

static dho_status open_histograms(calibration *c, int values)
{
    DHO_TRY(dho_alloc_zero(&c->seen, (size_t)values, sizeof *c->seen, "calibration"));
    for (int x = 0; x < values; x++)
        if (c->kinds[x] == DHO_INT8_ROUNDED)
            DHO_TRY(dho_alloc_zero(&c->seen[x], 1, sizeof **c->seen, "calibration"));
    return DHO_OK;
}

static dho_status run(calibration *c, dho_infer *infer, const dho_infer_images *images)
{
    const dho_batch *batch;
    dho_infer_observe(infer, observe, c);
    dho_status status = dho_infer_start(infer, images);
    do {
        if (status == DHO_OK) status = dho_infer_next(infer, &batch);
    } while (status == DHO_OK && batch->count > 0);
    dho_infer_observe(infer, NULL, NULL);
    dho_infer_stop(infer);
    if (status == DHO_OK && c->not_finite >= 0)
        status = dho_fail(DHO_ERR_NUMERIC, "calibration: a value of operator %d is not finite",
                          c->not_finite);
    return status;
}

dho_status dho_calibrate(dho_infer *infer, const dho_student *student,
                         const dho_infer_images *images, dho_onnx_rounding *out)
{
    const int values = dho_graph_values(student->graph);
    calibration c = {.not_finite = -1};
    dho_int8_value *kinds = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc(&kinds, (size_t)values, sizeof *kinds, "calibration"));
    dho_int8_values(student->graph, student->features, kinds);
    c.kinds = kinds;
    DHO_TRY_GOTO(open_histograms(&c, values));
    DHO_TRY_GOTO(run(&c, infer, images));
    for (int x = 0; x < values; x++) {
        out[x] = (dho_onnx_rounding){0};
        if (kinds[x] == DHO_INT8_ROUNDED) out[x] = rounding_of(c.seen[x]);
        if (kinds[x] == DHO_INT8_AS_INPUT) out[x] = out[dho_graph_first_input(student->graph, x)];
    }
fail:
    for (int x = 0; c.seen != NULL && x < values; x++) dho_free(c.seen[x]);
    dho_free(c.seen);
    dho_free(kinds);
    return status;
}

void dho_calibrate_round(void *roundings, dho_value x, size_t count, void *values)
{
    const dho_onnx_rounding how = ((const dho_onnx_rounding *)roundings)[x];
    float *v = values;
    if (how.scale <= 0) return;
    const float zero = (float)how.zero;
    for (size_t i = 0; i < count; i++) {
        float q = nearbyintf(v[i] / how.scale) + zero;
        q = q < LOW ? LOW : q > HIGH ? HIGH : q;
        v[i] = (q - zero) * how.scale;
    }
}

#include "weights/position.h"

#include "dho/alloc.h"

#include <math.h>
#include <string.h>

/* Keys (1981) with a = -0.5, as Pillow and torch's antialiased filter have it. */
static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/* The weights of one output position: `count` of them from *first on, summing to 1. The filter is
 * stretched by the scale when there are fewer positions after than before. */
static int weights_at(int from, int to, int position, double *weights, int *first)
{
    const double scale = (double)from / to, stretch = scale > 1 ? scale : 1;
    const double support = 2 * stretch, center = scale * (position + 0.5);
    int begin = (int)(center - support + 0.5), end = (int)(center + support + 0.5);
    double sum = 0;
    begin = begin > 0 ? begin : 0;
    end = end < from ? end : from;
    for (int i = begin; i < end; i++)
        sum += weights[i - begin] = cubic((i - center + 0.5) / stretch);
    for (int i = 0; i < end - begin; i++) weights[i] /= sum;
    *first = begin;
    return end - begin;
}

/* One direction: `lines` lines of `from` and then `to` positions of `count` floats; a line is
 * line_from (line_to) floats from the next, a position step_from (step_to). */
typedef struct pass {
    int from, to, lines, count;
    size_t line_from, step_from, line_to, step_to;
} pass;

static void run_pass(const pass *p, double *weights, const float *in, float *out)
{
    for (int position = 0; position < p->to; position++) {
        int first;
        const int taps = weights_at(p->from, p->to, position, weights, &first);
        for (int line = 0; line < p->lines; line++) {
            const float *x = in + (size_t)line * p->line_from + (size_t)first * p->step_from;
            float *y = out + (size_t)line * p->line_to + (size_t)position * p->step_to;
            for (int c = 0; c < p->count; c++) {
                double sum = 0;
                for (int i = 0; i < taps; i++)
                    sum += weights[i] * (double)x[(size_t)i * p->step_from + (size_t)c];
                y[c] = (float)sum;
            }
        }
    }
}

dho_status dho_position_resize(int from_side, int to_side, int channels, const float *from,
                               float *to)
{
    dho_status status;
    double *weights = NULL;
    float *half = NULL; /* [from_side][to_side][channels] */
    const size_t c = (size_t)channels, old = (size_t)from_side, fresh = (size_t)to_side;
    DHO_TRY_GOTO(dho_alloc(&weights, old + 1, sizeof *weights, "position embeddings"));
    DHO_TRY_GOTO(dho_alloc(&half, old * fresh * c, sizeof *half, "position embeddings"));
    memcpy(to, from, c * sizeof *to);
    const pass across = {from_side, to_side, from_side, channels, old * c, c, fresh * c, c};
    run_pass(&across, weights, from + c, half);
    const pass down = {from_side, to_side, to_side, channels, c, fresh * c, c, fresh * c};
    run_pass(&down, weights, half, to + c);
    status = DHO_OK;
fail:
    dho_free(weights);
    dho_free(half);
    return status;
}

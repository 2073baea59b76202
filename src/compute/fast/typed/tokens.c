/* Patches to tokens, tokens to vectors: bound by memory, a few passes of a training step. */
#include "base/fast_math.h"
#include "compute/fast/fast_tables.h"
#include "compute/fast/typed/element.h"

#include <string.h>

typedef struct tokens {
    int batch, tokens, channels, parts;
    bool accumulate;
    const element *x, *dy; /* patches; gradient of tokens */
    element *y, *dx;
    const float *stream, *class_embedding, *position;
    float *out, *dclass, *dposition;
} tokens;

static void add_row(int channels, const float *restrict from, float *restrict to)
{
#pragma omp simd
    for (int c = 0; c < channels; c++) to[c] += from[c];
}

/* Parts are ranges of images. */
static void embed_part(void *context, int part)
{
    const tokens *t = context;
    const int channels = t->channels;
    const dho_range mine = dho_range_of((int64_t)t->batch * t->tokens, 1, t->parts, part);
    for (int64_t i = mine.begin; i < mine.end; i++) {
        const int64_t image = i / t->tokens, token = i % t->tokens;
        const float *restrict position = t->position + token * channels;
        const float *restrict first = t->class_embedding;
        float *restrict out = t->out + i * channels;
        const element *restrict x =
            token == 0 ? NULL : t->x + (image * (t->tokens - 1) + token - 1) * channels;
        if (token == 0) {
#pragma omp simd
            for (int c = 0; c < channels; c++) out[c] = first[c] + position[c];
        } else {
#pragma omp simd
            for (int c = 0; c < channels; c++) out[c] = LOAD(x[c]) + position[c];
        }
    }
}

static void embed_tokens_forward(dho_compute *compute, const dho_places_shape *shape, const void *x,
                                 const float *class_embedding, const float *position, float *y)
{
    tokens t = {.batch = shape->batch,
                .tokens = shape->positions + 1,
                .channels = shape->channels,
                .x = x,
                .class_embedding = class_embedding,
                .position = position,
                .out = y};
    t.parts = dho_compute_parts(compute, (int64_t)t.batch * t.tokens * t.channels);
    dho_compute_parallel(compute, t.parts, embed_part, &t);
}

/* Parts are ranges of positions: each sums over the images in their order. */
static void embed_backward_part(void *context, int part)
{
    const tokens *t = context;
    const int channels = t->channels;
    const dho_range mine = dho_range_of(t->tokens, 1, t->parts, part);
    for (int64_t token = mine.begin; token < mine.end; token++) {
        for (int64_t image = 0; image < t->batch; image++) {
            const float *restrict dy = t->stream + (image * t->tokens + token) * channels;
            add_row(channels, dy, t->dposition + token * channels);
            if (token == 0) {
                add_row(channels, dy, t->dclass);
                continue;
            }
            element *restrict dx = t->dx + (image * (t->tokens - 1) + token - 1) * channels;
#pragma omp simd
            for (int c = 0; c < channels; c++) dx[c] = STORE(dy[c]);
        }
    }
}

static void embed_tokens_backward(dho_compute *compute, const dho_places_shape *shape,
                                  const float *dy, void *dx, float *dclass, float *dposition)
{
    tokens t = {.batch = shape->batch,
                .tokens = shape->positions + 1,
                .channels = shape->channels,
                .stream = dy,
                .dx = dx,
                .dclass = dclass,
                .dposition = dposition};
    t.parts = dho_compute_parts(compute, (int64_t)t.batch * t.tokens * t.channels);
    dho_compute_parallel(compute, t.parts, embed_backward_part, &t);
}

static void take_token_forward(dho_compute *compute, const dho_places_shape *shape, bool wide,
                               const void *x, float *y)
{
    const int batch = shape->batch, count = shape->positions, channels = shape->channels;
    const float *stream = x;
    const element *narrow = x;
    (void)compute;
    for (int64_t b = 0; b < batch; b++) {
        const int64_t from = b * count * channels;
        for (int c = 0; c < channels; c++)
            y[b * channels + c] = wide ? stream[from + c] : LOAD(narrow[from + c]);
    }
}

static void take_token_backward(dho_compute *compute, const dho_places_shape *shape, bool wide,
                                const float *dy, bool accumulate, void *dx)
{
    const int batch = shape->batch, count = shape->positions, channels = shape->channels;
    const size_t rest = (size_t)(count - 1) * (size_t)channels;
    (void)compute;
    for (int64_t b = 0; b < batch; b++) {
        float *stream = (float *)dx + b * count * channels;
        element *narrow = (element *)dx + b * count * channels;
        const float *from = dy + b * channels;
        if (!accumulate && wide) memset(stream + channels, 0, rest * sizeof *stream);
        if (!accumulate && !wide) memset(narrow + channels, 0, rest * sizeof *narrow);
        for (int c = 0; c < channels; c++) {
            if (wide)
                stream[c] = accumulate ? stream[c] + from[c] : from[c];
            else
                narrow[c] = STORE(accumulate ? LOAD(narrow[c]) + from[c] : from[c]);
        }
    }
}

/* Parts are ranges of images. The mean is summed in place of the class token, in float. */
static void pool_part(void *context, int part)
{
    enum { BLOCK = 512 };
    const tokens *t = context;
    const int channels = t->channels, positions = t->tokens - 1;
    const dho_range mine = dho_range_of(t->batch, 1, t->parts, part);
    float sum[BLOCK];
    for (int64_t b = mine.begin; b < mine.end; b++) {
        for (int first = 0; first < channels; first += BLOCK) {
            const int count = channels - first < BLOCK ? channels - first : BLOCK;
            const element *restrict x = t->x + b * positions * channels + first;
            element *restrict y = t->y + b * t->tokens * channels + first;
            const float *restrict position = t->position + first;
            memset(sum, 0, sizeof sum);
            for (int64_t p = 0; p < positions; p++) {
#pragma omp simd
                for (int c = 0; c < count; c++) {
                    const float v = LOAD(x[p * channels + c]);
                    sum[c] += v;
                    y[(p + 1) * channels + c] = STORE(v + position[(p + 1) * channels + c]);
                }
            }
#pragma omp simd
            for (int c = 0; c < count; c++) y[c] = STORE(sum[c] / (float)positions + position[c]);
        }
    }
}

static void pool_tokens_forward(dho_compute *compute, const dho_places_shape *shape, const void *x,
                                const float *position, void *y)
{
    tokens t = {.batch = shape->batch,
                .tokens = shape->positions + 1,
                .channels = shape->channels,
                .x = x,
                .position = position,
                .y = y};
    t.parts = dho_compute_parts(compute, (int64_t)t.batch * t.tokens * t.channels);
    dho_compute_parallel(compute, t.parts, pool_part, &t);
}

/* Parts are ranges of positions. */
static void pool_backward_part(void *context, int part)
{
    const tokens *t = context;
    const int channels = t->channels, positions = t->tokens - 1;
    const float share = 1 / (float)positions;
    const dho_range mine = dho_range_of(t->tokens, 1, t->parts, part);
    for (int64_t token = mine.begin; token < mine.end; token++) {
        float *restrict dposition = t->dposition + token * channels;
        for (int64_t b = 0; b < t->batch; b++) {
            const element *restrict mean = t->dy + b * t->tokens * channels;
            const element *restrict dy = mean + token * channels;
#pragma omp simd
            for (int c = 0; c < channels; c++) dposition[c] += LOAD(dy[c]);
            if (token == 0) continue;
            element *restrict dx = t->dx + (b * positions + token - 1) * channels;
#pragma omp simd
            for (int c = 0; c < channels; c++) {
                const float d = LOAD(dy[c]) + LOAD(mean[c]) * share;
                dx[c] = STORE(t->accumulate ? LOAD(dx[c]) + d : d);
            }
        }
    }
}

static void pool_tokens_backward(dho_compute *compute, const dho_places_shape *shape,
                                 const void *dy, bool accumulate, void *dx, float *dposition)
{
    tokens t = {.batch = shape->batch,
                .tokens = shape->positions + 1,
                .channels = shape->channels,
                .accumulate = accumulate,
                .dy = dy,
                .dx = dx,
                .dposition = dposition};
    t.parts = dho_compute_parts(compute, (int64_t)t.batch * t.tokens * t.channels);
    dho_compute_parallel(compute, t.parts, pool_backward_part, &t);
}

const dho_kernel_table TYPED(dho_fast_tokens) = {
    .kernels = {.embed_tokens_forward = embed_tokens_forward,
                .embed_tokens_backward = embed_tokens_backward,
                .take_token_forward = take_token_forward,
                .take_token_backward = take_token_backward,
                .pool_tokens_forward = pool_tokens_forward,
                .pool_tokens_backward = pool_tokens_backward},
};

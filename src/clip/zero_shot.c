#include "dho/zero_shot.h"

#include "base/json.h"
#include "base/meter.h"
#include "dho/alloc.h"
#include "dho/log.h"
#include "dho/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROMPTS_AT_ONCE = 4096 };

/* The classes first .. first + count - 1 of a rank. */
typedef struct class_range {
    int first, count;
    float *weight, *means; /* owned, [count][dim] */
} class_range;

/* "before{}after" with the name in its place. */
static dho_status fill_template(const char *template, const char *name, char **out)
{
    const char *slot = strstr(template, "{}");
    return dho_asprintf(out, "%.*s%s%s", (int)(slot - template), template, name, slot + 2);
}

static dho_status make_prompts(const dho_zero_shot_options *o, int first, int count, char **out)
{
    for (int c = 0; c < count; c++)
        for (int t = 0; t < o->templates->count; t++)
            DHO_TRY(fill_template(o->templates->lines[t], o->classes->names[first + c],
                                  &out[c * o->templates->count + t]));
    return DHO_OK;
}

static double norm_of(const double *values, size_t count)
{
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += values[i] * values[i];
    return sqrt(squares);
}

/* One class: embeddings [templates][dim] to its rows; `sums`: [2][dim]. */
static dho_status average(const dho_zero_shot_options *o, int class, const float *embeddings,
                          double *sums, float *weight, float *mean)
{
    const size_t dim = (size_t)dho_clip_text_dim(o->text);
    const int templates = o->templates->count;
    double *units = sums + dim;
    memset(sums, 0, 2 * dim * sizeof *sums);
    for (int t = 0; t < templates; t++, embeddings += dim) {
        double squares = 0;
        for (size_t i = 0; i < dim; i++) squares += (double)embeddings[i] * (double)embeddings[i];
        if (!(squares > 0) || !isfinite(squares))
            return dho_fail(DHO_ERR_NUMERIC,
                            "class \"%.80s\", template %d: its embedding cannot be "
                            "normalised",
                            o->classes->names[class], t + 1);
        for (size_t i = 0; i < dim; i++) {
            sums[i] += (double)embeddings[i];
            units[i] += (double)embeddings[i] / sqrt(squares);
        }
    }
    const double norm = o->keep_mean_norms ? templates : norm_of(units, dim);
    if (!(norm > 0))
        return dho_fail(DHO_ERR_NUMERIC, "class \"%.80s\": its prompts cancel out",
                        o->classes->names[class]);
    for (size_t i = 0; i < dim; i++) {
        weight[i] = (float)(units[i] / norm);
        mean[i] = (float)(sums[i] / templates);
    }
    return DHO_OK;
}

/* Some classes of the range, from `done` on. */
static dho_status build_some(const dho_zero_shot_options *o, const class_range *range, int done,
                             int count)
{
    const size_t dim = (size_t)dho_clip_text_dim(o->text);
    const size_t templates = (size_t)o->templates->count, prompts = (size_t)count * templates;
    char **texts = NULL;
    float *embeddings = NULL;
    double *sums = NULL;
    dho_status status;
    DHO_TRY_GOTO(dho_alloc_zero(&texts, prompts, sizeof *texts, "prompts"));
    DHO_TRY_GOTO(dho_alloc(&embeddings, prompts * dim, sizeof *embeddings, "text embeddings"));
    DHO_TRY_GOTO(dho_alloc(&sums, 2 * dim, sizeof *sums, "text embeddings"));
    DHO_TRY_GOTO(make_prompts(o, range->first + done, count, texts));
    DHO_TRY_GOTO(
        dho_clip_text_encode(o->text, (const char *const *)texts, prompts, embeddings, NULL));
    for (int c = 0; c < count; c++) {
        const size_t row = (size_t)(done + c) * dim;
        DHO_TRY_GOTO(average(o, range->first + done + c, embeddings + (size_t)c * templates * dim,
                             sums, range->weight + row, range->means + row));
    }
fail:
    for (size_t i = 0; texts != NULL && i < prompts; i++) dho_free(texts[i]);
    dho_free(texts);
    dho_free(embeddings);
    dho_free(sums);
    return status;
}

static dho_status build_range(const dho_zero_shot_options *o, class_range *range, bool speaks)
{
    const size_t floats = (size_t)range->count * (size_t)dho_clip_text_dim(o->text);
    int step = PROMPTS_AT_ONCE / o->templates->count;
    if (step < 1) step = 1;
    DHO_TRY(dho_alloc(&range->weight, floats, sizeof(float), "text embeddings"));
    DHO_TRY(dho_alloc(&range->means, floats, sizeof(float), "text embeddings"));
    dho_meter meter;
    dho_meter_start(&meter, "prompts: class of this rank", range->count, speaks);
    for (int done = 0; done < range->count; done += step) {
        const int count = range->count - done < step ? range->count - done : step;
        DHO_TRY(build_some(o, range, done, count));
        dho_meter_show(&meter, done + count);
    }
    dho_meter_end(&meter);
    return DHO_OK;
}

/* A JSON list of texts, malloc-ed by Jansson. */
static dho_status list_of(char *const *texts, int count, char **out)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(list, json_string(texts[i]));
    *out = json_array_size(list) == (size_t)count ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    if (*out == NULL) return dho_fail(DHO_ERR_CONFIG, "a class's name is not UTF-8 text");
    return DHO_OK;
}

static dho_status save(const dho_zero_shot_options *o, const float *weight, const float *means,
                       const char *path)
{
    const int64_t classes = o->classes->count, dim = dho_clip_text_dim(o->text);
    const size_t bytes = (size_t)(classes * dim) * sizeof(float);
    const float scale = o->scale != 0 ? o->scale : dho_clip_text_scale(o->text);
    char *names = NULL, *keys = NULL, templates[16], tower[16];
    dho_status status;
    DHO_TRY_GOTO(list_of(o->classes->names, o->classes->count, &names));
    if (o->classes->keys != NULL) DHO_TRY_GOTO(list_of(o->classes->keys, o->classes->count, &keys));
    snprintf(templates, sizeof templates, "%d", o->templates->count);
    snprintf(tower, sizeof tower, "%08" PRIx32, dho_clip_text_crc(o->text));
    const char *const metadata[] = {"format",
                                    "pt",
                                    "model",
                                    o->model,
                                    "tower_crc32",
                                    tower,
                                    "templates",
                                    templates,
                                    "classes",
                                    names,
                                    keys != NULL ? "dataset_classes" : NULL,
                                    keys,
                                    NULL};
    const dho_tensor_view tensors[] = {
        {.name = "weight",
         .dtype = DHO_F32,
         .dims = 2,
         .shape = {classes, dim},
         .data = weight,
         .bytes = bytes},
        {.name = "text_means",
         .dtype = DHO_F32,
         .dims = 2,
         .shape = {classes, dim},
         .data = means,
         .bytes = bytes},
        {.name = "scale", .dtype = DHO_F32, .data = &scale, .bytes = sizeof scale},
    };
    DHO_TRY_GOTO(
        dho_safetensors_save(path, tensors, sizeof tensors / sizeof *tensors, metadata, NULL));
    dho_info("%s: %d classes x %d templates, %d channels, scale %g", path, o->classes->count,
             o->templates->count, (int)dim, (double)scale);
fail:
    free(names);
    free(keys);
    return status;
}

dho_status dho_zero_shot_build(const dho_zero_shot_options *options, dho_comm *comm,
                               const char *path)
{
    const dho_zero_shot_options *o = options;
    const int64_t rank = dho_comm_rank(comm), ranks = dho_comm_size(comm);
    const int64_t classes = o->classes->count;
    class_range range = {.first = (int)(classes * rank / ranks)};
    void *weight = NULL, *means = NULL;
    dho_status status;
    range.count = (int)(classes * (rank + 1) / ranks) - range.first;
    const size_t bytes = (size_t)range.count * (size_t)dho_clip_text_dim(o->text) * sizeof(float);
    DHO_TRY_GOTO(dho_comm_agree(comm, build_range(o, &range, rank == 0)));
    DHO_TRY_GOTO(dho_comm_gather(comm, range.weight, bytes, &weight, NULL));
    DHO_TRY_GOTO(dho_comm_gather(comm, range.means, bytes, &means, NULL));
    DHO_TRY_GOTO(dho_comm_agree(comm, rank == 0 ? save(o, weight, means, path) : DHO_OK));
fail:
    dho_free(range.weight);
    dho_free(range.means);
    dho_free(weight);
    dho_free(means);
    return status;
}

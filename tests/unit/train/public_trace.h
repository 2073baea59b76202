/* Traces of the training scripts of the method's public code (tests/golden/make_public_traces.py
 * wrote them down without dho), and dho's configurations for the same. The test runs in the
 * repository's root. */
#ifndef DHO_TESTS_PUBLIC_TRACE_H
#define DHO_TESTS_PUBLIC_TRACE_H

#include "base/json.h"
#include "check_main.h"
#include "dho/alloc.h"
#include "dho/config.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *trace, *config, *sets[2]; /* sets: what the script is, beside its sizes */
} scripts[] = {
    {"imagenet_semi", "configs/imagenet/vit_b16_1percent.yaml", {NULL}},
    {"imagenet_semi_mixed_precision", "configs/imagenet/vit_l14_336_1percent.yaml", {NULL}},
    {"imagenet_fewshot", "configs/imagenet/fewshot_resnet50.yaml", {NULL}},
    {"imagenet_fewshot_pcgrad",
     "configs/imagenet/fewshot_resnet50.yaml",
     {"method=single_head", "distill.gradients=pcgrad"}},
    {"fine_grained", "configs/fine_grained/caltech101.yaml", {NULL}},
};
enum {
    SCRIPTS = sizeof scripts / sizeof *scripts,
    MOST_SETS = 8,
    MOST_IMAGES = 2000,
    CLASSES = 10
};
enum { OF_CE = 1, OF_KD, OF_TEACHER, OF_GRADIENT, OF_WEIGHT };

static json_t *trace;
static dho_config config; /* of the script, at the trace's sizes */
static int64_t labelled, unlabelled, microbatches;

static inline const json_t *at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    ck_assert_msg(value != NULL, "the trace has no %s", key);
    return value;
}

static inline double number(const json_t *object, const char *key)
{
    ck_assert(json_is_number(at(object, key)));
    return json_number_value(at(object, key));
}

static inline double item(const json_t *array, size_t i)
{
    ck_assert_msg(json_is_number(json_array_get(array, i)), "no number %zu", i);
    return json_number_value(json_array_get(array, i));
}

static inline void assert_near(double found, double expected, double relative, double absolute)
{
    const double error = fabs(found - expected);
    ck_assert_msg(error <= relative * fabs(expected) + absolute, "%.17g, expected %.17g: off by %g",
                  found, expected, error);
}

/* The configuration of script i; scaled: at the trace's sizes. */
static inline void load_config(int i, bool scaled, dho_config *out)
{
    char texts[MOST_SETS][64];
    const char *sets[MOST_SETS];
    size_t count = 0;
    for (int s = 0; s < 2 && scripts[i].sets[s] != NULL; s++) sets[count++] = scripts[i].sets[s];
    const size_t named = count;
    if (scaled) {
        const int batch = (int)number(trace, "batch"), warmup = (int)number(trace, "warmup");
        snprintf(texts[count++], 64, "train.shards=%d", (int)microbatches);
        snprintf(texts[count++], 64, "train.batch_labelled=%d", batch);
        snprintf(texts[count++], 64, "train.batch_unlabelled=%d", batch);
        snprintf(texts[count++], 64, "train.epochs=%d", (int)number(trace, "epochs"));
        if (warmup > 0) snprintf(texts[count++], 64, "train.warmup_steps=%d", warmup);
    }
    for (size_t k = named; k < count; k++) sets[k] = texts[k];
    ck_assert_ok(dho_config_load(out, scripts[i].config, sets, count));
    ck_assert_ok(dho_config_check_train(out, scripts[i].config));
    ck_assert_int_eq(out->compat, DHO_COMPAT_REFERENCE);
}

static inline void open_trace(int i)
{
    char path[128];
    snprintf(path, sizeof path, "tests/golden/public_traces/%s.json", scripts[i].trace);
    ck_assert_ok(dho_json_load(&trace, path, 1 << 20));
    labelled = (int64_t)number(trace, "labelled");
    unlabelled = (int64_t)number(trace, "unlabelled");
    microbatches = (int64_t)number(trace, "microbatches");
    load_config(i, true, &config);
}

static inline void close_trace(void)
{
    dho_config_free(&config);
    json_decref(trace);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}

/* The maker's value(): in [-4, 4), exact in float32. */
static inline float value(uint32_t step, uint32_t row, uint32_t column, uint32_t whose)
{
    uint32_t h = step * 7919 + row * 104729 + column * 1299709 + whose * 15485863;
    h *= 2654435761u;
    h = (h ^ h >> 15) * 2246822519u;
    return ((float)(h >> 16) - 32768) / 8192;
}

static inline int32_t label_of(uint32_t step, uint32_t row)
{
    return (int32_t)((value(step, row, 0, 0) + 4) * 8192) % CLASSES;
}

#endif

/* A small cache with known content, and ways to damage it. For the tests of src/teacher. */
#ifndef DHO_TESTS_CACHE_FIXTURE_H
#define DHO_TESTS_CACHE_FIXTURE_H

#include "base/compare.h"
#include "folder_fixture.h"
#include "teacher/cache_format.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define COUNT_OF(array) (int)(sizeof(array) / sizeof((array)[0]))

static inline dho_cache_spec small_spec(void)
{
    return (dho_cache_spec){.fingerprint = 0xfedcba9876543210,
                            .count = 7,
                            .shards = 3,
                            .views = 2,
                            .payload = DHO_CACHE_EMBEDDING,
                            .encoding = DHO_CACHE_INT8X,
                            .dim = 6,
                            .classes = 4,
                            .image_size = 224,
                            .crop_scale = {0.5, 1},
                            .crop_ratio = {3.0 / 4, 4.0 / 3},
                            .flip = true,
                            .seed = UINT64_MAX,
                            .teacher = "caf\xc3\xa9 \"teacher\""};
}

/* The same with its transform: version 3. */
static inline dho_cache_spec recorded_spec(void)
{
    dho_cache_spec spec = small_spec();
    spec.transform = (dho_cache_transform){.known = true,
                                           .filter = DHO_FILTER_BICUBIC,
                                           .mean = {0.1f, 0.2f, 0.3f},
                                           .std = {1, 2, 0.1f},
                                           .compute = "blis fp32"};
    return spec;
}

/* Several blocks a shard: 20010 bytes a record, 3 records a block. */
static inline dho_cache_spec large_spec(void)
{
    dho_cache_spec spec = small_spec();
    spec.encoding = DHO_CACHE_FP16;
    spec.dim = 10000;
    spec.count = 33;
    return spec;
}

static const float weights[24] = {1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6,
                                  0, 1, 0, 1, 0, 1, 9,  8,  7,  6,  5,  4};
static const float biases[4] = {0.5f, -0.25f, 0, 1e-3f};

static inline float value_of(int64_t id, int view, int i)
{
    return sinf((float)(id * 31 + view * 7 + i) * 0.37f);
}

static inline dho_box box_of(int64_t id, int view)
{
    return (dho_box){(int)id, view, 100 + (int)id, 65535 - view};
}

typedef struct fill_plan {
    const dho_cache_spec *spec;
    int64_t fail_id; /* returns an error there; -1: never */
    int64_t kill_id; /* SIGKILL there; -1: never */
    int calls;
} fill_plan;

static inline dho_status fill(void *context, int64_t id, dho_cache_record *views)
{
    fill_plan *plan = context;
    plan->calls++;
    if (id == plan->fail_id) return dho_fail(DHO_ERR_IO, "image 4 is broken");
    if (id == plan->kill_id) raise(SIGKILL);
    for (int v = 0; v < plan->spec->views; v++) {
        views[v].box = box_of(id, v);
        views[v].flip = (id + v) % 2 == 1;
        for (int i = 0; i < plan->spec->dim; i++) views[v].payload[i] = value_of(id, v, i);
    }
    return DHO_OK;
}

static inline dho_status write_one(const dho_cache_spec *spec, int shard, bool *written)
{
    fill_plan plan = {spec, -1, -1, 0};
    return dho_cache_write_shard(fixture_root, spec, shard, fill, &plan, written);
}

static inline dho_status finish(const dho_cache_spec *spec)
{
    const size_t count = (size_t)spec->classes * (size_t)spec->dim;
    float *weight = malloc(count * sizeof *weight);
    float *bias = calloc((size_t)spec->classes + 4, sizeof *bias);
    for (size_t i = 0; i < count; i++) weight[i] = weights[i % 24];
    memcpy(bias, biases, sizeof biases);
    const dho_teacher_head head = {
        .classes = spec->classes, .dim = spec->dim, .scale = 100, .weight = weight, .bias = bias};
    const dho_status status =
        dho_cache_finish(fixture_root, spec, spec->payload == DHO_CACHE_EMBEDDING ? &head : NULL);
    free(weight);
    free(bias);
    return status;
}

static inline void write_all(const dho_cache_spec *spec)
{
    bool written;
    for (int s = 0; s < spec->shards; s++) ck_assert_ok(write_one(spec, s, &written));
    ck_assert_ok(finish(spec));
}

static inline dho_status open_and_verify(void)
{
    dho_cache *cache;
    DHO_TRY(dho_cache_open(&cache, fixture_root));
    const dho_status status = dho_cache_verify(cache, 0, 1);
    dho_cache_close(&cache);
    return status;
}

static inline void check_record(dho_cache *cache, int64_t id, int view, float *payload)
{
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    dho_cache_record record = {.payload = payload};
    ck_assert_ok(dho_cache_read(cache, id, view, &record));
    dho_box box = {0};
    if (!spec->free_crops) box = box_of(id, view);
    ck_assert_mem_eq(&record.box, &box, sizeof box);
    ck_assert_int_eq(record.flip, !spec->free_crops && (id + view) % 2 == 1);
    float largest = 0;
    for (int i = 0; i < spec->dim; i++)
        largest = (float)dho_larger((double)largest, (double)fabsf(value_of(id, view, i)));
    for (int i = 0; i < spec->dim; i++) {
        const float expected = value_of(id, view, i);
        const float bound = spec->encoding == DHO_CACHE_FP16 ? fabsf(expected) * 0x1p-11f + 0x1p-25f
                                                             : largest / 127 * 0.501f;
        ck_assert_float_le(fabsf(payload[i] - expected), bound);
    }
}

static inline void flip_byte(const char *path, off_t at, int bits)
{
    uint8_t byte;
    const int descriptor = open(path, O_RDWR);
    ck_assert_int_eq(pread(descriptor, &byte, 1, at), 1);
    byte = (uint8_t)(byte ^ bits);
    ck_assert_int_eq(pwrite(descriptor, &byte, 1, at), 1);
    close(descriptor);
}

#endif

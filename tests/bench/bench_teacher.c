/* What the teacher cache costs a training step: dho_teacher_logits for 32 rows at random, 1000
 * classes, of which a training step of `dho bench step` has as many.
 *   bench_teacher [IMAGES [SECONDS [FOLDER]]]
 * Makes three caches of random content (embeddings of 1024 as fp16 and as int8x, top-32 logits) of
 * IMAGES images (default 100000) and prints, for each, the median and the 95 % quantile of a step:
 * with the blocks already checked, and while each block is touched for the first time. Not a test.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/rng.h"
#include "dho/teacher.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 32, DIM = 1024, CLASSES = 1000, TOP = 32, MOST_STEPS = 100000 };

static void check(dho_status status)
{
    if (status == DHO_OK) return;
    fprintf(stderr, "%s\n", dho_error_message());
    exit(EXIT_FAILURE);
}

static dho_status fill(void *context, int64_t id, dho_cache_record *views)
{
    const dho_cache_spec *spec = context;
    dho_rng rng;
    dho_rng_init(&rng, 1, DHO_RNG_TEST, 0, (uint64_t)id);
    for (int i = 0; i < spec->dim; i++)
        views[0].payload[i] = (float)dho_rng_u32(&rng) * 0x1p-31f - 1;
    views[0].box = (dho_box){.x = 3, .y = 4, .width = 200, .height = 180};
    return DHO_OK;
}

static dho_cache_spec make_spec(dho_cache_encoding encoding, int64_t images)
{
    const bool top = encoding == DHO_CACHE_TOPK;
    return (dho_cache_spec){.count = images,
                            .shards = 8,
                            .views = 1,
                            .payload = top ? DHO_CACHE_LOGITS : DHO_CACHE_EMBEDDING,
                            .encoding = encoding,
                            .dim = top ? CLASSES : DIM,
                            .classes = CLASSES,
                            .top = top ? TOP : 0,
                            .crop_scale = {0.5, 1},
                            .crop_ratio = {0.75, 1.5},
                            .teacher = "random"};
}

static void write_cache(const char *folder, dho_cache_spec *spec)
{
    static float weight[CLASSES * DIM];
    const dho_teacher_head head = {.classes = CLASSES, .dim = DIM, .scale = 100, .weight = weight};
    bool written;
    for (int i = 0; i < CLASSES * DIM; i++) weight[i] = (float)(i % 997 - 498) * 1e-4f;
    for (int s = 0; s < spec->shards; s++)
        check(dho_cache_write_shard(folder, spec, s, fill, spec, &written));
    check(dho_cache_finish(folder, spec, spec->payload == DHO_CACHE_EMBEDDING ? &head : NULL));
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *what, double *seconds, int steps)
{
    qsort(seconds, (size_t)steps, sizeof *seconds, by_value);
    printf("  %-34s %8.1f us median, %8.1f us 95 %%, %d steps\n", what, 1e6 * seconds[steps / 2],
           1e6 * seconds[steps * 95 / 100], steps);
}

static void draw(dho_rng *rng, int64_t images, dho_draw *draws)
{
    for (int r = 0; r < ROWS; r++)
        draws[r] = (dho_draw){.id = dho_rng_below(rng, (uint32_t)images), .pass = 0};
}

static void measure(dho_compute *compute, const char *folder, double budget)
{
    static double seconds[MOST_STEPS];
    static float payload[ROWS * DIM], logits[ROWS * CLASSES];
    dho_cache *cache;
    dho_draw draws[ROWS];
    dho_rng rng;
    int steps = 0;
    check(dho_cache_open(&cache, folder));
    const dho_cache_spec *spec = dho_cache_get_spec(cache);
    const int64_t images = spec->count;
    printf("%s, %s, %zu bytes a record, %lld images\n",
           spec->payload == DHO_CACHE_LOGITS ? "logits" : "embeddings of 1024",
           dho_cache_encoding_name(spec->encoding), dho_cache_record_bytes(spec),
           (long long)images);
    dho_rng_init(&rng, 2, DHO_RNG_TEST, 0, 0);
    for (; steps < 8; steps++) { /* most records lie in a block that was not touched */
        draw(&rng, images, draws);
        const double start = dho_seconds_now();
        check(dho_teacher_logits(compute, cache, dho_cache_get_head(cache), draws, ROWS, payload,
                                 NULL, logits));
        seconds[steps] = dho_seconds_now() - start;
    }
    print_times("first touch, with the blocks' CRC", seconds, steps);
    check(dho_cache_verify(cache, 0, 1));
    for (int64_t id = 0; id < images; id++) {
        dho_box box;
        bool flip;
        check(dho_cache_read_view(cache, id, 0, &box, &flip));
    }
    for (int part = 0; part < 2; part++) {
        const double begin = dho_seconds_now();
        for (steps = 0; steps < MOST_STEPS && dho_seconds_now() - begin < budget; steps++) {
            draw(&rng, images, draws);
            const double start = dho_seconds_now();
            if (part == 0)
                check(dho_teacher_logits(compute, cache, dho_cache_get_head(cache), draws, ROWS,
                                         payload, NULL, logits));
            for (int r = 0; part == 1 && r < ROWS; r++) {
                dho_cache_record record = {.payload = payload + r * spec->dim};
                check(dho_cache_read(cache, draws[r].id, 0, &record));
            }
            seconds[steps] = dho_seconds_now() - start;
        }
        print_times(part == 0 ? "records and head" : "records alone", seconds, steps);
    }
    dho_cache_close(&cache);
}

int main(int argc, char **argv)
{
    static const dho_cache_encoding encodings[] = {DHO_CACHE_FP16, DHO_CACHE_INT8X, DHO_CACHE_TOPK};
    const int64_t images = argc > 1 ? atoll(argv[1]) : 100000;
    const double seconds = argc > 2 ? atof(argv[2]) : 2;
    char root[256], folder[300];
    dho_compute *compute;
    snprintf(root, sizeof root, "%s/dho-bench-XXXXXX", argc > 3 ? argv[3] : "/tmp");
    if (mkdtemp(root) == NULL) return EXIT_FAILURE;
    check(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_FP32, 2));
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        dho_cache_spec spec = make_spec(encodings[i], images);
        snprintf(folder, sizeof folder, "%s/%s", root, dho_cache_encoding_name(encodings[i]));
        write_cache(folder, &spec);
        measure(compute, folder, seconds);
    }
    dho_compute_destroy(&compute);
    check(dho_remove_tree(root));
    return EXIT_SUCCESS;
}

/* Images a second of the loader from a folder and from tar shards of the same images:
 *   bench_loader FORMAT(folder|shards) ROOT [THREADS [SECONDS [read]]]
 * read: only the bytes are read, by one thread, in the sampler's order; nothing is decoded. The
 * first pass is told apart: cold, if the files have been dropped from the page cache before. Not a
 * test. */
#define _POSIX_C_SOURCE 200809L
#include "base/clock.h"
#include "dho/alloc.h"
#include "dho/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(dho_status status)
{
    if (status == DHO_OK) return;
    fprintf(stderr, "%s\n", dho_error_message());
    exit(EXIT_FAILURE);
}

enum { ROWS = 32 };

static void measure_read(const dho_dataset *dataset, dho_sampler *sampler, double seconds)
{
    uint8_t *bytes = NULL;
    size_t capacity = 0, size, total = 0;
    int64_t images = 0;
    const double start = dho_seconds_now();
    for (int64_t step = 0; dho_seconds_now() - start < seconds; step++) {
        dho_draw draws[ROWS];
        if (step == dataset->count / ROWS)
            printf("first pass: %.0f images/s\n", (double)images / (dho_seconds_now() - start));
        check(dho_sampler_draw(sampler, step, 0, draws));
        for (int i = 0; i < ROWS; i++, images++, total += size)
            check(dho_dataset_read(dataset, draws[i].id, &bytes, &capacity, &size));
    }
    const double took = dho_seconds_now() - start;
    printf("read: %.0f images/s, %.1f MiB/s\n", (double)images / took,
           (double)total / took / 1048576);
    dho_free(bytes);
}

static void measure_load(const dho_dataset *dataset, dho_sampler *sampler, int threads,
                         double seconds)
{
    dho_loader *loader;
    dho_batch batch;
    const dho_loader_options options = {.dataset = dataset,
                                        .image_size = 224,
                                        .transform = {.filter = DHO_FILTER_BICUBIC},
                                        .scale = {0.5, 1},
                                        .ratio = {0.75, 4.0 / 3},
                                        .flip = true,
                                        .normalise = {.std = {1, 1, 1}},
                                        .threads = threads,
                                        .prefetch = 4};
    const dho_loader_steps steps = {
        .sampler = sampler, .shards = &(const int){0}, .shard_count = 1, .last = 1 << 30};
    int64_t images = 0;
    check(dho_loader_create(&loader, &options, &steps));
    const double start = dho_seconds_now();
    while (dho_seconds_now() - start < seconds) {
        check(dho_loader_next(loader, &batch));
        images += batch.count;
        dho_loader_release(loader, &batch);
    }
    printf("load: %.0f images/s, %d threads\n", (double)images / (dho_seconds_now() - start),
           threads);
    dho_loader_destroy(&loader);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_loader folder|shards ROOT [THREADS [SECONDS [read]]]\n");
        return 2;
    }
    const int threads = argc > 3 ? atoi(argv[3]) : 2;
    const double seconds = argc > 4 ? atof(argv[4]) : 5, before = dho_seconds_now();
    dho_dataset dataset;
    dho_sampler *sampler;
    check(strcmp(argv[1], "shards") == 0 ? dho_dataset_open_shards(&dataset, argv[2], NULL)
                                         : dho_dataset_open_folder(&dataset, argv[2], NULL));
    printf("%s: %lld images listed in %.1f ms\n", argv[1], (long long)dataset.count,
           1e3 * (dho_seconds_now() - before));
    const dho_sampler_options options = {
        .seed = 1, .shards = 1, .unlabelled = ROWS, .dataset_count = dataset.count};
    check(dho_sampler_create(&sampler, &options));
    if (argc > 5)
        measure_read(&dataset, sampler, seconds);
    else
        measure_load(&dataset, sampler, threads, seconds);
    dho_sampler_destroy(&sampler);
    dho_dataset_free(&dataset);
    return EXIT_SUCCESS;
}

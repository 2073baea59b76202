#include "base/clock.h"
#include "bench/bench.h"
#include "dho/loader.h"
#include "dho/run_setup.h"

#include <inttypes.h>
#include <stdio.h>

enum { BATCH = 64 };

typedef struct bench {
    dho_dataset dataset;
    dho_sampler *sampler;
    dho_loader *loader;
    int threads;
} bench;

static dho_status open_bench(bench *b, const dho_config *config)
{
    static const int shards[] = {0};
    DHO_TRY(dho_setup_dataset(config, &b->dataset));
    const dho_sampler_options sampler = {
        .seed = config->seed, .shards = 1, .unlabelled = BATCH, .dataset_count = b->dataset.count};
    DHO_TRY(dho_sampler_create(&b->sampler, &sampler));
    const dho_loader_options options = dho_setup_loader(config, &b->dataset);
    const dho_loader_steps steps = {
        .sampler = b->sampler, .shards = shards, .shard_count = 1, .last = INT32_MAX};
    b->threads = options.threads;
    return dho_loader_create(&b->loader, &options, &steps);
}

static dho_status take_batch(bench *b)
{
    dho_batch batch;
    DHO_TRY(dho_loader_next(b->loader, &batch, NULL));
    dho_loader_release(b->loader, &batch);
    return DHO_OK;
}

static void print_result(const bench *b, const dho_config *config, const dho_loader_stats *first,
                         const dho_loader_stats *last, double seconds)
{
    const double images = (double)(last->images - first->images);
    const double bytes = (double)(last->file_bytes - first->file_bytes);
    const double read = last->read - first->read, decode = last->decode - first->decode;
    const double finish = last->finish - first->finish, busy = read + decode + finish;
    const int64_t size = config->data.image_size;
    printf("%" PRId64 " images to %" PRId64 " x %" PRId64
           ", %s, crop_scale [%g, %g], %d threads, %.1f s\n",
           b->dataset.count, size, size, dho_filter_name(config->data.interpolation),
           config->data.crop_scale[0], config->data.crop_scale[1], b->threads, seconds);
    printf("images/s         %10.1f, %.1f a thread\n", images / seconds,
           images / seconds / b->threads);
    printf("read             %10.1f us an image %5.1f %%\n", 1e6 * read / images,
           100 * read / busy);
    printf("decode           %10.1f us an image %5.1f %%\n", 1e6 * decode / images,
           100 * decode / busy);
    printf("resize, finish   %10.1f us an image %5.1f %%\n", 1e6 * finish / images,
           100 * finish / busy);
    printf("files            %10.1f MB/s, %.1f KB an image\n", 1e-6 * bytes / seconds,
           1e-3 * bytes / images);
}

/* The clock starts when the first batch is there: threads, buffers and the file cache are warm by
 * then, as far as one batch warms them. */
static dho_status measure(bench *b, const dho_config *config, double seconds)
{
    DHO_TRY(take_batch(b));
    const dho_loader_stats first = dho_loader_get_stats(b->loader);
    const double start = dho_seconds_now();
    double now = start;
    while (now - start < seconds) {
        DHO_TRY(take_batch(b));
        now = dho_seconds_now();
    }
    const dho_loader_stats last = dho_loader_get_stats(b->loader);
    print_result(b, config, &first, &last, now - start);
    return DHO_OK;
}

dho_status dho_bench_data(const dho_config *config, double seconds)
{
    bench b = {0};
    dho_status status = open_bench(&b, config);
    if (status == DHO_OK) status = measure(&b, config, seconds);
    dho_loader_destroy(&b.loader);
    dho_sampler_destroy(&b.sampler);
    dho_dataset_free(&b.dataset);
    return status;
}

#include "bench/loader_rate.h"

#include "base/clock.h"
#include "dho/run_setup.h"

#include <sys/resource.h>

enum { BATCH = 64 };

static dho_status take_batch(dho_loader *loader)
{
    dho_batch batch;
    DHO_TRY(dho_loader_next(loader, &batch));
    dho_loader_release(loader, &batch);
    return DHO_OK;
}

static double processor_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Threads, buffers and the file cache are warm after the first batch, as far as one batch warms
 * them. */
static dho_status measure(dho_loader *loader, double seconds, dho_loader_rate *out)
{
    DHO_TRY(take_batch(loader));
    const dho_loader_stats first = dho_loader_get_stats(loader);
    const double start = dho_seconds_now(), processor = processor_seconds();
    double now;
    do {
        DHO_TRY(take_batch(loader));
        now = dho_seconds_now();
    } while (now - start < seconds);
    const dho_loader_stats last = dho_loader_get_stats(loader);
    out->seconds = now - start;
    out->processor = processor_seconds() - processor;
    out->stats = (dho_loader_stats){.images = last.images - first.images,
                                    .file_bytes = last.file_bytes - first.file_bytes,
                                    .read = last.read - first.read,
                                    .decode = last.decode - first.decode,
                                    .finish = last.finish - first.finish};
    return DHO_OK;
}

dho_status dho_loader_rate_measure(const dho_config *config, const dho_dataset *dataset,
                                   double seconds, dho_loader_rate *out)
{
    static const int shards[] = {0};
    dho_sampler *sampler;
    dho_loader *loader = NULL;
    const dho_sampler_options draws = {
        .seed = config->seed, .shards = 1, .unlabelled = BATCH, .dataset_count = dataset->count};
    DHO_TRY(dho_sampler_create(&sampler, &draws));
    const dho_loader_options options = dho_setup_loader(config, dataset);
    const dho_loader_steps steps = {
        .sampler = sampler, .shards = shards, .shard_count = 1, .last = INT32_MAX};
    *out = (dho_loader_rate){.threads = options.threads};
    dho_status status = dho_loader_create(&loader, &options, &steps);
    if (status == DHO_OK) status = measure(loader, seconds, out);
    dho_loader_destroy(&loader);
    dho_sampler_destroy(&sampler);
    return status;
}

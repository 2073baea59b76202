#include "bench/bench.h"
#include "bench/loader_rate.h"
#include "dho/run_setup.h"

#include <inttypes.h>
#include <stdio.h>

static void print_result(const dho_dataset *dataset, const dho_config *config,
                         const dho_loader_rate *rate)
{
    const dho_loader_stats *stats = &rate->stats;
    const double images = (double)stats->images, bytes = (double)stats->file_bytes;
    const double busy = stats->read + stats->decode + stats->finish;
    const int64_t size = config->data.image_size;
    printf("%" PRId64 " images to %" PRId64 " x %" PRId64
           ", %s, crop_scale [%g, %g], %d threads, %.1f s\n",
           dataset->count, size, size, dho_filter_name(config->data.interpolation),
           config->data.crop_scale[0], config->data.crop_scale[1], rate->threads, rate->seconds);
    printf("images/s         %10.1f, %.1f a thread\n", images / rate->seconds,
           images / rate->seconds / rate->threads);
    printf("read             %10.1f us an image %5.1f %%\n", 1e6 * stats->read / images,
           100 * stats->read / busy);
    printf("decode           %10.1f us an image %5.1f %%\n", 1e6 * stats->decode / images,
           100 * stats->decode / busy);
    printf("resize, finish   %10.1f us an image %5.1f %%\n", 1e6 * stats->finish / images,
           100 * stats->finish / busy);
    printf("files            %10.1f MB/s, %.1f KB an image\n", 1e-6 * bytes / rate->seconds,
           1e-3 * bytes / images);
}

dho_status dho_bench_data(const dho_config *config, double seconds)
{
    dho_dataset dataset;
    dho_loader_rate rate;
    DHO_TRY(dho_setup_dataset(config, &dataset));
    const dho_status status = dho_loader_rate_measure(config, &dataset, seconds, &rate);
    if (status == DHO_OK) print_result(&dataset, config, &rate);
    dho_dataset_free(&dataset);
    return status;
}

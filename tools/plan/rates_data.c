/* How fast images are decoded, and how fast a checkpoint reaches the disk. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "bench/loader_rate.h"
#include "dho/alloc.h"
#include "dho/file.h"
#include "dho/rng.h"
#include "plan/plan_rates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 500, HEIGHT = 375, PICTURES = 32, QUALITY = 92, MOST_WRITTEN = 1 << 27 };

/* A picture with large shapes and fine grain: an ordinary photograph's size, about 110 KB. */
static void draw(dho_image *image, int number)
{
    dho_rng rng;
    dho_rng_init(&rng, 1, DHO_RNG_TEST, 1, (uint64_t)number);
    double waves[4][4];
    for (int w = 0; w < 4; w++)
        for (int i = 0; i < 4; i++) waves[w][i] = dho_rng_normal(&rng) * (i < 2 ? 0.05 : 2);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            double level = 128 + 12 * dho_rng_normal(&rng);
            for (int w = 0; w < 4; w++)
                level += 25 * sin(waves[w][0] * x + waves[w][1] * y + waves[w][2]);
            for (int c = 0; c < 3; c++) {
                const double value = level + 20 * sin(0.01 * x * (c + 1));
                image->pixels[3 * (y * WIDTH + x) + c] = (uint8_t)(value < 0     ? 0
                                                                   : value > 255 ? 255
                                                                                 : value);
            }
        }
}

static dho_status write_pictures(const char *folder)
{
    dho_image image = {.width = WIDTH, .height = HEIGHT};
    char path[256];
    snprintf(path, sizeof path, "%s/class", folder);
    DHO_TRY(dho_make_folders(path));
    DHO_TRY(dho_alloc(&image.pixels, (size_t)WIDTH * HEIGHT * 3, 1, "picture"));
    dho_status status = DHO_OK;
    for (int i = 0; i < PICTURES && status == DHO_OK; i++) {
        draw(&image, i);
        snprintf(path, sizeof path, "%s/class/%02d.jpg", folder, i);
        status = dho_image_save_jpeg(&image, path, QUALITY);
    }
    dho_free(image.pixels);
    return status;
}

/* The configuration's transforms on pictures that are drawn for it. */
static dho_status measure_drawn(const dho_config *config, double seconds, dho_loader_rate *out)
{
    char folder[] = "/tmp/dho-plan-XXXXXX";
    if (mkdtemp(folder) == NULL)
        return dho_fail(DHO_ERR_IO, "/tmp: no folder for pictures can be made there");
    dho_dataset dataset = {0};
    dho_status status = write_pictures(folder);
    if (status == DHO_OK) status = dho_dataset_open_folder(&dataset, folder, NULL);
    if (status == DHO_OK) status = dho_loader_rate_measure(config, &dataset, seconds, out);
    dho_dataset_free(&dataset);
    const dho_status removed = dho_remove_tree(folder);
    return status == DHO_OK ? removed : status;
}

/* The folder that is there already, of those that `out` lies in. */
static void find_folder(const char *out, char *path, size_t bytes)
{
    snprintf(path, bytes, "%s", out);
    while (!dho_path_is_folder(path)) {
        char *slash = strrchr(path, '/');
        if (slash == NULL) {
            snprintf(path, bytes, ".");
            return;
        }
        slash[slash == path] = '\0';
    }
}

/* As a checkpoint: written, synced, read back. */
static dho_status write_and_read(const char *path, const uint8_t *data, size_t bytes)
{
    dho_atomic_file *file;
    dho_mapping mapping;
    DHO_TRY(dho_atomic_file_create(&file, path));
    const dho_status status = dho_atomic_file_write(file, data, bytes);
    if (status != DHO_OK) {
        dho_atomic_file_discard(&file);
        return status;
    }
    const uint32_t crc = dho_atomic_file_crc(file);
    DHO_TRY(dho_atomic_file_commit(&file));
    DHO_TRY(dho_mapping_open(&mapping, path));
    const bool same = dho_crc32(0, mapping.data, mapping.size) == crc;
    dho_mapping_close(&mapping);
    return same ? DHO_OK : dho_fail(DHO_ERR_IO, "%s: is not read as it was written", path);
}

/* 0 where nothing can be written. */
static dho_status measure_disk(const char *out, double checkpoint_bytes, double *rate)
{
    char folder[4096], path[4200];
    const size_t bytes = checkpoint_bytes < MOST_WRITTEN ? (size_t)checkpoint_bytes : MOST_WRITTEN;
    uint8_t *data;
    find_folder(out, folder, sizeof folder);
    snprintf(path, sizeof path, "%s/.dho-plan.%ld", folder, (long)getpid());
    DHO_TRY(dho_alloc(&data, bytes, 1, "benchmark data"));
    memset(data, 0x5a, bytes);
    const double start = dho_seconds_now();
    const dho_status status = write_and_read(path, data, bytes);
    *rate = status == DHO_OK ? (double)bytes / (dho_seconds_now() - start) : 0;
    (void)unlink(path);
    dho_free(data);
    return DHO_OK;
}

dho_status plan_rates_measure_data(const plan_run *run, double seconds, plan_rates *out)
{
    dho_loader_rate rate;
    const dho_config *config = run->config;
    DHO_TRY(run->dataset.count > 0 ? dho_loader_rate_measure(config, &run->dataset, seconds, &rate)
                                   : measure_drawn(config, seconds, &rate));
    out->drawn = run->dataset.count == 0;
    out->decode = rate.processor / (double)rate.stats.images;
    out->image_bytes = (double)rate.stats.file_bytes / (double)rate.stats.images;
    return measure_disk(config->out, plan_run_job(run).checkpoint_bytes, &out->write);
}

#define _GNU_SOURCE
#include "data/decode_skip.h"
#include "dho/augment.h"
#include "dho/loader.h"
#include "image/image_codec.h"
#include "load_image.h"
#include "unit/data/data_fixture.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHARDS = 4, LABELLED = 2, UNLABELLED = 3, ROWS = LABELLED + UNLABELLED, SIZE = 16 };
enum { ROW_FLOATS = SIZE * SIZE * 3, CLASSES = 4, PER_CLASS = 9, COUNT = CLASSES * PER_CLASS };

static const int64_t labelled_ids[] = {1, 4, 9, 20, 30};
static const int all_shards[] = {0, 1, 2, 3};

typedef struct setting {
    dho_dataset dataset;
    dho_sampler *sampler;
    dho_loader *loader;
    dho_loader_options options;
    dho_loader_steps steps;
} setting;

static void make_sampler(setting *s)
{
    const dho_sampler_options sampler = {.seed = 3,
                                         .shards = SHARDS,
                                         .labelled = LABELLED,
                                         .unlabelled = UNLABELLED,
                                         .dataset_count = s->dataset.count,
                                         .labelled_ids = labelled_ids,
                                         .labelled_count = 5};
    ck_assert_ok(dho_sampler_create(&s->sampler, &sampler));
}

static void setting_open(setting *s)
{
    *s = (setting){0};
    fixture_folder(&s->dataset, CLASSES, PER_CLASS);
    make_sampler(s);
    s->options = (dho_loader_options){.dataset = &s->dataset,
                                      .image_size = SIZE,
                                      .transform = {.filter = DHO_FILTER_BICUBIC},
                                      .scale = {0.3, 1.0},
                                      .ratio = {0.75, 4.0 / 3},
                                      .flip = true,
                                      .normalise = {.std = {1, 1, 1}},
                                      .seed = 3,
                                      .threads = 2,
                                      .prefetch = 3};
    s->steps = (dho_loader_steps){
        .sampler = s->sampler, .shards = all_shards, .shard_count = SHARDS, .last = 8};
}

static void setting_close(setting *s)
{
    dho_loader_destroy(&s->loader);
    dho_sampler_destroy(&s->sampler);
    dho_dataset_free(&s->dataset);
}

static void restart(setting *s)
{
    dho_loader_destroy(&s->loader);
    ck_assert_ok(dho_loader_create(&s->loader, &s->options, &s->steps));
}

/* All rows of a run, in the order of delivery. */
typedef struct recording {
    float images[8 * SHARDS * ROWS][ROW_FLOATS];
    int32_t labels[8 * SHARDS * ROWS];
    dho_draw draws[8 * SHARDS * ROWS];
    int rows;
} recording;

static dho_status record(dho_loader *loader, recording *out)
{
    memset(out, 0, sizeof *out);
    for (;;) {
        dho_batch batch;
        DHO_TRY(dho_loader_next(loader, &batch));
        if (batch.count == 0) return DHO_OK;
        for (int i = 0; i < batch.count; i++, out->rows++) {
            memcpy(out->images[out->rows], (const float *)batch.images + i * ROW_FLOATS,
                   sizeof out->images[0]);
            out->labels[out->rows] = batch.labels[i];
            /* By member: the padding of a draw is not part of it. */
            out->draws[out->rows].id = batch.draws[i].id;
            out->draws[out->rows].pass = batch.draws[i].pass;
            out->draws[out->rows].labelled = batch.draws[i].labelled;
        }
        dho_loader_release(loader, &batch);
    }
}

static recording first, second;

START_TEST(test_batches)
{
    setting s;
    setting_open(&s);
    restart(&s);
    for (int64_t i = 0; i < 8 * SHARDS; i++) {
        dho_batch batch;
        dho_draw draws[ROWS];
        ck_assert_ok(dho_loader_next(s.loader, &batch));
        ck_assert_int_eq(batch.count, ROWS);
        ck_assert_int_eq(batch.labelled, LABELLED);
        ck_assert_int_eq(batch.step, i / SHARDS);
        ck_assert_int_eq(batch.shard, i % SHARDS);
        ck_assert_ok(dho_sampler_draw(s.sampler, batch.step, batch.shard, draws));
        for (int j = 0; j < ROWS; j++) {
            ck_assert_int_eq(batch.draws[j].id, draws[j].id);
            ck_assert_int_eq(batch.draws[j].pass, draws[j].pass);
            ck_assert_int_eq(batch.labels[j],
                             j < LABELLED ? s.dataset.samples[draws[j].id].label : -1);
            ck_assert_int_gt(batch.boxes[j].width, 0);
        }
        dho_loader_release(s.loader, &batch);
    }
    dho_batch batch;
    ck_assert_ok(dho_loader_next(s.loader, &batch));
    ck_assert_int_eq(batch.count, 0);
    setting_close(&s);
}
END_TEST

/* One row by hand, from the header's words: box, then flip, by (seed, pass, id). */
START_TEST(test_rows_are_the_documented_views)
{
    setting s;
    setting_open(&s);
    restart(&s);
    ck_assert_ok(record(s.loader, &first));
    dho_image image = {0}, resized = {0};
    dho_resample_scratch scratch = {0};
    uint8_t *buffer = NULL;
    size_t capacity = 0;
    static float expected[ROW_FLOATS];
    dho_pixel_finish finish;
    int flips = 0;
    dho_pixel_finish_init(&finish, &s.options.normalise, DHO_DTYPE_FP32);
    for (int row = 0; row < 40; row++) {
        const dho_draw draw = first.draws[row];
        char name[128];
        snprintf(name, sizeof name, "set/%s", s.dataset.samples[draw.id].path);
        ck_assert_ok(load_image(&image, fixture_path(name), &buffer, &capacity));
        dho_rng rng;
        dho_rng_init(&rng, 3, draw.labelled ? DHO_RNG_AUGMENT_LABELLED : DHO_RNG_AUGMENT,
                     (uint64_t)draw.pass, (uint64_t)draw.id);
        const dho_box box = dho_random_resized_crop(image.width, image.height, s.options.scale,
                                                    s.options.ratio, &rng);
        const int flip = dho_rng_uniform(&rng) < 0.5;
        flips += flip;
        ck_assert_ok(
            dho_image_resize(&image, box, SIZE, SIZE, DHO_FILTER_BICUBIC, &scratch, &resized));
        if (flip) dho_image_flip(&resized);
        dho_image_to_network(&resized, &finish, expected);
        ck_assert_mem_eq(expected, first.images[row], sizeof expected);
    }
    ck_assert(flips > 5 && flips < 35);
    dho_image_free(&image);
    dho_image_free(&resized);
    dho_resample_scratch_free(&scratch);
    dho_free(buffer);
    setting_close(&s);
}
END_TEST

START_TEST(test_threads_and_prefetch_change_nothing)
{
    setting s;
    setting_open(&s);
    s.options.threads = 1;
    s.options.prefetch = 1;
    restart(&s);
    ck_assert_ok(record(s.loader, &first));
    ck_assert_int_eq(first.rows, 8 * SHARDS * ROWS);
    const int settings[][2] = {{4, 1}, {4, 5}, {2, 100}, {1, 3}};
    for (int i = 0; i < 4; i++) {
        s.options.threads = settings[i][0];
        s.options.prefetch = settings[i][1];
        restart(&s);
        ck_assert_ok(record(s.loader, &second));
        ck_assert_mem_eq(&first, &second, sizeof first);
    }
    setting_close(&s);
}
END_TEST

/* Two ranks' batches, and a run begun in the middle, are parts of the one-rank run. */
START_TEST(test_ranks_and_resume)
{
    setting s;
    setting_open(&s);
    restart(&s);
    ck_assert_ok(record(s.loader, &first));
    for (int rank = 0; rank < 2; rank++) {
        const int own[] = {rank + 2, rank};
        s.steps.shards = own;
        s.steps.shard_count = 2;
        s.steps.first = 5;
        restart(&s);
        s.steps.shards = NULL; /* borrowed until create returns */
        ck_assert_ok(record(s.loader, &second));
        ck_assert_int_eq(second.rows, 3 * 2 * ROWS);
        for (int row = 0; row < second.rows; row++) {
            const int step = 5 + row / (2 * ROWS), shard = own[row / ROWS % 2];
            const int same = (step * SHARDS + shard) * ROWS + row % ROWS;
            ck_assert_mem_eq(second.images[row], first.images[same], sizeof first.images[0]);
            ck_assert_mem_eq(&second.draws[row], &first.draws[same], sizeof(dho_draw));
        }
    }
    setting_close(&s);
}
END_TEST

/* The row of the whole run in which a sample first stands. */
static int find_row(const recording *r, int64_t id)
{
    for (int row = 0; row < r->rows; row++)
        if (r->draws[row].id == id) return row;
    return r->rows;
}

START_TEST(test_broken_file_fails_in_order)
{
    setting s;
    setting_open(&s);
    restart(&s);
    ck_assert_ok(record(s.loader, &first));
    fixture_write("set/c00/c00_i07.jpg",
                  "no image"); /* id 7, 18: the one that is met first counts */
    ck_assert_int_eq(unlink(fixture_path("set/c02/c02_i00.jpg")), 0);
    const int row7 = find_row(&first, 7), row18 = find_row(&first, 18);
    ck_assert_int_ne(row7, row18);
    const int earliest = row7 < row18 ? row7 : row18;
    for (int threads = 1; threads <= 4; threads++) {
        s.options.threads = threads;
        restart(&s);
        dho_batch batch;
        for (int i = 0; i < earliest / ROWS; i++) {
            ck_assert_ok(dho_loader_next(s.loader, &batch));
            dho_loader_release(s.loader, &batch);
        }
        for (int again = 0; again < 2; again++)
            ck_assert_fails(dho_loader_next(s.loader, &batch),
                            row7 < row18 ? DHO_ERR_FORMAT : DHO_ERR_IO,
                            row7 < row18 ? "c00_i07.jpg" : "c02_i00.jpg");
        ck_assert_int_eq(batch.count, 0);
    }
    setting_close(&s);
}
END_TEST

/* Standard error of a run goes to fixture_root/log; returns how often `text` stands in it. */
static int record_with_log(setting *s, recording *out, const char *text)
{
    fflush(stderr);
    const int saved = dup(STDERR_FILENO);
    FILE *log = fopen(fixture_path("log"), "w");
    ck_assert_ptr_nonnull(log);
    ck_assert_int_ge(dup2(fileno(log), STDERR_FILENO), 0);
    restart(s);
    const dho_status status = record(s->loader, out);
    dup2(saved, STDERR_FILENO);
    close(saved);
    fclose(log);
    ck_assert_int_eq(status, DHO_OK);
    uint8_t *bytes = NULL;
    size_t capacity = 0, size;
    ck_assert_ok(dho_file_read(fixture_path("log"), 1 << 20, &bytes, &capacity, &size));
    int found = 0;
    for (const char *at = (const char *)bytes; (at = strstr(at, text)) != NULL; at++) found++;
    dho_free(bytes);
    return found;
}

START_TEST(test_broken_file_is_skipped)
{
    setting s;
    setting_open(&s);
    restart(&s);
    ck_assert_ok(record(s.loader, &first));
    fixture_write("set/c01/c01_i00.jpg", "no image"); /* 9: labelled; 9 and 13: of shard 1 */
    fixture_write("set/c01/c01_i04.jpg", "");
    fixture_write("set/c03/c03_i06.jpg", "no image"); /* 33: the last of shard 1 */
    s.options.on_error = DHO_POLICY_SKIP;
    static recording skipped[2];
    for (int i = 0; i < 2; i++) {
        s.options.threads = i == 0 ? 1 : 4;
        ck_assert_int_eq(record_with_log(&s, &skipped[i], "warning:"), 3);
        ck_assert_int_eq(record_with_log(&s, &skipped[i], "c01_i00.jpg"), 1);
    }
    ck_assert_mem_eq(&skipped[0], &skipped[1], sizeof skipped[0]);
    int64_t replaced = 0;
    for (int row = 0; row < first.rows; row++) {
        int64_t expected = first.draws[row].id;
        if (first.draws[row].labelled)
            expected = expected == 9 ? 20 : expected;
        else
            expected = expected == 9 || expected == 13 ? 17 : expected == 33 ? 1 : expected;
        replaced += expected != first.draws[row].id;
        ck_assert_int_eq(skipped[0].draws[row].id, expected);
        if (expected == first.draws[row].id)
            ck_assert_mem_eq(skipped[0].images[row], first.images[row], sizeof first.images[0]);
        if (first.draws[row].labelled)
            ck_assert_int_eq(skipped[0].labels[row], s.dataset.samples[expected].label);
    }
    ck_assert_int_gt(replaced, 4);
    ck_assert_int_eq(dho_loader_skipped(s.loader), replaced);
    setting_close(&s);
}
END_TEST

START_TEST(test_unreadable_shard)
{
    setting s;
    setting_open(&s);
    for (int id = 2; id < COUNT; id += SHARDS) {
        char name[64];
        snprintf(name, sizeof name, "set/%s", s.dataset.samples[id].path);
        fixture_write(name, "no image");
    }
    s.options.on_error = DHO_POLICY_SKIP;
    restart(&s);
    dho_batch batch;
    for (int i = 0; i < 2; i++) {
        ck_assert_ok(dho_loader_next(s.loader, &batch));
        dho_loader_release(s.loader, &batch);
    }
    ck_assert_fails(dho_loader_next(s.loader, &batch), DHO_ERR_FORMAT,
                    "none of the images of a whole shard can be read");
    setting_close(&s);
}
END_TEST

START_TEST(test_unreadable_file)
{
    if (geteuid() == 0) { /* root reads anything: a folder instead */
        printf("permission test runs with a folder: this is root\n");
    }
    setting s;
    setting_open(&s);
    for (int id = 0; id < COUNT; id++) {
        char name[64];
        snprintf(name, sizeof name, "set/%s", s.dataset.samples[id].path);
        ck_assert_int_eq(chmod(fixture_path(name), 0), 0);
        if (geteuid() != 0) continue;
        ck_assert_int_eq(unlink(fixture_path(name)), 0);
        ck_assert_ok(dho_make_folders(fixture_path(name)));
    }
    restart(&s);
    dho_batch batch;
    ck_assert_fails(dho_loader_next(s.loader, &batch), DHO_ERR_IO, ".jpg");
    setting_close(&s);
}
END_TEST

/* Destroying at any moment: none asked for, some held, an error pending. */
START_TEST(test_destroy_at_any_time)
{
    setting s;
    setting_open(&s);
    for (int taken = 0; taken < 12; taken++) {
        s.options.threads = 1 + taken % 4;
        restart(&s);
        for (int i = 0; i < taken; i++) {
            dho_batch batch;
            if (i <= s.options.prefetch)
                ck_assert_ok(dho_loader_next(s.loader, &batch));
            else
                ck_assert_fails(dho_loader_next(s.loader, &batch), DHO_ERR_INTERNAL,
                                "all 4 batches are held");
        }
    }
    s.steps.first = s.steps.last; /* nothing at all to deliver */
    restart(&s);
    dho_batch batch;
    ck_assert_ok(dho_loader_next(s.loader, &batch));
    ck_assert_int_eq(batch.count, 0);
    setting_close(&s);
    dho_loader_destroy(&s.loader);
}
END_TEST

START_TEST(test_held_batch_stays)
{
    setting s;
    setting_open(&s);
    restart(&s);
    dho_batch held, batch;
    static float copy[ROWS * ROW_FLOATS];
    ck_assert_ok(dho_loader_next(s.loader, &held));
    memcpy(copy, held.images, sizeof copy);
    for (int i = 0; i < 3; i++) {
        ck_assert_ok(dho_loader_next(s.loader, &batch));
        dho_loader_release(s.loader, &batch);
    }
    ck_assert_mem_eq(copy, held.images, sizeof copy);
    dho_loader_release(s.loader, &held);
    ck_assert_ok(dho_loader_next(s.loader, &batch));
    ck_assert_int_eq(batch.step * SHARDS + batch.shard, 4);
    setting_close(&s);
}
END_TEST

static dho_status fixed_view(void *context, int64_t id, int64_t pass, dho_box *box, bool *flip)
{
    const int mode = *(const int *)context;
    if (mode == 0 && id % 2 == 0) return DHO_OK;
    *box = (dho_box){.x = (int)pass % 3, .y = 1, .width = 10, .height = 8};
    if (mode == 1) *box = (dho_box){.x = 15, .y = 0, .width = 20, .height = 8};
    if (mode == 2) *box = (dho_box){.x = INT32_MAX, .y = 0, .width = 1, .height = 1};
    if (mode == 3) *box = (dho_box){.x = 0, .y = 0, .width = -1, .height = 1};
    if (mode == 4) return dho_fail(DHO_ERR_FORMAT, "block 3 at offset 256: CRC");
    *flip = pass % 2 != 0;
    return DHO_OK;
}

START_TEST(test_view_source)
{
    setting s;
    setting_open(&s);
    int mode = 0;
    s.options.view_source = fixed_view;
    s.options.view_context = &mode;
    restart(&s);
    dho_batch batch;
    for (int n = 0; n < 8 * SHARDS; n++) {
        ck_assert_ok(dho_loader_next(s.loader, &batch));
        for (int i = 0; i < batch.count; i++) {
            if (batch.draws[i].id % 2 == 0) continue;
            ck_assert_int_eq(batch.boxes[i].x, batch.draws[i].pass % 3);
            ck_assert_int_eq(batch.boxes[i].height, 8);
            ck_assert_int_eq(batch.flips[i], batch.draws[i].pass % 2);
        }
        dho_loader_release(s.loader, &batch);
    }
    s.options.on_error = DHO_POLICY_SKIP; /* a view of another image is never skipped */
    for (mode = 1; mode <= 3; mode++) {
        restart(&s);
        ck_assert_fails(dho_loader_next(s.loader, &batch), DHO_ERR_FORMAT, "is not inside the");
        ck_assert_ptr_nonnull(strstr(dho_error_message(), ".jpg: the stored view's box"));
        dho_loader_destroy(&s.loader);
    }
    restart(&s); /* mode 4: nor is a damaged cache, and no other crop takes the view's place */
    ck_assert_fails(dho_loader_next(s.loader, &batch), DHO_ERR_FORMAT,
                    "block 3 at offset 256: CRC");
    setting_close(&s);
}
END_TEST

START_TEST(test_errors_of_creation)
{
    setting s;
    setting_open(&s);
    const dho_loader_options good = s.options;
    s.options.threads = 0;
    ck_assert_fails(dho_loader_create(&s.loader, &s.options, &s.steps), DHO_ERR_CONFIG,
                    "0 threads");
    s.options = good;
    s.options.prefetch = 0;
    ck_assert_fails(dho_loader_create(&s.loader, &s.options, &s.steps), DHO_ERR_CONFIG,
                    "0 batches ahead");
    s.options = good;
    s.options.image_size = 0;
    ck_assert_fails(dho_loader_create(&s.loader, &s.options, &s.steps), DHO_ERR_CONFIG,
                    "image size 0");
    s.options = good;
    s.options.scale[0] = 2;
    ck_assert_fails(dho_loader_create(&s.loader, &s.options, &s.steps), DHO_ERR_CONFIG,
                    "scale [2, 1]");
    s.options = good;
    s.steps.last = -1;
    ck_assert_fails(dho_loader_create(&s.loader, &s.options, &s.steps), DHO_ERR_CONFIG,
                    "steps 0 .. -1");
    s.steps.last = 8;
    s.options.on_error = DHO_POLICY_SKIP;
    for (int64_t n = 1;; n++) {
        const int64_t live = dho_alloc_get_stats().live_blocks;
        dho_batch batch = {0};
        s.options.threads = 1;
        dho_alloc_fail_at(n);
        dho_status status = dho_loader_create(&s.loader, &s.options, &s.steps);
        if (status == DHO_OK) status = dho_loader_next(s.loader, &batch);
        dho_alloc_fail_at(0);
        dho_loader_destroy(&s.loader);
        if (status == DHO_OK && n > 40) break;
        ck_assert(status == DHO_OK || status == DHO_ERR_MEMORY);
        /* The sampler keeps the orders that it has made. */
        ck_assert_int_le(dho_alloc_get_stats().live_blocks, live + SHARDS + 1);
    }
    setting_close(&s);
}
END_TEST

/* --- the evaluation loader --- */

static dho_loader_options eval_options(const dho_dataset *dataset)
{
    return (dho_loader_options){.dataset = dataset,
                                .image_size = 14,
                                .transform = {.resize_short = 16, .filter = DHO_FILTER_BICUBIC},
                                .scale = {0.5, 1},
                                .ratio = {0.75, 4.0 / 3},
                                .flip = true,
                                .normalise = {.mean = {.5f, .5f, .5f}, .std = {1, 1, 1}},
                                .threads = 2,
                                .prefetch = 2};
}

static dho_eval_rows eval_rows(const int64_t *ids, int64_t count)
{
    return (dho_eval_rows){.ids = ids, .count = count, .views = 1, .batch = 4};
}

START_TEST(test_eval_batches)
{
    dho_dataset dataset;
    fixture_folder(&dataset, 3, 4);
    const int64_t ids[] = {11, 0, 5, 5, 5, 2, 7, 8, 9, 1};
    dho_eval_loader *loader;
    dho_loader_options options = eval_options(&dataset);
    dho_eval_rows rows = eval_rows(ids, 10);
    dho_image image = {0}, temporary = {0};
    dho_resample_scratch scratch = {0};
    uint8_t *buffer = NULL;
    size_t capacity = 0;
    float expected[14 * 14 * 3];
    dho_pixel_finish finish;
    dho_pixel_finish_init(&finish, &options.normalise, DHO_DTYPE_FP32);
    ck_assert_ok(dho_eval_loader_create(&loader, &options, &rows));
    int row = 0;
    for (int b = 0; b < 3; b++) {
        dho_batch batch;
        ck_assert_ok(dho_eval_loader_next(loader, &batch));
        ck_assert_int_eq(batch.count, b < 2 ? 4 : 2);
        ck_assert_int_eq(batch.step, b);
        for (int i = 0; i < batch.count; i++, row++) {
            const dho_sample *sample = &dataset.samples[ids[row]];
            char name[128];
            snprintf(name, sizeof name, "set/%s", sample->path);
            ck_assert_int_eq(batch.draws[i].id, ids[row]);
            ck_assert_int_eq(batch.labels[i], sample->label);
            ck_assert_ok(load_image(&image, fixture_path(name), &buffer, &capacity));
            ck_assert_ok(dho_image_eval_transform(&image, 16, 14, DHO_FILTER_BICUBIC, &finish,
                                                  &scratch, &temporary, expected));
            ck_assert_mem_eq((const float *)batch.images + i * 14 * 14 * 3, expected,
                             sizeof expected);
        }
        dho_eval_loader_release(loader, &batch);
    }
    dho_batch batch;
    ck_assert_ok(dho_eval_loader_next(loader, &batch));
    ck_assert_int_eq(batch.count, 0);
    dho_eval_loader_destroy(&loader);
    rows.count = 0; /* a rank without work */
    ck_assert_ok(dho_eval_loader_create(&loader, &options, &rows));
    ck_assert_ok(dho_eval_loader_next(loader, &batch));
    ck_assert_int_eq(batch.count, 0);
    dho_eval_loader_destroy(&loader);
    dho_image_free(&image);
    dho_image_free(&temporary);
    dho_resample_scratch_free(&scratch);
    dho_free(buffer);
    dho_dataset_free(&dataset);
}
END_TEST

/* What a cache builder does: random views, whose boxes then dictate the same pixels. */
typedef struct stored_views {
    dho_box boxes[12][3];
    bool flips[12][3];
} stored_views;

static dho_status stored_view(void *context, int64_t id, int64_t pass, dho_box *box, bool *flip)
{
    const stored_views *stored = context;
    *box = stored->boxes[id][pass];
    *flip = stored->flips[id][pass];
    return DHO_OK;
}

START_TEST(test_cache_views)
{
    dho_dataset dataset;
    fixture_folder(&dataset, 3, 4);
    int64_t ids[12];
    for (int i = 0; i < 12; i++) ids[i] = i;
    dho_loader_options options = eval_options(&dataset);
    dho_eval_rows rows = eval_rows(ids, 12);
    rows.views = 3;
    options.transform.resize_short = 0;
    static stored_views stored;
    static float images[36][14 * 14 * 3];
    int distinct = 0;
    for (int run = 0; run < 2; run++) {
        dho_eval_loader *loader;
        rows.batch = run == 0 ? 7 : 5; /* views of one image straddle batches */
        options.threads = run == 0 ? 3 : 1;
        options.view_source = run == 0 ? NULL : stored_view;
        options.view_context = &stored;
        options.seed = 9;
        ck_assert_ok(dho_eval_loader_create(&loader, &options, &rows));
        for (int row = 0; row < 36;) {
            dho_batch batch;
            ck_assert_ok(dho_eval_loader_next(loader, &batch));
            ck_assert_int_gt(batch.count, 0);
            for (int i = 0; i < batch.count; i++, row++) {
                const float *pixels = (const float *)batch.images + i * 14 * 14 * 3;
                ck_assert_int_eq(batch.draws[i].id, row / 3);
                ck_assert_int_eq(batch.draws[i].pass, row % 3);
                if (run == 1) {
                    ck_assert_mem_eq(pixels, images[row], sizeof images[0]);
                    continue;
                }
                memcpy(images[row], pixels, sizeof images[0]);
                stored.boxes[row / 3][row % 3] = batch.boxes[i];
                stored.flips[row / 3][row % 3] = batch.flips[i];
                if (row > 0) distinct += memcmp(images[row], images[row - 1], sizeof images[0]);
            }
            dho_eval_loader_release(loader, &batch);
        }
        dho_eval_loader_destroy(&loader);
    }
    ck_assert_int_ne(distinct, 0);
    dho_dataset_free(&dataset);
}
END_TEST

/* The nearest bf16, ties to even: 8 significant bits. */
static uint16_t rounded(float value)
{
    int exponent;
    const double mantissa = frexp((double)value, &exponent);
    const float nearest = (float)ldexp(rint(ldexp(mantissa, 8)), exponent - 8);
    uint32_t bits;
    memcpy(&bits, &nearest, sizeof bits);
    ck_assert_uint_eq(bits & 0xffff, 0);
    return (uint16_t)(bits >> 16);
}

static void check_rounded(const dho_batch *batch, const dho_batch *floats, size_t count)
{
    const uint16_t *found = batch->images;
    const float *exact = floats->images;
    ck_assert_int_eq(batch->count, floats->count);
    for (size_t i = 0; i < count * (size_t)batch->count; i++)
        ck_assert_uint_eq(found[i], rounded(exact[i]));
}

/* Until the ring is full and the threads hold no image in work. */
static void wait_for_idle(dho_loader *loader)
{
    int64_t before = -1;
    for (int quiet = 0; quiet < 20; quiet++) {
        const int64_t now = dho_loader_get_stats(loader).images;
        if (now != before) quiet = 0;
        before = now;
        usleep(10000);
    }
}

/* bf16 images of both loaders are the float ones rounded, in half the memory. */
START_TEST(test_bf16_images)
{
    setting s;
    dho_loader *loader = NULL;
    dho_batch batch, floats;
    setting_open(&s);
    s.options.normalise = (dho_normalise){.mean = {.48f, .46f, .41f}, .std = {.27f, .26f, .28f}};
    s.options.prefetch = 40; /* the ring is what takes memory */
    const int64_t before = dho_alloc_get_stats().live_bytes;
    restart(&s);
    wait_for_idle(s.loader);
    const int64_t middle = dho_alloc_get_stats().live_bytes;
    s.options.pixels = DHO_DTYPE_BF16;
    ck_assert_ok(dho_loader_create(&loader, &s.options, &s.steps));
    wait_for_idle(loader);
    ck_assert_int_lt(10 * (dho_alloc_get_stats().live_bytes - middle), 6 * (middle - before));
    do {
        ck_assert_ok(dho_loader_next(s.loader, &floats));
        ck_assert_ok(dho_loader_next(loader, &batch));
        check_rounded(&batch, &floats, ROW_FLOATS);
        dho_loader_release(s.loader, &floats);
        dho_loader_release(loader, &batch);
    } while (batch.count > 0);
    dho_loader_destroy(&loader);

    const int64_t ids[] = {0, 3, 7};
    dho_eval_loader *eval[2];
    dho_loader_options options = eval_options(&s.dataset);
    dho_eval_rows rows = eval_rows(ids, 3);
    ck_assert_ok(dho_eval_loader_create(&eval[0], &options, &rows));
    options.pixels = DHO_DTYPE_BF16;
    ck_assert_ok(dho_eval_loader_create(&eval[1], &options, &rows));
    ck_assert_ok(dho_eval_loader_next(eval[0], &floats));
    ck_assert_ok(dho_eval_loader_next(eval[1], &batch));
    ck_assert_int_eq(batch.count, 3);
    check_rounded(&batch, &floats, 14 * 14 * 3);
    dho_eval_loader_destroy(&eval[0]);
    dho_eval_loader_destroy(&eval[1]);
    setting_close(&s);
}
END_TEST

/* Once the largest image has passed, nothing is allocated (by us) any more. */
START_TEST(test_warm_loader_allocates_nothing)
{
    dho_dataset dataset;
    fixture_folder(&dataset, 3, 4);
    int64_t ids[48];
    for (int i = 0; i < 48; i++) ids[i] = i % 12;
    dho_eval_loader *loader;
    dho_loader_options options = eval_options(&dataset);
    dho_eval_rows rows = eval_rows(ids, 48);
    options.threads = 1;
    ck_assert_ok(dho_eval_loader_create(&loader, &options, &rows));
    int64_t calls = 0;
    for (int b = 0; b < 12; b++) {
        dho_batch batch;
        ck_assert_ok(dho_eval_loader_next(loader, &batch));
        if (b == 3) calls = dho_alloc_get_stats().calls;
        dho_eval_loader_release(loader, &batch);
    }
    ck_assert_int_eq(dho_alloc_get_stats().calls, calls);
    dho_eval_loader_destroy(&loader);
    dho_dataset_free(&dataset);
}
END_TEST

START_TEST(test_eval_errors)
{
    dho_dataset dataset;
    fixture_folder(&dataset, 2, 3);
    dho_eval_loader *loader;
    dho_batch batch;
    const int64_t ids[] = {0, 1, 2, 3, 4, 6};
    dho_loader_options options = eval_options(&dataset);
    dho_eval_rows rows = eval_rows(ids, 6);
    ck_assert_fails(dho_eval_loader_create(&loader, &options, &rows), DHO_ERR_INTERNAL,
                    "ids[5] is 6");
    rows.count = 5;
    options.transform.resize_short = 13;
    ck_assert_fails(dho_eval_loader_create(&loader, &options, &rows), DHO_ERR_CONFIG,
                    "a crop of 14");
    options.transform.resize_short = 14;
    fixture_write("set/c00/c00_i02.jpg", "no image");
    fixture_write("set/c01/c01_i01.jpg", "no image");
    rows.batch = 2;
    ck_assert_ok(dho_eval_loader_create(&loader, &options, &rows));
    ck_assert_ok(dho_eval_loader_next(loader, &batch));
    ck_assert_fails(dho_eval_loader_next(loader, &batch), DHO_ERR_FORMAT, "c00_i02.jpg");
    dho_eval_loader_destroy(&loader);
    dho_dataset_free(&dataset);
}
END_TEST

/* Whose place a broken sample's is: ids of a shard in a circle, labelled ones left out or alone. */
START_TEST(test_replacements)
{
    static const int64_t labelled[] = {1, 4, 4, 7};
    const dho_dataset dataset = {.count = 10};
    dho_sampler_options drawing = {.shards = 3, .labelled_ids = labelled, .labelled_count = 4};
    const dho_ring_options o = {
        .plan = {.options = {.dataset = &dataset, .on_error = DHO_POLICY_SKIP}},
        .drawing = &drawing};
    dho_draw draw = {.id = 1};
    ck_assert_int_eq(dho_skip_candidates(&o, &draw), 3); /* 1, 4, 7 */
    ck_assert_int_eq(dho_skip_replacement(&o, &draw), 4);
    draw.id = 7;
    ck_assert_int_eq(dho_skip_replacement(&o, &draw), 1);
    draw = (dho_draw){.id = 4, .labelled = true};
    ck_assert_int_eq(dho_skip_replacement(&o, &draw), 7);
    draw.id = 7;
    ck_assert_int_eq(dho_skip_replacement(&o, &draw), 1);
    drawing.excluded_ids = drawing.labelled_ids;
    drawing.excluded_count = drawing.labelled_count;
    drawing.shards = 1;
    draw = (dho_draw){.id = 0};
    ck_assert_int_eq(dho_skip_replacement(&o, &draw), 2);
    draw.id = 3;
    ck_assert_int_eq(dho_skip_replacement(&o, &draw), 5);
    drawing.shards = 3;
    drawing.excluded_ids = (const int64_t[]){0, 3, 6};
    drawing.excluded_count = 3;
    draw.id = 9; /* the only one of its shard without a label */
    ck_assert_int_eq(dho_skip_replacement(&o, &draw), 9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader");
    TCase *tests = tcase_create("loader");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_batches);
    tcase_add_test(tests, test_rows_are_the_documented_views);
    tcase_add_test(tests, test_threads_and_prefetch_change_nothing);
    tcase_add_test(tests, test_ranks_and_resume);
    tcase_add_test(tests, test_broken_file_fails_in_order);
    tcase_add_test(tests, test_broken_file_is_skipped);
    tcase_add_test(tests, test_unreadable_shard);
    tcase_add_test(tests, test_unreadable_file);
    tcase_add_test(tests, test_destroy_at_any_time);
    tcase_add_test(tests, test_held_batch_stays);
    tcase_add_test(tests, test_view_source);
    tcase_add_test(tests, test_errors_of_creation);
    tcase_add_test(tests, test_eval_batches);
    tcase_add_test(tests, test_cache_views);
    tcase_add_test(tests, test_bf16_images);
    tcase_add_test(tests, test_warm_loader_allocates_nothing);
    tcase_add_test(tests, test_eval_errors);
    tcase_add_test(tests, test_replacements);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

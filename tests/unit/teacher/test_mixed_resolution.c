/* Teacher and student of different sizes from one stored box: both see the same source pixels, each
 * resized to its own size once, and no size is taken from the other. */
#define _GNU_SOURCE
#include "dho/augment.h"
#include "dho/loader.h"
#include "dho/teacher.h"
#include "image/image_codec.h"
#include "load_image.h"
#include "unit/data/data_fixture.h"

enum { TEACHER = 378, STUDENT = 224, IMAGES = 6, VIEWS = 2, SHARDS = 2 };

typedef struct stored_views {
    dho_box boxes[IMAGES][VIEWS];
    bool flips[IMAGES][VIEWS];
} stored_views;

static dho_status fill_views(void *context, int64_t id, dho_cache_record *views)
{
    const stored_views *stored = context;
    for (int v = 0; v < VIEWS; v++) {
        views[v].box = stored->boxes[id][v];
        views[v].flip = stored->flips[id][v];
        views[v].payload[0] = (float)id;
        views[v].payload[1] = (float)v;
    }
    return DHO_OK;
}

/* Rows are right when they are crop, one resize to `size`, flip, floats, bit for bit. */
static void check_row(const dho_dataset *dataset, int64_t id, dho_box box, bool flip, int size,
                      const dho_normalise *normalise, const void *row)
{
    dho_pixel_finish finish;
    uint8_t *bytes = NULL;
    size_t capacity = 0, count = (size_t)size * (size_t)size * 3;
    char path[600];
    dho_image image = {0}, resized = {0};
    dho_resample_scratch scratch = {0};
    float *expected;
    snprintf(path, sizeof path, "%s/%s", dataset->root, dataset->samples[id].path);
    ck_assert_ok(dho_alloc(&expected, count, sizeof *expected, "expected"));
    ck_assert_ok(load_image(&image, path, &bytes, &capacity));
    ck_assert_ok(dho_image_resize(&image, box, size, size, DHO_FILTER_BICUBIC, &scratch, &resized));
    dho_pixel_finish_init(&finish, normalise, DHO_DTYPE_FP32);
    if (flip) dho_image_flip(&resized);
    dho_image_to_network(&resized, &finish, expected);
    ck_assert_mem_eq(row, expected, count * sizeof *expected);
    dho_image_free(&image);
    dho_image_free(&resized);
    dho_resample_scratch_free(&scratch);
    dho_free(bytes);
    dho_free(expected);
}

/* What dho cache build does: the teacher's crops at its own size; the boxes are kept. */
static void draw_views(const dho_dataset *dataset, const dho_normalise *normalise,
                       stored_views *out)
{
    static const int64_t ids[IMAGES] = {0, 1, 2, 3, 4, 5};
    dho_eval_loader *loader;
    dho_batch batch;
    const dho_loader_options options = {.dataset = dataset,
                                        .image_size = TEACHER,
                                        .transform = {.filter = DHO_FILTER_BICUBIC},
                                        .scale = {0.2, 1},
                                        .ratio = {0.75, 4.0 / 3},
                                        .flip = true,
                                        .normalise = *normalise,
                                        .seed = 5,
                                        .threads = 2,
                                        .prefetch = 1};
    const dho_eval_rows rows = {.ids = ids, .count = IMAGES, .views = VIEWS, .batch = 4};
    ck_assert_ok(dho_eval_loader_create(&loader, &options, &rows));
    for (int row = 0; row < IMAGES * VIEWS;) {
        ck_assert_ok(dho_eval_loader_next(loader, &batch));
        for (int i = 0; i < batch.count; i++, row++) {
            const int id = row / VIEWS, view = row % VIEWS;
            out->boxes[id][view] = batch.boxes[i];
            out->flips[id][view] = batch.flips[i];
            check_row(dataset, id, batch.boxes[i], batch.flips[i], TEACHER, normalise,
                      (const float *)batch.images + (size_t)i * TEACHER * TEACHER * 3);
        }
        dho_eval_loader_release(loader, &batch);
    }
    dho_eval_loader_destroy(&loader);
}

static void write_cache(const char *folder, const dho_dataset *dataset, stored_views *stored)
{
    const dho_cache_spec spec = {.fingerprint = dataset->fingerprint,
                                 .count = dataset->count,
                                 .shards = SHARDS,
                                 .views = VIEWS,
                                 .payload = DHO_CACHE_LOGITS,
                                 .encoding = DHO_CACHE_FP16,
                                 .dim = 2,
                                 .classes = 2,
                                 .image_size = TEACHER,
                                 .crop_scale = {0.2, 1},
                                 .crop_ratio = {0.75, 4.0 / 3},
                                 .flip = true,
                                 .seed = 5,
                                 .teacher = "large"};
    bool written;
    for (int s = 0; s < SHARDS; s++)
        ck_assert_ok(dho_cache_write_shard(folder, &spec, s, fill_views, stored, &written));
    ck_assert_ok(dho_cache_finish(folder, &spec, NULL));
}

static void check_student(const dho_dataset *dataset, const dho_normalise *normalise,
                          dho_cache *cache, const stored_views *stored)
{
    static const int64_t labelled_ids[] = {1, 4};
    static const int shards[] = {0, 1};
    dho_sampler *sampler;
    dho_loader *loader;
    dho_batch batch;
    int pixels = 0, flips = 0;
    const dho_sampler_options drawing = {.seed = 3,
                                         .shards = SHARDS,
                                         .labelled = 1,
                                         .unlabelled = 2,
                                         .dataset_count = IMAGES,
                                         .labelled_ids = labelled_ids,
                                         .labelled_count = 2};
    ck_assert_ok(dho_sampler_create(&sampler, &drawing));
    const dho_loader_options options = {.dataset = dataset,
                                        .image_size = STUDENT,
                                        .transform = {.filter = DHO_FILTER_BICUBIC},
                                        .scale = {0.2, 1},
                                        .ratio = {0.75, 4.0 / 3},
                                        .flip = true,
                                        .normalise = *normalise,
                                        .seed = 77, /* another one: the boxes are the cache's */
                                        .threads = 2,
                                        .prefetch = 2,
                                        .view_source = dho_teacher_view,
                                        .view_context = cache};
    const dho_loader_steps steps = {
        .sampler = sampler, .shards = shards, .shard_count = SHARDS, .last = 4};
    ck_assert_ok(dho_loader_create(&loader, &options, &steps));
    for (;;) {
        ck_assert_ok(dho_loader_next(loader, &batch));
        if (batch.count == 0) break;
        for (int i = 0; i < batch.count; i++) {
            const int64_t id = batch.draws[i].id;
            const int view = (int)(batch.draws[i].pass % VIEWS);
            ck_assert_mem_eq(&batch.boxes[i], &stored->boxes[id][view], sizeof(dho_box));
            ck_assert_int_eq(batch.flips[i], stored->flips[id][view]);
            check_row(dataset, id, stored->boxes[id][view], stored->flips[id][view], STUDENT,
                      normalise, (const float *)batch.images + (size_t)i * STUDENT * STUDENT * 3);
            flips += batch.flips[i];
            pixels++;
        }
        dho_loader_release(loader, &batch);
    }
    ck_assert_int_eq(pixels, 4 * SHARDS * 3);
    ck_assert_int_gt(flips, 0);
    dho_loader_destroy(&loader);
    dho_sampler_destroy(&sampler);
}

START_TEST(test_one_box_two_sizes)
{
    const dho_normalise normalise = {.mean = {0.4815f, 0.4578f, 0.4082f},
                                     .std = {0.2686f, 0.2613f, 0.2758f}};
    dho_dataset dataset;
    dho_cache *cache;
    stored_views stored;
    fixture_folder(&dataset, 2, 3);
    draw_views(&dataset, &normalise, &stored);
    write_cache(fixture_path("cache"), &dataset, &stored);
    ck_assert_ok(dho_cache_open(&cache, fixture_path("cache")));
    ck_assert_int_eq(dho_cache_get_spec(cache)->image_size, TEACHER);
    check_student(&dataset, &normalise, cache, &stored);
    dho_cache_close(&cache);
    dho_dataset_free(&dataset);
}
END_TEST

/* A view that cannot be read is an error, not a crop of the loader's own. */
START_TEST(test_a_damaged_view_ends_the_loader)
{
    static const int64_t ids[] = {0, 1};
    const dho_normalise normalise = {.std = {1, 1, 1}};
    dho_dataset dataset;
    dho_cache *cache;
    stored_views stored;
    dho_eval_loader *loader;
    dho_batch batch;
    fixture_folder(&dataset, 2, 3);
    draw_views(&dataset, &normalise, &stored);
    write_cache(fixture_path("cache"), &dataset, &stored);
    FILE *shard = fopen(fixture_path("cache/shard-00001-of-00002.bin"), "r+b");
    ck_assert_ptr_nonnull(shard);
    ck_assert(fseek(shard, 256, SEEK_SET) == 0 && fputc(0xff, shard) == 0xff); /* a box's x */
    fclose(shard);
    ck_assert_ok(dho_cache_open(&cache, fixture_path("cache")));
    const dho_loader_options options = {.dataset = &dataset,
                                        .image_size = STUDENT,
                                        .scale = {0.2, 1},
                                        .ratio = {0.75, 4.0 / 3},
                                        .normalise = normalise,
                                        .threads = 1,
                                        .prefetch = 1,
                                        .view_source = dho_teacher_view,
                                        .view_context = cache};
    const dho_eval_rows rows = {.ids = ids, .count = 2, .views = VIEWS, .batch = 4};
    ck_assert_ok(dho_eval_loader_create(&loader, &options, &rows));
    ck_assert_fails(dho_eval_loader_next(loader, &batch), DHO_ERR_FORMAT,
                    "shard-00001-of-00002.bin: block 0 at offset 256: CRC is");
    dho_eval_loader_destroy(&loader);
    dho_cache_close(&cache);
    dho_dataset_free(&dataset);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mixed resolution");
    TCase *tests = tcase_create("mixed resolution");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_one_box_two_sizes);
    tcase_add_test(tests, test_a_damaged_view_ends_the_loader);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

/* A cache against what its teacher says now: a right one agrees bit for bit; another teacher,
 * another image or another transform is found, with the image's name. */
#define _GNU_SOURCE
#include "dho/alloc.h"
#include "dho/cache_builder.h"
#include "dho/run_setup.h"
#include "unit/data/data_fixture.h"

#include <unistd.h>

enum { CLASSES = 2, IMAGES = 10, VIEWS = 3, SHARDS = 3, ALL = 1000 };

static dho_comm *comm;
static dho_dataset dataset;
static dho_config config;
static dho_model model;

static void load_config(const char *override)
{
    char text[256];
    snprintf(text, sizeof text,
             "data: {root: %s, image_size: 32, loader_threads: 2}\n"
             "eval: {batch: 4, resize: 40}\ncompute: {backend: ref}\n",
             fixture_path("set"));
    dho_config_free(&config);
    ck_assert_ok(
        dho_config_parse(&config, text, strlen(text), "t.yaml", &override, override != NULL));
}

static void setup(void)
{
    fixture_setup();
    fixture_folder(&dataset, CLASSES, IMAGES / CLASSES);
    ck_assert_ok(dho_comm_create_serial(&comm));
    load_config(NULL);
    const dho_student_options options = {.model = "resnet18",
                                         .width = 8,
                                         .image_size = 32,
                                         .classes = CLASSES,
                                         .expose_features = true};
    ck_assert_ok(dho_student_create(&model.student, &options));
    const dho_graph *graph = model.student.graph;
    ck_assert_ok(dho_alloc_zero(&model.parameters, dho_graph_parameter_floats(graph), 4, "model"));
    ck_assert_ok(dho_alloc_zero(&model.buffers, dho_graph_buffer_floats(graph), 4, "model"));
    dho_graph_initialise(graph, 1, model.parameters, model.buffers);
    for (int c = 0; c < 3; c++) model.mean[c] = model.std[c] = 0.5;
}

static void teardown(void)
{
    dho_model_destroy(&model);
    dho_config_free(&config);
    dho_comm_destroy(&comm);
    dho_dataset_free(&dataset);
    fixture_teardown();
}

static dho_cache_teacher teacher(void)
{
    return (dho_cache_teacher){.model = &model,
                               .kind = "model",
                               .name = "small",
                               .transform = dho_setup_eval_transform(&config, 32)};
}

static dho_cache_build_options build_options(const char *name)
{
    return (dho_cache_build_options){
        .teacher = teacher(), .out = fixture_path(name), .shards = SHARDS, .views = VIEWS};
}

static void build(const char *name)
{
    const dho_cache_build_options options = build_options(name);
    ck_assert_ok(dho_cache_build(&config, comm, &options));
}

static dho_status recompute(const char *name, int64_t size, uint64_t seed, dho_cache_agreement *out)
{
    const dho_cache_teacher now = teacher();
    const dho_cache_sample sample = {.size = size, .seed = seed};
    dho_cache *cache;
    DHO_TRY(dho_cache_open(&cache, fixture_path(name)));
    const dho_status status = dho_cache_recompute(&config, comm, cache, &now, &sample, out);
    dho_cache_close(&cache);
    return status;
}

START_TEST(test_a_right_cache_agrees)
{
    static const dho_cache_encoding encodings[] = {DHO_CACHE_FP16, DHO_CACHE_INT8X, DHO_CACHE_FP16,
                                                   DHO_CACHE_INT8X, DHO_CACHE_TOPK};
    dho_cache_agreement found;
    dho_cache_build_options options = build_options("cache");
    options.encoding = encodings[_i / 2];
    options.payload = _i / 2 < 2 ? DHO_CACHE_EMBEDDING : DHO_CACHE_LOGITS;
    options.top = options.encoding == DHO_CACHE_TOPK;
    options.center = _i % 2 == 1;
    ck_assert_ok(dho_cache_build(&config, comm, &options));
    ck_assert_ok(recompute("cache", ALL, 0, &found));
    ck_assert_int_eq(found.views, IMAGES);
    ck_assert_int_eq(found.equal, IMAGES);
    ck_assert(found.largest == 0 && found.tolerance > 0);
    ck_assert_ok(recompute("cache", SHARDS, 7, &found)); /* one of each shard: all different */
    ck_assert(found.views == SHARDS && found.equal == SHARDS);
}
END_TEST

START_TEST(test_another_teacher_is_found)
{
    dho_cache_agreement found;
    build("cache");
    dho_graph_initialise(model.student.graph, 2, model.parameters, model.buffers);
    ck_assert_fails(recompute("cache", 1, 3, &found), DHO_ERR_FORMAT, ".jpg, view ");
    ck_assert_ptr_nonnull(strstr(dho_error_message(), "1 of 1 sampled views"));
}
END_TEST

START_TEST(test_a_replaced_image_is_found)
{
    dho_cache_agreement found;
    build("cache");
    fixture_image("set/c01/c01_i03.jpg", 8 + 91); /* of the same size */
    ck_assert_fails(recompute("cache", ALL, 0, &found), DHO_ERR_FORMAT,
                    "image c01/c01_i03.jpg, view ");
    ck_assert_ptr_nonnull(strstr(dho_error_message(), "1 of 10 sampled views"));
    fixture_image("set/c01/c01_i03.jpg", 8 + 1); /* of another: the box may lie outside */
    ck_assert_fails(recompute("cache", ALL, 0, &found), DHO_ERR_FORMAT, "c01_i03.jpg");
}
END_TEST

static dho_status copy_image(void *context, int64_t id, dho_cache_record *views)
{
    for (int v = 0; v < VIEWS; v++) DHO_TRY(dho_cache_read(context, id, v, &views[v]));
    return DHO_OK;
}

/* One shard of another interpolation under the settings of the others, as an interrupted build that
 * was finished with another configuration would leave it if nothing were recorded. */
START_TEST(test_a_mixed_cache_is_found)
{
    dho_cache_agreement found;
    dho_cache *bicubic, *bilinear;
    bool written;
    build("cache");
    load_config("data.interpolation=bilinear");
    build("bilinear");
    ck_assert_fails(recompute("cache", ALL, 0, &found), DHO_ERR_CONFIG,
                    "interpolation is \"bicubic\", expected \"bilinear\"");
    load_config(NULL);
    ck_assert_ok(dho_cache_open(&bicubic, fixture_path("cache")));
    ck_assert_ok(dho_cache_open(&bilinear, fixture_path("bilinear")));
    ck_assert_int_eq(unlink(fixture_path("cache/shard-00001-of-00003.bin")), 0);
    ck_assert_ok(dho_cache_write_shard(fixture_path("cache"), dho_cache_get_spec(bicubic), 1,
                                       copy_image, bilinear, &written));
    dho_cache_close(&bicubic);
    dho_cache_close(&bilinear);
    ck_assert_fails(recompute("cache", ALL, 0, &found), DHO_ERR_FORMAT,
                    "3 of 10 sampled views"); /* ids 1, 4 and 7 */
    ck_assert(strstr(dho_error_message(), "image c00/c00_i01.jpg, view ") != NULL ||
              strstr(dho_error_message(), "image c00/c00_i04.jpg, view ") != NULL ||
              strstr(dho_error_message(), "image c01/c01_i02.jpg, view ") != NULL);
}
END_TEST

START_TEST(test_other_settings_are_named)
{
    static const struct {
        const char *override, *message;
    } others[] = {
        {"eval.resize=64", "short_side is 40, expected 64"},
        {"eval.interpolation=bilinear", "interpolation is \"bicubic\", expected \"bilinear\""},
    };
    dho_cache_agreement found;
    dho_cache_build_options options = build_options("cache");
    options.center = true;
    ck_assert_ok(dho_cache_build(&config, comm, &options));
    load_config("data.interpolation=bilinear"); /* of the students only */
    ck_assert_ok(recompute("cache", ALL, 0, &found));
    for (int i = 0; i < 2; i++) {
        load_config(others[i].override);
        ck_assert_fails(recompute("cache", ALL, 0, &found), DHO_ERR_CONFIG, others[i].message);
        options.teacher = teacher();
        ck_assert_fails(dho_cache_build(&config, comm, &options), DHO_ERR_CONFIG,
                        others[i].message);
    }
    load_config(NULL);
    model.std[1] = 0.25;
    ck_assert_fails(recompute("cache", ALL, 0, &found), DHO_ERR_CONFIG, "std is [0.5, 0.5, 0.5]");
}
END_TEST

START_TEST(test_allocations)
{
    dho_cache_agreement found;
    build("cache");
    ck_assert_allocations(recompute("cache", 4, 0, &found));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cache_recompute");
    TCase *tests = tcase_create("cache_recompute");
    tcase_set_timeout(tests, 0); /* CTest has the timeout */
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, test_a_right_cache_agrees, 0, 10);
    tcase_add_test(tests, test_another_teacher_is_found);
    tcase_add_test(tests, test_a_replaced_image_is_found);
    tcase_add_test(tests, test_a_mixed_cache_is_found);
    tcase_add_test(tests, test_other_settings_are_named);
    tcase_add_test(tests, test_allocations);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

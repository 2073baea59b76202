/* CLIP's towers against open_clip's numbers (tests/golden/make_clip_golden.py), and what a file can
 * have wrong. Larger models and other namings: tests/oracle/clip_embeddings.sh. */
#define _GNU_SOURCE

#include "../compute/kernel_test.h"
#include "dho/clip.h"
#include "dho/file.h"
#include "dho/safetensors.h"
#include "dho/state_dict.h"
#include "dho/text_tower.h"
#include "dho/weights.h"
#include "weights/tensor_index.h"

#include <unistd.h>

#define FOLDER "tests/golden/clip_small/"
#define MODEL FOLDER "model.safetensors"

enum { EMBED = 10, CONTEXT = 40, ROWS = 4, VOCABULARY = 516, SIDE = 32 };

static const dho_clip_source source = {.model = "clip_vit_b16", .path = MODEL};

typedef struct golden {
    float ids[ROWS * CONTEXT], texts[ROWS * EMBED];
    float pixels[2 * 3 * SIDE * SIDE], images[2 * EMBED];
} golden;

static void read_tensor(const dho_safetensors *file, const char *name, float *out)
{
    const dho_tensor_view *tensor = dho_safetensors_find(file, name);
    ck_assert_ptr_nonnull(tensor);
    dho_tensor_to_float(tensor, out);
}

static const golden *read_golden(void)
{
    static golden g;
    dho_safetensors *file;
    ck_assert_ok(dho_safetensors_open(&file, FOLDER "expected.safetensors"));
    read_tensor(file, "ids", g.ids);
    read_tensor(file, "texts", g.texts);
    read_tensor(file, "pixels", g.pixels);
    read_tensor(file, "images", g.images);
    dho_safetensors_close(&file);
    return &g;
}

static double distance(const float *a, const float *b, size_t count)
{
    double difference = 0, square = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        square += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / square);
}

/* The first `rows` golden texts with only `length` ids each. */
static double text_error(dho_compute *compute, int rows, int length)
{
    const golden *g = read_golden();
    const dho_text_tower_options options = {.model = "clip_vit_b16",
                                            .width = 16,
                                            .layers = 2,
                                            .embed = EMBED,
                                            .vocabulary = VOCABULARY,
                                            .positions = CONTEXT,
                                            .length = length};
    dho_text_tower tower;
    dho_weights *weights;
    dho_init_report report;
    dho_executor *executor;
    float *parameters, ids[ROWS * CONTEXT];
    ck_assert_ok(dho_text_tower_create(&tower, &options));
    ck_assert_ok(
        dho_alloc(&parameters, dho_graph_parameter_floats(tower.graph), sizeof(float), ""));
    ck_assert_ok(dho_weights_open(&weights, MODEL, NULL));
    ck_assert_ok(dho_state_dict_init(weights, tower.graph, false, parameters, NULL, &report));
    const dho_executor_options execution = {.compute = compute, .batch = ROWS};
    ck_assert_ok(dho_executor_create(&executor, tower.graph, &execution));
    for (int r = 0; r < rows; r++)
        memcpy(ids + r * length, g->ids + r * CONTEXT, (size_t)length * sizeof *ids);
    ck_assert_ok(dho_executor_prepare(executor, rows));
    dho_executor_forward(executor, rows, ids, parameters, NULL, NULL);
    const double error =
        distance(dho_executor_output(executor, tower.embedding), g->texts, (size_t)rows * EMBED);
    dho_executor_destroy(&executor);
    dho_weights_close(&weights);
    dho_free(parameters);
    dho_text_tower_destroy(&tower);
    return error;
}

START_TEST(test_text_tower)
{
    const char *const *backends = dho_compute_backends();
    for (size_t i = 0; backends[i] != NULL; i++) {
        dho_compute *compute = open_backend(backends[i], 2);
        ck_assert_double_lt(text_error(compute, ROWS, CONTEXT), 1e-6);
        ck_assert_double_lt(text_error(compute, 3, 8), 1e-6); /* end marks at 1, 6 and 7 */
        ck_assert_double_lt(text_error(compute, 1, 2), 1e-6);
        dho_compute_destroy(&compute);
    }
    dho_compute *compute;
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_AUTO, DHO_DTYPE_BF16, 2));
    const double error = text_error(compute, ROWS, CONTEXT);
    ck_assert_double_lt(error, 2e-2);
    ck_assert_double_gt(error, 0);
    dho_compute_destroy(&compute);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* sum(p.numel()) of open_clip's models without "visual." and logit_scale. */
static const struct published {
    const char *model;
    size_t parameters;
} published[] = {{"clip_rn50", 63690240},
                 {"clip_vit_b16", 63428096},
                 {"clip_vit_l14", 123650304},
                 {"clip_vit_l14_336", 123650304},
                 {"clip_vit_h14_378", 354032640}};

START_TEST(test_published)
{
    dho_text_tower tower;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        const dho_text_tower_options options = {.model = published[i].model};
        size_t sum = 0;
        ck_assert_ok(dho_text_tower_create(&tower, &options));
        for (size_t k = 0; k < dho_graph_parameter_count(tower.graph); k++)
            sum += dho_graph_parameter(tower.graph, k)->count;
        ck_assert_uint_eq(sum, published[i].parameters);
        dho_text_tower_destroy(&tower);
    }
}
END_TEST

START_TEST(test_refused_towers)
{
    dho_text_tower tower;
    dho_executor *executor;
    dho_compute *compute = open_backend("ref", 1);
    dho_text_tower_options options = {.model = "resnet18"};
    ck_assert_fails(dho_text_tower_create(&tower, &options), DHO_ERR_CONFIG, "known: clip_rn50");
    options.model = "clip_rn50";
    options.width = 12;
    ck_assert_fails(dho_text_tower_create(&tower, &options), DHO_ERR_CONFIG, "multiple of 8");
    options.width = 16;
    options.vocabulary = -1;
    ck_assert_fails(dho_text_tower_create(&tower, &options), DHO_ERR_CONFIG, "vocabulary");
    options.vocabulary = 8;
    options.length = 78;
    ck_assert_fails(dho_text_tower_create(&tower, &options), DHO_ERR_CONFIG, "more tokens");
    options.length = 0;
    ck_assert_ok(dho_text_tower_create(&tower, &options));
    const dho_executor_options execution = {.compute = compute, .batch = 1, .training = true};
    ck_assert_fails(dho_executor_create(&executor, tower.graph, &execution), DHO_ERR_CONFIG,
                    "can be run, not trained");
    dho_text_tower_destroy(&tower);
    dho_compute_destroy(&compute);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_image)
{
    const golden *g = read_golden();
    static float nhwc[2 * SIDE * SIDE * 3];
    for (int b = 0; b < 2; b++)
        for (int c = 0; c < 3; c++)
            for (int p = 0; p < SIDE * SIDE; p++)
                nhwc[(b * SIDE * SIDE + p) * 3 + c] = g->pixels[(b * 3 + c) * SIDE * SIDE + p];
    float weight[3 * EMBED];
    for (int i = 0; i < 3 * EMBED; i++) weight[i] = (float)(i % 7) - 3;
    const dho_head_file head = {
        .head = {.classes = 3, .dim = EMBED, .scale = 50, .weight = weight}};
    dho_clip_image image;
    dho_compute *compute = open_backend("blis", 1);
    dho_executor *executor;
    ck_assert_ok(dho_clip_image_open(&image, &source, &head));
    const dho_student *student = &image.model.student;
    ck_assert_int_eq(student->image_size, SIDE);
    ck_assert_int_eq(student->feature_dim, EMBED);
    ck_assert(!image.squash);
    ck_assert_ptr_null(image.model.class_names);
    const dho_executor_options execution = {.compute = compute, .batch = 2};
    ck_assert_ok(dho_executor_create(&executor, student->graph, &execution));
    dho_executor_forward(executor, 2, nhwc, image.model.parameters, image.model.buffers, NULL);
    const float *f = dho_executor_output(executor, student->features);
    const float *logits = dho_executor_output(executor, student->heads[0]);
    ck_assert_double_lt(distance(f, g->images, 2 * EMBED), 1e-6);
    for (int b = 0; b < 2; b++) {
        double norm = 0, dot[3] = {0};
        for (int i = 0; i < EMBED; i++) {
            const double value = (double)f[b * EMBED + i];
            norm += value * value;
            for (int c = 0; c < 3; c++) dot[c] += value * (double)weight[c * EMBED + i];
        }
        for (int c = 0; c < 3; c++)
            ck_assert_double_eq_tol((double)logits[b * 3 + c], 50 * dot[c] / sqrt(norm), 1e-3);
    }
    dho_executor_destroy(&executor);
    dho_compute_destroy(&compute);
    dho_clip_image_close(&image);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* Texts of all lengths, in one call and one by one. */
START_TEST(test_encode)
{
    static const char *const texts[] = {"the",     "a b c d e f g h",
                                        "",        "the the the the",
                                        "a photo", "the quick brown fox jumps over the lazy dog"};
    enum { COUNT = sizeof texts / sizeof *texts };
    float together[COUNT * EMBED], alone[EMBED];
    dho_compute *compute = open_backend("blis", 1);
    dho_clip_text *text;
    int64_t cut;
    ck_assert_ok(dho_clip_text_open(&text, &source, FOLDER, compute, 2));
    ck_assert_int_eq(dho_clip_text_dim(text), EMBED);
    ck_assert_float_eq_tol(dho_clip_text_scale(text), 1 / 0.07f, 1e-4f);
    ck_assert_ok(dho_clip_text_encode(text, texts, COUNT, together, &cut));
    ck_assert_int_eq(cut, -1);
    for (size_t i = 0; i < COUNT; i++) {
        ck_assert_ok(dho_clip_text_encode(text, &texts[i], 1, alone, NULL));
        ck_assert_double_lt(distance(together + i * EMBED, alone, EMBED), 1e-6);
    }
    const char *const long_texts[] = {"the", "0123456789 0123456789 0123456789 0123456789"};
    ck_assert_ok(dho_clip_text_encode(text, long_texts, 2, together, &cut));
    ck_assert_int_eq(cut, 1);
    ck_assert_fails(dho_clip_text_encode(text, long_texts, 2, together, NULL), DHO_ERR_CONFIG,
                    "the model takes 40");
    dho_clip_text_close(&text);
    dho_compute_destroy(&compute);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* The golden model with one tensor taken away or replaced. */
static void write_changed(const char *path, const char *name, const dho_tensor_view *replacement)
{
    dho_safetensors *file;
    dho_tensor_view tensors[128];
    size_t count = 0;
    ck_assert_ok(dho_safetensors_open(&file, MODEL));
    ck_assert_uint_lt(dho_safetensors_table(file)->count, 128);
    for (size_t i = 0; i < dho_safetensors_table(file)->count; i++) {
        tensors[count] = dho_safetensors_table(file)->tensors[i];
        if (strcmp(tensors[count].name, name) != 0)
            count++;
        else if (replacement != NULL)
            tensors[count++] = *replacement;
    }
    ck_assert_ok(dho_safetensors_save(path, tensors, count, NULL, NULL));
    dho_safetensors_close(&file);
}

START_TEST(test_hostile_files)
{
    static const float values[64];
    static const struct {
        const char *name, *message;
        bool text;
        dho_tensor_view replacement; /* no data: taken away */
    } cases[] = {
        {"token_embedding.weight", "no tensor \"token_embedding.weight\"", true, {0}},
        {"visual.conv1.weight", "no tensor \"visual.conv1.weight\"", false, {0}},
        {"text_projection", "no tensor \"text_projection\"", true, {0}},
        {"ln_final.bias", "ln_final.bias", true, {0}},
        {"transformer.resblocks.0.ln_1.weight", "resblocks.0", true, {0}},
        {"visual.proj", "no tensor \"visual.proj\"", false, {0}},
        {"token_embedding.weight",
         "expected 2 dimensions, found 1",
         true,
         {.dtype = DHO_F32, .dims = 1, .shape = {8}, .data = values, .bytes = 32}},
        {"text_projection",
         "a size of 0",
         true,
         {.dtype = DHO_F32, .dims = 2, .shape = {16, 0}, .data = values}},
        {"text_projection",
         "expected shape [16, 2], found [8, 2]",
         true,
         {.dtype = DHO_F32, .dims = 2, .shape = {8, 2}, .data = values, .bytes = 64}},
        {"logit_scale",
         "expected one value",
         true,
         {.dtype = DHO_F32, .dims = 1, .shape = {2}, .data = values, .bytes = 8}},
        {"token_embedding.weight",
         "embeds 2 tokens, the vocabulary of the merges has 516",
         true,
         {.dtype = DHO_F32, .dims = 2, .shape = {2, 16}, .data = values, .bytes = 128}},
        {"visual.positional_embedding",
         "no square grid",
         false,
         {.dtype = DHO_F32, .dims = 2, .shape = {3, 16}, .data = values, .bytes = 192}},
        {"visual.conv1.weight",
         "expected 4 dimensions",
         false,
         {.dtype = DHO_F32, .dims = 2, .shape = {4, 4}, .data = values, .bytes = 64}},
    };
    char path[] = "/tmp/dho-clip-XXXXXX";
    close(mkstemp(path));
    dho_compute *compute = open_backend("ref", 1);
    const dho_clip_source changed = {.model = "ViT-B-16", .path = path};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dho_tensor_view replacement = cases[i].replacement;
        replacement.name = cases[i].name;
        write_changed(path, cases[i].name, replacement.data != NULL ? &replacement : NULL);
        dho_clip_text *text;
        dho_clip_image image;
        const dho_status status = cases[i].text
                                      ? dho_clip_text_open(&text, &changed, FOLDER, compute, 1)
                                      : dho_clip_image_open(&image, &changed, NULL);
        ck_assert_msg(status == DHO_ERR_FORMAT || status == DHO_ERR_CONFIG, "case %zu", i);
        ck_assert_msg(strstr(dho_error_message(), cases[i].message) != NULL, "case %zu: %s", i,
                      dho_error_message());
    }
    const dho_clip_source other = {.model = "ViT-B-32", .path = path};
    dho_clip_image image;
    ck_assert_fails(dho_clip_image_open(&image, &other, NULL), DHO_ERR_CONFIG, "clip_vit_b16");
    unlink(path);
    dho_compute_destroy(&compute);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

static dho_status everything(dho_compute *compute)
{
    static const char *const texts[] = {"the", "a long text"};
    float out[2 * EMBED];
    dho_clip_text *text;
    dho_clip_image image;
    DHO_TRY(dho_clip_text_open(&text, &source, FOLDER, compute, 2));
    const dho_status status = dho_clip_text_encode(text, texts, 2, out, NULL);
    dho_clip_text_close(&text);
    DHO_TRY(status);
    DHO_TRY(dho_clip_image_open(&image, &source, NULL));
    dho_clip_image_close(&image);
    return DHO_OK;
}

START_TEST(test_failed_allocations)
{
    dho_compute *compute = open_backend("ref", 1);
    ck_assert_ok(everything(compute)); /* the scratch memory of compute stays */
    const int64_t before = dho_alloc_get_stats().live_blocks;
    bool done = false;
    int64_t n = 1;
    for (int64_t step = 1; !done; n += step) {
        if (n > 40) step = 17; /* graphs have many names */
        dho_alloc_fail_at(n);
        const dho_status status = everything(compute);
        dho_alloc_fail_at(0);
        done = status == DHO_OK;
        ck_assert_msg(done || status == DHO_ERR_MEMORY, "allocation %lld: %s", (long long)n,
                      dho_error_message());
        ck_assert_int_eq(dho_alloc_get_stats().live_blocks, before);
    }
    ck_assert_int_gt(n, 100);
    dho_compute_destroy(&compute);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clip");
    TCase *tests = tcase_create("clip");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_text_tower);
    tcase_add_test(tests, test_published);
    tcase_add_test(tests, test_refused_towers);
    tcase_add_test(tests, test_image);
    tcase_add_test(tests, test_encode);
    tcase_add_test(tests, test_hostile_files);
    tcase_add_test(tests, test_failed_allocations);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

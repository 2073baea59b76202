/* Prompts, zero-shot heads and head files. The towers' numbers: test_clip.c. */
#define _GNU_SOURCE

#include "../data/data_fixture.h"
#include "dho/head_file.h"
#include "dho/safetensors.h"
#include "dho/zero_shot.h"

#include <math.h>

#define FOLDER "tests/golden/clip_small/"

enum { EMBED = 10 };

static dho_status read_classes(const char *text, const dho_dataset *dataset,
                               dho_prompt_classes *out)
{
    fixture_write("classes.txt", text);
    return dho_prompt_classes_read(out, fixture_path("classes.txt"), dataset);
}

START_TEST(test_classes)
{
    dho_prompt_classes classes;
    dho_dataset dataset;
    fixture_folder(&dataset, 3, 1);
    ck_assert_ok(read_classes("# two\n\n great_white shark \ntench\n", NULL, &classes));
    ck_assert_int_eq(classes.count, 2);
    ck_assert_str_eq(classes.names[0], "great white shark");
    ck_assert_ptr_null(classes.keys);
    dho_prompt_classes_free(&classes);
    /* The dataset's order, whatever the file's; it may have others. */
    ck_assert_ok(
        read_classes("c02\tthird_one\nc00\tfirst\nz\tother\nc01\tc01\n", &dataset, &classes));
    ck_assert_int_eq(classes.count, 3);
    ck_assert_str_eq(classes.names[0], "first");
    ck_assert_str_eq(classes.names[2], "third one");
    ck_assert_str_eq(classes.keys[2], "c02");
    dho_prompt_classes_free(&classes);
    ck_assert_ok(read_classes("a\nb\nc\n", &dataset, &classes));
    ck_assert_str_eq(classes.names[1], "b");
    ck_assert_str_eq(classes.keys[1], "c01");
    dho_prompt_classes_free(&classes);
    ck_assert_ok(dho_prompt_classes_read(&classes, NULL, &dataset));
    ck_assert_str_eq(classes.names[1], "c01");
    dho_prompt_classes_free(&classes);

    ck_assert_fails(read_classes("# none\n", NULL, &classes), DHO_ERR_CONFIG, "no class");
    ck_assert_fails(read_classes("a\nb\n", &dataset, &classes), DHO_ERR_CONFIG,
                    "2 classes, the dataset has 3");
    ck_assert_fails(read_classes("c00\ta\nc01\tb\n", &dataset, &classes), DHO_ERR_CONFIG,
                    "no line for the dataset's class \"c02\"");
    ck_assert_fails(read_classes("c00\ta\nc00\tb\nc01\tb\nc02\tc\n", &dataset, &classes),
                    DHO_ERR_CONFIG, "\"c00\" is there twice");
    ck_assert_fails(read_classes("c00\ta\nb\n", NULL, &classes), DHO_ERR_CONFIG,
                    "\"b\": the first class has a key");
    ck_assert_fails(read_classes("c00\ta\tb\n", NULL, &classes), DHO_ERR_CONFIG, "one tab");
    ck_assert_fails(dho_prompt_classes_read(&classes, "/no/such", NULL), DHO_ERR_IO, "/no/such");
    ck_assert_fails(dho_prompt_classes_read(&classes, NULL, NULL), DHO_ERR_CONFIG, "no classes");
    dho_dataset_free(&dataset);
}
END_TEST

static dho_status read_templates(const char *text, dho_templates *out)
{
    fixture_write("templates.txt", text);
    return dho_templates_read(out, fixture_path("templates.txt"));
}

START_TEST(test_templates)
{
    dho_templates templates;
    ck_assert_ok(read_templates("# x\na {}.\n\n{}\n", &templates));
    ck_assert_int_eq(templates.count, 2);
    ck_assert_str_eq(templates.lines[1], "{}");
    dho_templates_free(&templates);
    ck_assert_fails(read_templates("a photo\n", &templates), DHO_ERR_CONFIG,
                    "\"a photo\": expected");
    ck_assert_fails(read_templates("{} {}\n", &templates), DHO_ERR_CONFIG, "expected one {}");
    ck_assert_fails(read_templates("", &templates), DHO_ERR_CONFIG, "0 templates");
}
END_TEST

START_TEST(test_shipped)
{
    static const struct {
        const char *name;
        int count;
    } files[] = {{"imagenet", 80},   {"imagenet7", 7}, {"caltech101", 1},
                 {"dtd", 1},         {"eurosat", 1},   {"fgvc", 1},
                 {"food101", 1},     {"sun397", 1},    {"oxford_flowers", 1},
                 {"oxford_pets", 1}, {"ucf101", 1},    {"stanford_cars", 1}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[96];
        dho_templates templates;
        snprintf(path, sizeof path, "configs/templates/%s.txt", files[i].name);
        ck_assert_ok(dho_templates_read(&templates, path));
        ck_assert_int_eq(templates.count, files[i].count);
        dho_templates_free(&templates);
    }
    dho_prompt_classes names, wnids;
    ck_assert_ok(dho_prompt_classes_read(&names, "configs/imagenet/classnames.txt", NULL));
    ck_assert_ok(dho_prompt_classes_read(&wnids, "configs/imagenet/wnids.txt", NULL));
    ck_assert_int_eq(names.count, 1000);
    for (int c = 0; c < 1000; c++) ck_assert_str_eq(names.keys[c], wnids.names[c]);
    ck_assert_str_eq(names.names[657], names.names[744]);
    ck_assert_str_eq(names.names[837], "sunglasses");
    ck_assert_str_eq(names.names[999], "toilet paper");
    dho_prompt_classes_free(&names);
    dho_prompt_classes_free(&wnids);
}
END_TEST

/* By hand: weight and mean of one class. */
static void expect(dho_clip_text *text, const char *const prompts[2], bool keep, float *weight,
                   float *mean)
{
    float e[2 * EMBED];
    double unit[EMBED] = {0}, norm = 0;
    ck_assert_ok(dho_clip_text_encode(text, prompts, 2, e, NULL));
    for (int t = 0; t < 2; t++) {
        double square = 0;
        for (int i = 0; i < EMBED; i++)
            square += (double)e[t * EMBED + i] * (double)e[t * EMBED + i];
        for (int i = 0; i < EMBED; i++) unit[i] += (double)e[t * EMBED + i] / sqrt(square) / 2;
    }
    for (int i = 0; i < EMBED; i++) norm += unit[i] * unit[i];
    for (int i = 0; i < EMBED; i++) {
        weight[i] = (float)(unit[i] / (keep ? 1 : sqrt(norm)));
        mean[i] = (e[i] + e[EMBED + i]) / 2;
    }
}

START_TEST(test_head)
{
    static const char *const prompts[2][2] = {{"a cat", "the cat!"}, {"a b c", "the b c!"}};
    const dho_clip_source source = {.model = "clip_vit_b16", .path = FOLDER "model.safetensors"};
    char *names[] = {(char[]){"cat"}, (char[]){"b c"}},
         *keys[] = {(char[]){"Katze"}, (char[]){"ß"}};
    char *lines[] = {(char[]){"a {}"}, (char[]){"the {}!"}};
    const dho_prompt_classes classes = {.count = 2, .names = names, .keys = keys};
    const dho_templates templates = {.count = 2, .lines = lines};
    const char *path = fixture_path("head.safetensors");
    dho_compute *compute;
    dho_clip_text *text;
    dho_comm *comm;
    dho_head_file head;
    ck_assert_ok(dho_comm_create_serial(&comm));
    ck_assert_ok(dho_compute_create(&compute, DHO_BACKEND_BLIS, DHO_DTYPE_FP32, 1));
    ck_assert_ok(dho_clip_text_open(&text, &source, FOLDER, compute, 3));
    dho_zero_shot_options options = {
        .text = text, .model = "m", .classes = &classes, .templates = &templates};
    for (int keep = 0; keep < 2; keep++) {
        options.keep_mean_norms = keep == 1;
        options.scale = keep == 1 ? 42 : 0;
        ck_assert_ok(dho_zero_shot_build(&options, comm, path));
        ck_assert_ok(dho_head_file_read(&head, path));
        ck_assert_int_eq(head.head.classes, 2);
        ck_assert_int_eq(head.head.dim, EMBED);
        ck_assert_float_eq_tol(head.head.scale, keep ? 42 : 1 / 0.07f, 1e-4f);
        ck_assert_str_eq(head.dataset_classes[1], "ß");
        ck_assert_ptr_null(head.head.bias);
        for (int c = 0; c < 2; c++) {
            float weight[EMBED], mean[EMBED];
            expect(text, prompts[c], keep == 1, weight, mean);
            for (int i = 0; i < EMBED; i++) {
                ck_assert_float_eq_tol(head.head.weight[c * EMBED + i], weight[i], 1e-6f);
                ck_assert_float_eq_tol(head.text_means[c * EMBED + i], mean[i], 1e-5f);
            }
        }
        ck_assert_ok(dho_head_file_check(&head, path, 2, keys));
        ck_assert_fails(dho_head_file_check(&head, path, 3, keys), DHO_ERR_CONFIG, "2 classes");
        ck_assert_fails(dho_head_file_check(&head, path, 2, names), DHO_ERR_CONFIG,
                        "class 0 is \"Katze\", the dataset's is \"cat\"");
        dho_head_file_free(&head);
    }
    lines[0] = (char[]){"a 0123456789 0123456789 0123456789 0123456789 {}"};
    ck_assert_fails(dho_zero_shot_build(&options, comm, path), DHO_ERR_CONFIG,
                    "the model takes 40");
    dho_clip_text_close(&text);
    dho_compute_destroy(&compute);
    dho_comm_destroy(&comm);
}
END_TEST

static const float some[4] = {1, 2, 3, 4}, bad[4] = {1, NAN, 3, 4}, negative[1] = {-1};

static dho_tensor_view tensor(const char *name, const float *data, int dims, int64_t a, int64_t b)
{
    return (dho_tensor_view){.name = name,
                             .dtype = DHO_F32,
                             .dims = dims,
                             .shape = {a, b},
                             .data = data,
                             .bytes = (size_t)((dims > 0 ? a : 1) * (dims > 1 ? b : 1)) * 4};
}

START_TEST(test_hostile_heads)
{
    const struct {
        dho_tensor_view tensors[2];
        const char *classes, *message;
    } cases[] = {
        {{tensor("weights", some, 2, 2, 2)}, NULL, "no tensor \"weight\""},
        {{tensor("weight", some, 1, 4, 0)}, NULL, "expected shape [?, ?], found [4]"},
        {{tensor("weight", some, 2, 0, 2)}, NULL, "expected 1 to"},
        {{tensor("weight", bad, 2, 2, 2)}, NULL, "value [0, 1] is nan"},
        {{tensor("weight", some, 2, 2, 2), tensor("prototypes", some, 2, 2, 2)}, NULL, "has both"},
        {{tensor("weight", some, 2, 2, 2), tensor("bias", some, 1, 3, 0)}, NULL, "\"bias\""},
        {{tensor("weight", some, 2, 2, 2), tensor("text_means", some, 2, 2, 1)},
         NULL,
         "text_means"},
        {{tensor("weight", some, 2, 2, 2), tensor("scale", negative, 0, 0, 0)},
         NULL,
         "a scale of -1"},
        {{tensor("weight", some, 2, 2, 2), tensor("scale", some, 1, 2, 0)}, NULL, "\"scale\""},
        {{tensor("weight", some, 2, 2, 2)}, "[\"a\"]", "expected a list of 2"},
        {{tensor("weight", some, 2, 2, 2)}, "[\"a\", 1]", "entry 1 is no text"},
        {{tensor("weight", some, 2, 2, 2)}, "[\"a\"", "head.safetensors"},
    };
    const char *path = fixture_path("head.safetensors");
    dho_head_file head;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const metadata[] = {cases[i].classes != NULL ? "dataset_classes" : NULL,
                                        cases[i].classes, NULL};
        ck_assert_ok(dho_safetensors_save(
            path, cases[i].tensors, cases[i].tensors[1].name != NULL ? 2 : 1, metadata, NULL));
        const dho_status status = dho_head_file_read(&head, path);
        ck_assert_msg(status == DHO_ERR_FORMAT || status == DHO_ERR_CONFIG, "case %zu", i);
        ck_assert_msg(strstr(dho_error_message(), cases[i].message) != NULL, "case %zu: %s", i,
                      dho_error_message());
    }
    ck_assert_fails(dho_head_file_read(&head, "/no/such"), DHO_ERR_CONFIG, "/no/such");
    const char *const names[] = {"dataset_classes", "[\"a\", \"b\"]", NULL};
    const dho_tensor_view good[] = {tensor("prototypes", some, 2, 2, 2),
                                    tensor("bias", some, 1, 2, 0)};
    ck_assert_ok(dho_safetensors_save(path, good, 2, names, NULL));
    ck_assert_allocations(dho_head_file_read(&head, path));
    dho_head_file_free(&head);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zero_shot");
    TCase *tests = tcase_create("zero_shot");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_add_test(tests, test_classes);
    tcase_add_test(tests, test_templates);
    tcase_add_test(tests, test_shipped);
    tcase_add_test(tests, test_head);
    tcase_add_test(tests, test_hostile_heads);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

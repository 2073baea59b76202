/* The start of a student from files that are nearly right: names behind wrappers, what is left
 * over, another model's weights, values that cannot be. */
#define _GNU_SOURCE
#include "dho/alloc.h"
#include "dho/state_dict.h"
#include "dho/student.h"
#include "folder_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 600, NAME_BYTES = 160 };

/* A file's tensors: names of its own, values shared. */
typedef struct list {
    char names[MOST][NAME_BYTES];
    dho_tensor_view tensors[MOST];
    size_t count;
    dho_state_dict dict;
} list;

static dho_student student;
static float *parameters, *buffers, *file_parameters, *file_buffers;
static list *l;

static void open_student(const char *model, int width, int layers)
{
    const dho_student_options options = {
        .model = model, .width = width, .layers = layers, .image_size = 32, .classes = 4};
    ck_assert_ok(dho_student_create(&student, &options));
    const dho_graph *graph = student.graph;
    parameters = calloc(dho_graph_parameter_floats(graph) + 1, sizeof(float));
    buffers = calloc(dho_graph_buffer_floats(graph) + 1, sizeof(float));
    file_parameters = calloc(dho_graph_parameter_floats(graph) + 1, sizeof(float));
    file_buffers = calloc(dho_graph_buffer_floats(graph) + 1, sizeof(float));
    for (size_t i = 0; i < dho_graph_buffer_floats(graph); i++) buffers[i] = file_buffers[i] = 1;
    l = calloc(1, sizeof *l);
    ck_assert_ok(dho_state_dict_add(&l->dict, graph, false, "", file_parameters));
    ck_assert_ok(dho_state_dict_add(&l->dict, graph, true, "", file_buffers));
    for (size_t i = 0; i < l->dict.count; i++)
        if (strncmp(l->dict.tensors[i].name, "head", 4) != 0)
            l->tensors[l->count++] = l->dict.tensors[i];
    fixture_setup();
}

static void close_student(void)
{
    dho_state_dict_free(&l->dict);
    dho_student_destroy(&student);
    free(l);
    free(parameters);
    free(buffers);
    free(file_parameters);
    free(file_buffers);
    fixture_teardown();
}

/* Another tensor, of the shape and the values of one that is there. */
static void add(const char *name, const char *like)
{
    size_t i = 0;
    while (strcmp(l->tensors[i].name, like) != 0) ck_assert_uint_lt(++i, l->count);
    ck_assert_uint_lt(l->count, MOST);
    snprintf(l->names[l->count], NAME_BYTES, "%s", name);
    l->tensors[l->count] = l->tensors[i];
    l->tensors[l->count].name = l->names[l->count];
    l->count++;
}

/* Copies of all tensors behind `from`, behind `to`. */
static void add_all(const char *from, const char *to)
{
    char name[NAME_BYTES];
    for (size_t i = 0, n = l->count; i < n; i++) {
        const char *old = l->tensors[i].name;
        if (strncmp(old, from, strlen(from)) != 0) continue;
        snprintf(name, sizeof name, "%s%s", to, old + strlen(from));
        add(name, old);
    }
}

static dho_status init_named(const char *file, dho_init_report *report)
{
    char path[128];
    dho_weights *weights;
    snprintf(path, sizeof path, "%s/%s", fixture_root, file);
    ck_assert_ok(dho_safetensors_save(path, l->tensors, l->count, NULL, NULL));
    ck_assert_ok(dho_weights_open(&weights, path, NULL));
    const dho_status status =
        dho_state_dict_init(weights, student.graph, false, parameters, buffers, report);
    dho_weights_close(&weights);
    return status;
}

static dho_status init(dho_init_report *report)
{
    return init_named("x.safetensors", report);
}

START_TEST(test_prefixes)
{
    static const char *const prefixes[] = {
        "module.",           "_orig_mod.",        "module._orig_mod.", "_orig_mod.module.",
        "model.backbone.",   "encoder.",          "visual.",           "net.",
        "module.encoder_q.", "teacher.backbone.", "anything.at.all."};
    dho_init_report report;
    open_student("resnet18", 8, 0);
    const size_t count = l->count;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        l->count = count;
        add_all("", prefixes[i]);
        memmove(l->tensors, l->tensors + count, count * sizeof *l->tensors);
        l->count = count;
        ck_assert_ok(init(&report));
        ck_assert_str_eq(report.prefix, prefixes[i]);
        ck_assert_uint_eq(report.taken, count);
        ck_assert_uint_eq(report.passed_over, 0);
        for (size_t k = 0; k < count; k++) /* back again */
            l->tensors[k].name = strstr(l->tensors[k].name, prefixes[i]) + strlen(prefixes[i]);
    }
    close_student();
}
END_TEST

START_TEST(test_two_of_them)
{
    dho_init_report report;
    open_student("resnet18", 8, 0);
    const size_t count = l->count;
    add_all("", "ema.");
    ck_assert_ok(init(&report)); /* the one without a prefix; the other is named */
    ck_assert_str_eq(report.prefix, "");
    ck_assert_uint_eq(report.passed_over, count);
    ck_assert_str_eq(report.examples, "ema.* (100)");
    for (size_t i = 0; i < count; i++) {
        snprintf(l->names[i], NAME_BYTES, "encoder_q.%s", l->tensors[i].name);
        l->tensors[i].name = l->names[i];
    }
    ck_assert_fails(
        init(&report), DHO_ERR_FORMAT,
        "both \"encoder_q.conv1.weight\" and \"ema.conv1.weight\" may be the backbone's: "
        "choose with dho weights convert --strip ema.");
    close_student();
}
END_TEST

START_TEST(test_known_leftovers)
{
    static const char *const names[] = {"fc.weight",
                                        "fc.bias",
                                        "bn1.num_batches_tracked",
                                        "n_averaged",
                                        "queue",
                                        "classifier.1.weight",
                                        "transformer.resblocks.0.ln_1.bias"};
    dho_init_report report;
    open_student("resnet18", 8, 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) add(names[i], "bn1.bias");
    ck_assert_ok(init(&report));
    ck_assert_uint_eq(report.taken, 100);
    ck_assert_uint_eq(report.passed_over, 6);
    ck_assert_str_eq(report.examples, "fc.* (2), n_averaged, queue, classifier.1.weight, "
                                      "transformer.resblocks.0.ln_1.bias");
    close_student();
}
END_TEST

START_TEST(test_resnet34)
{
    static const int blocks[] = {3, 4, 6, 3};
    dho_init_report report;
    char from[32], to[32];
    open_student("resnet18", 8, 0);
    for (int stage = 1; stage <= 4; stage++)
        for (int b = 2; b < blocks[stage - 1]; b++) {
            snprintf(from, sizeof from, "layer%d.1.", stage);
            snprintf(to, sizeof to, "layer%d.%d.", stage, b);
            add_all(from, to);
        }
    ck_assert_fails(init(&report), DHO_ERR_FORMAT,
                    "80 tensors of the model's own names fit no place: layer1.2.");
    ck_assert_ptr_nonnull(
        strstr(dho_error_message(), "looks like a ResNet-34, the student is a ResNet-18"));
    close_student();
}
END_TEST

START_TEST(test_resnet101)
{
    dho_init_report report;
    char to[32];
    open_student("resnet50", 8, 0);
    for (int b = 6; b < 23; b++) {
        snprintf(to, sizeof to, "layer3.%d.", b);
        add_all("layer3.5.", to);
    }
    ck_assert_fails(init(&report), DHO_ERR_FORMAT,
                    "looks like a ResNet-101, the student is a ResNet-50");
    close_student();
}
END_TEST

/* Parts that the graph does not compute: squeeze-and-excitation, LayerScale, a bias. */
START_TEST(test_other_parts)
{
    static const struct {
        const char *model, *name, *like;
        int width, layers;
    } parts[] = {
        {"resnet18", "layer1.0.se.fc1.bias", "bn1.bias", 8, 0},
        {"resnet18", "conv1.bias", "bn1.bias", 8, 0},
        {"resnet50", "layer2.0.aa.filt", "bn1.bias", 8, 0},
        {"mobilenet_v2", "features.19.0.weight", "features.0.1.bias", 8, 0},
        {"clip_vit_b16", "visual.transformer.resblocks.1.ls_1.gamma", "visual.ln_pre.bias", 64, 2},
        {"clip_rn50", "visual.layer5.0.bn1.bias", "visual.bn1.bias", 8, 0},
    };
    dho_init_report report;
    open_student(parts[_i].model, parts[_i].width, parts[_i].layers);
    add("head.bias", parts[_i].like); /* a head is none of them */
    ck_assert_ok(init(&report));
    add(parts[_i].name, parts[_i].like);
    ck_assert_fails(init(&report), DHO_ERR_FORMAT,
                    "1 tensor of the model's own names fits no place");
    ck_assert_ptr_nonnull(strstr(dho_error_message(), parts[_i].name));
    close_student();
}
END_TEST

START_TEST(test_deeper_transformer)
{
    dho_init_report report;
    open_student("clip_vit_b16", 64, 2);
    add("logit_scale", "visual.ln_pre.bias");
    add("transformer.resblocks.5.ln_1.bias", "visual.ln_pre.bias"); /* the text tower's */
    ck_assert_ok(init(&report));
    ck_assert_uint_eq(report.passed_over, 2);
    l->count -= 2;
    add_all("visual.transformer.resblocks.1.", "visual.transformer.resblocks.2.");
    ck_assert_fails(init(&report), DHO_ERR_FORMAT, "12 tensors of the model's own names");
    ck_assert_ptr_nonnull(
        strstr(dho_error_message(), "looks like 3 transformer blocks, the student is 2"));
    close_student();
}
END_TEST

START_TEST(test_missing)
{
    dho_init_report report;
    open_student("resnet18", 8, 0);
    const size_t count = l->count;
    l->count = count / 2;
    ck_assert_fails(init_named("m-00001-of-00002.safetensors", &report), DHO_ERR_FORMAT,
                    "one part of many: name the .index.json");
    l->count = 25; /* blocks of another model, none of which is the model itself */
    for (size_t i = 0; i < 25; i++) {
        snprintf(l->names[i], NAME_BYTES, "layer0.%s", l->dict.tensors[i].name);
        l->tensors[i].name = l->names[i];
    }
    ck_assert_fails(init(&report), DHO_ERR_FORMAT, "no tensor \"conv1.weight\" of shape");
    l->count = 3;
    for (size_t i = 0; i < 3; i++) {
        snprintf(l->names[i], NAME_BYTES, "stem.%zu.kernel", i);
        l->tensors[i].name = l->names[i];
    }
    ck_assert_fails(init(&report), DHO_ERR_FORMAT,
                    "no tensor \"conv1.weight\" of shape [8, 3, 7, 7], nor 99 others; the file has "
                    "stem.0.kernel, stem.1.kernel ...");
    close_student();
}
END_TEST

/* Values that cannot be: the tensor and the place in it are named. */
START_TEST(test_values)
{
    dho_init_report report;
    open_student("resnet18", 8, 0);
    float *conv = l->dict.blocks[0], *variance = NULL;
    for (size_t i = 0; i < l->dict.count; i++)
        if (strcmp(l->dict.tensors[i].name, "bn1.running_var") == 0)
            variance = (float *)(uintptr_t)l->dict.tensors[i].data;
    ck_assert_str_eq(l->dict.tensors[0].name, "conv1.weight");
    conv[(2 * 3 + 1) * 49 + 7 * 3 + 5] = NAN;
    ck_assert_fails(init(&report), DHO_ERR_FORMAT,
                    "tensor \"conv1.weight\": value [2, 1, 3, 5] is nan");
    conv[(2 * 3 + 1) * 49 + 7 * 3 + 5] = 0;
    conv[8 * 3 * 49 - 1] = -INFINITY;
    ck_assert_fails(init(&report), DHO_ERR_FORMAT, "value [7, 2, 6, 6] is -inf");
    conv[8 * 3 * 49 - 1] = 0;
    variance[3] = -1;
    ck_assert_fails(init(&report), DHO_ERR_FORMAT,
                    "tensor \"bn1.running_var\": value [3] is -1: a variance is not negative");
    variance[3] = 0;
    ck_assert_ok(init(&report));
    double wide[8] = {0, 0, 1e300};
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->tensors[i].name, "bn1.bias") != 0) continue;
        l->tensors[i].dtype = DHO_F64;
        l->tensors[i].data = wide;
        l->tensors[i].bytes = sizeof wide;
    }
    ck_assert_fails(init(&report), DHO_ERR_FORMAT, "tensor \"bn1.bias\": value [2] is inf");
    close_student();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("leftovers");
    TCase *tests = tcase_create("leftovers");
    tcase_add_test(tests, test_prefixes);
    tcase_add_test(tests, test_two_of_them);
    tcase_add_test(tests, test_known_leftovers);
    tcase_add_test(tests, test_resnet34);
    tcase_add_test(tests, test_resnet101);
    tcase_add_loop_test(tests, test_other_parts, 0, 6);
    tcase_add_test(tests, test_deeper_transformer);
    tcase_add_test(tests, test_missing);
    tcase_add_test(tests, test_values);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

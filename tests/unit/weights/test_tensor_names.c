/* The names of other tools: every tensor of every student has one of its own, and a file under them
 * starts the student. What the tools really call them is tested in tests/e2e/{clip_,}weights.sh. */
#define _GNU_SOURCE
#include "dho/alloc.h"
#include "dho/state_dict.h"
#include "dho/student.h"
#include "folder_fixture.h"
#include "weights/tensor_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 8, MOST = 1024 };

static const struct {
    const char *model;
    int width, layers;
    dho_naming naming;
    const char *own, *name; /* one of its tensors */
} cases[] = {
    {"resnet50", 8, 0, DHO_NAMES_TIMM, "layer1.0.downsample.1.running_var",
     "layer1.0.downsample.1.running_var"},
    {"mobilenet_v2", 8, 0, DHO_NAMES_TIMM, "features.1.conv.1.weight", "blocks.0.0.conv_pw.weight"},
    {"mobilenet_v2", 8, 0, DHO_NAMES_TIMM, "features.17.conv.3.running_mean",
     "blocks.6.0.bn3.running_mean"},
    {"resnet50", 8, 0, DHO_NAMES_SEQUENTIAL, "layer4.2.bn3.running_var", "7.2.bn3.running_var"},
    {"mobilenet_v2", 8, 0, DHO_NAMES_SEQUENTIAL, "features.17.conv.3.running_mean",
     "0.17.conv.3.running_mean"},
    {"clip_rn50", 8, 0, DHO_NAMES_BARE, "visual.bn3.bias", "bn3.bias"},
    {"clip_rn50", 8, 0, DHO_NAMES_TIMM_BYOB, "visual.layer4.2.conv2.weight",
     "stages.3.2.conv2_kxk.conv.weight"},
    {"clip_vit_b16", 64, 2, DHO_NAMES_BARE, "visual.proj", "proj"},
    {"clip_vit_b16", 64, 2, DHO_NAMES_HUGGINGFACE, "visual.transformer.resblocks.1.ln_2.bias",
     "vision_model.encoder.layers.1.layer_norm2.bias"},
    {"clip_vit_b16", 64, 2, DHO_NAMES_TIMM, "visual.proj", "head.weight"},
};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct file {
    dho_tensor_view tensors[MOST];
    dho_tensor_names names[MOST];
    size_t count, slots;
} file;

/* The tensors of a slot, under the names of a naming, all of the same values. */
static void add_slot(file *out, const dho_slot *slot, dho_naming naming, const float *values)
{
    dho_tensor_names *names = &out->names[out->slots++];
    ck_assert_msg(dho_tensor_names_of(naming, slot->name, names), "no name for %s", slot->name);
    for (int i = 0; i < names->count; i++) {
        dho_tensor_view *view = &out->tensors[out->count++];
        ck_assert_uint_le(out->count, MOST);
        *view = (dho_tensor_view){
            .name = names->names[i], .dtype = DHO_F32, .dims = slot->dims, .data = values};
        for (int d = 0; d < slot->dims; d++) view->shape[d] = slot->shape[d];
        view->shape[0] /= names->count;
        view->bytes = slot->count / (size_t)names->count * sizeof(float);
        if (!names->transposed) continue;
        view->shape[0] = slot->shape[1];
        view->shape[1] = slot->shape[0];
    }
}

static bool is_head(const dho_slot *slot)
{
    return strncmp(slot->name, "head", 4) == 0;
}

static void make_student(int i, dho_student *student, file *out, const float *values)
{
    const dho_student_options options = {.model = cases[i].model,
                                         .width = cases[i].width,
                                         .layers = cases[i].layers,
                                         .image_size = 32,
                                         .embed = strncmp(cases[i].model, "clip", 4) ? 0 : CLASSES,
                                         .classes = CLASSES};
    ck_assert_ok(dho_student_create(student, &options));
    const dho_graph *graph = student->graph;
    for (size_t k = 0; k < dho_graph_parameter_count(graph); k++)
        if (!is_head(dho_graph_parameter(graph, k)))
            add_slot(out, dho_graph_parameter(graph, k), cases[i].naming, values);
    for (size_t k = 0; k < dho_graph_buffer_count(graph); k++)
        add_slot(out, dho_graph_buffer(graph, k), cases[i].naming, values);
}

START_TEST(test_names)
{
    dho_student student;
    dho_init_report report;
    dho_weights *weights;
    dho_tensor_names names;
    char path[64];
    file *out = calloc(1, sizeof *out);
    float *values = calloc(1 << 20, sizeof *values);
    ck_assert(dho_tensor_names_of(cases[_i].naming, cases[_i].own, &names));
    ck_assert_str_eq(names.names[0], cases[_i].name);
    make_student(_i, &student, out, values);
    const dho_graph *graph = student.graph;
    float *parameters = calloc(dho_graph_parameter_floats(graph), sizeof *parameters);
    float *buffers = calloc(dho_graph_buffer_floats(graph) + 1, sizeof *buffers);
    snprintf(path, sizeof path, "%s/x.safetensors", fixture_root);
    for (int headed = 0; headed < 2; headed++) {
        ck_assert_ok(dho_safetensors_save(path, out->tensors, out->count, NULL, NULL));
        ck_assert_ok(dho_weights_open(&weights, path, NULL));
        ck_assert_ok(
            dho_state_dict_init(weights, graph, headed == 1, parameters, buffers, &report));
        ck_assert_uint_eq(report.taken, out->count);
        ck_assert_uint_eq(report.passed_over, 0);
        if (headed == 0) /* CLIP's projection is as large as a head for `embed` classes */
            ck_assert_fails(dho_state_dict_init(weights, graph, true, parameters, buffers, &report),
                            DHO_ERR_FORMAT,
                            strcmp(names.names[0], "head.weight") == 0
                                ? "\"head.weight\" is the projection of CLIP"
                                : "student.init_head: no \"head.weight\"");
        dho_weights_close(&weights);
        if (strcmp(names.names[0], "head.weight") == 0) break;
        const int features = student.feature_dim;
        out->tensors[out->count++] = (dho_tensor_view){.name = "classifier.weight",
                                                       .dtype = DHO_F32,
                                                       .dims = 2,
                                                       .shape = {CLASSES, features},
                                                       .data = values,
                                                       .bytes = (size_t)(CLASSES * features) * 4};
        out->tensors[out->count++] = (dho_tensor_view){.name = "classifier.bias",
                                                       .dtype = DHO_F32,
                                                       .dims = 1,
                                                       .shape = {CLASSES},
                                                       .data = values,
                                                       .bytes = CLASSES * 4};
    }
    dho_student_destroy(&student);
    free(parameters);
    free(buffers);
    free(values);
    free(out);
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

START_TEST(test_no_such_name)
{
    dho_tensor_names names;
    ck_assert(!dho_tensor_names_of(DHO_NAMES_HUGGINGFACE, "visual.bn1.weight", &names));
    ck_assert(!dho_tensor_names_of(DHO_NAMES_HUGGINGFACE, "layer1.0.conv1.weight", &names));
    ck_assert(!dho_tensor_names_of(DHO_NAMES_TIMM, "visual.bn1.weight", &names));
    ck_assert(!dho_tensor_names_of(DHO_NAMES_TIMM, "token_embedding.weight", &names));
    ck_assert(!dho_tensor_names_of(DHO_NAMES_TIMM, "features.1.conv.3.weight", &names));
    ck_assert(!dho_tensor_names_of(DHO_NAMES_TIMM_BYOB, "visual.proj", &names));
    ck_assert(!dho_tensor_names_of(DHO_NAMES_TIMM_BYOB, "features.0.0.weight", &names));
    ck_assert(!dho_tensor_names_of(DHO_NAMES_BARE, "features.0.0.weight", &names));
    ck_assert(!dho_tensor_names_of(DHO_NAMES_SEQUENTIAL, "visual.conv1.weight", &names));
    ck_assert(!dho_tensor_names_of(DHO_NAMES_SEQUENTIAL, "blocks.0.norm1.weight", &names));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tensor_names");
    TCase *tests = tcase_create("tensor_names");
    tcase_add_checked_fixture(tests, fixture_setup, fixture_teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_names, 0, CASES);
    tcase_add_test(tests, test_no_such_name);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}

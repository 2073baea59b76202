/* The students as published: parameter counts, widths, what is refused. Names, order of operators
 * and numbers are tested against PyTorch in tests/unit/train/test_golden.c. */
#include "check_main.h"
#include "config/schema.h"
#include "dho/alloc.h"
#include "dho/student.h"

#include <stdio.h>
#include <string.h>

static size_t count_parameters(const dho_student *student)
{
    size_t sum = 0;
    for (size_t i = 0; i < dho_graph_parameter_count(student->graph); i++)
        sum += dho_graph_parameter(student->graph, i)->count;
    return sum;
}

static const dho_slot *find_parameter(const dho_student *student, const char *name)
{
    for (size_t i = 0; i < dho_graph_parameter_count(student->graph); i++) {
        const dho_slot *slot = dho_graph_parameter(student->graph, i);
        if (strcmp(slot->name, name) == 0) return slot;
    }
    return NULL;
}

/* sum(p.numel() for p in torchvision.models.X().parameters()), 1000 classes. */
static const struct published {
    const char *model;
    int width, features;
    size_t parameters;
    int size;
} published[] = {{"resnet18", 64, 512, 11689512, 224},
                 {"resnet50", 64, 2048, 25557032, 224},
                 {"mobilenet_v2", 32, 1280, 3504872, 224},
                 {"convnext_tiny", 96, 768, 28589128, 224},
                 /* timm's vit_small_patch16_224 */
                 {"vit_s16", 384, 384, 22050664, 224},
                 /* open_clip's image towers, and a head */
                 {"clip_rn50", 64, 1024, 38316896 + 1025000, 224},
                 {"clip_vit_b16", 768, 512, 86192640 + 513000, 224},
                 {"clip_vit_l14", 1024, 768, 303966208 + 769000, 224},
                 {"clip_vit_l14_336", 1024, 768, 304293888 + 769000, 336},
                 {"clip_vit_h14_378", 1280, 1024, 632682240 + 1025000, 378}};
enum { PUBLISHED = sizeof published / sizeof *published };

START_TEST(test_published)
{
    const struct published *p = &published[_i];
    const int widths[2] = {0, p->width};
    for (int i = 0; i < 2; i++) {
        dho_student student;
        const dho_student_options options = {
            .model = p->model, .width = widths[i], .image_size = p->size, .classes = 1000};
        ck_assert_ok(dho_student_create(&student, &options));
        ck_assert_int_eq(student.width, p->width);
        ck_assert_int_eq(student.feature_dim, p->features);
        ck_assert_uint_eq(count_parameters(&student), p->parameters);
        dho_student_destroy(&student);
    }
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* MobileNetV2(width_mult=width / 32): parameters and features with 10 classes, channels of
 * features.2's output (24 of the published model). */
static const struct scaled {
    int width, features, channels;
    size_t parameters;
} scaled[] = {{1, 1280, 8, 59178},     {2, 1280, 8, 79034},     {7, 1280, 8, 214938},
              {8, 1280, 8, 250922},    {11, 1280, 8, 408938},   {16, 1280, 16, 700490},
              {24, 1280, 24, 1368234}, {45, 1800, 32, 4337386}, {64, 2560, 48, 8722698}};
enum { SCALED = sizeof scaled / sizeof *scaled };

START_TEST(test_mobilenet_widths)
{
    const struct scaled *s = &scaled[_i];
    dho_student student;
    const dho_student_options options = {
        .model = "mobilenet_v2", .width = s->width, .image_size = 32, .classes = 10};
    ck_assert_ok(dho_student_create(&student, &options));
    ck_assert_int_eq(student.width, s->width);
    ck_assert_int_eq(student.feature_dim, s->features);
    const dho_slot *slot = find_parameter(&student, "features.2.conv.2.weight");
    ck_assert_ptr_nonnull(slot);
    ck_assert_int_eq(slot->shape[0], s->channels);
    ck_assert_uint_eq(count_parameters(&student), s->parameters);
    dho_student_destroy(&student);
}
END_TEST

START_TEST(test_refused)
{
    dho_student student;
    dho_student_options options = {
        .model = "resnet19", .width = 64, .image_size = 224, .classes = 10};
    ck_assert_fails(dho_student_create(&student, &options), DHO_ERR_CONFIG,
                    "resnet18, resnet50, mobilenet_v2, convnext_tiny");
    options.model = published[_i].model;
    options.width = -1;
    ck_assert_fails(dho_student_create(&student, &options), DHO_ERR_CONFIG, "student.width");
    options.width = 65537;
    ck_assert_fails(dho_student_create(&student, &options), DHO_ERR_CONFIG, "student.width");
    options.width = 65536; /* of which some layer makes more than the graph allows, or not */
    if (dho_student_create(&student, &options) == DHO_OK)
        dho_student_destroy(&student);
    else
        ck_assert_ptr_nonnull(strstr(dho_error_message(), "too wide"));
    options.width = 8;
    options.image_size = 0;
    ck_assert_fails(dho_student_create(&student, &options), DHO_ERR_CONFIG, "too small");
    ck_assert_int_eq(dho_alloc_get_stats().live_blocks, 0);
}
END_TEST

/* The configuration's words are the models that there are. */
START_TEST(test_words)
{
    char known[512] = "(known: ";
    dho_student student;
    const dho_student_options options = {.model = "none", .classes = 2, .image_size = 224};
    const char *const *words = dho_schema_find(&dho_schema_config, "student.model")->words;
    for (size_t i = 0; words[i] != NULL; i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", words[i],
                 words[i + 1] != NULL ? ", " : ")");
    }
    ck_assert_fails(dho_student_create(&student, &options), DHO_ERR_CONFIG, known);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("student");
    TCase *tests = tcase_create("student");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_published, 0, PUBLISHED);
    tcase_add_loop_test(tests, test_mobilenet_widths, 0, SCALED);
    tcase_add_loop_test(tests, test_refused, 0, PUBLISHED);
    tcase_add_test(tests, test_words);
    suite_add_tcase(suite, tests);
    return dho_check_run(suite);
}
